"""`+debug=plan` and `+debug=preflight` as a user calls them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.lit.test_processes import ONE_EPOCH, SIZES, curves
from tests.warm import command
from timepro_lit.settings.schemas import CONF

EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
SMALL_ONLY = {
    "ablation_group4", "ablation_group16", "ablation_positions", "curriculum", "demo", "demo_long", "long_base",
    "moments", "moments_present", "tiny_base",
}  # fmt: skip
OF_RECORDINGS = {"castella", "castella_native"}


def train(folder: Path, *settings: str, fails: bool = False) -> str:
    """What a command says, in a folder that outputs and data lie below."""
    places = [f"paths.outputs={folder / 'outputs'}", f"paths.data={folder / 'data'}"]
    done = command("train", *settings, *places, cwd=folder, timeout_s=900)
    assert done.returncode == int(fails), done.stderr[-4000:]
    return done.stderr if fails else done.stdout


def rows(said: str) -> dict[str, list[str]]:
    """The table's cells, by the name of their row; of a sweep, the last job's."""
    lines = [line.strip("│").split("│") for line in said.splitlines() if line.startswith("│")]
    return {name.strip(): [cell.strip() for cell in cells] for name, *cells in lines}


def test_every_experiment_is_planned_at_the_scale_of_the_paper(tmp_path: Path) -> None:
    """In one process: a sweep over all that take this scale, of which each job says its own plan."""
    taken = [name for name in EXPERIMENTS if name not in SMALL_ONLY | OF_RECORDINGS]
    said = train(tmp_path, "-m", f"+experiment={','.join(taken)}", "+scale=paper", "+debug=plan")
    plans = said.split("plan of ")[1:]
    assert [plan.split()[0] for plan in plans] == taken
    by_name = dict(zip(taken, plans, strict=True))
    for name, plan in by_name.items():
        assert "MISSING  base model: weights" in plan and "hf download Qwen/Qwen2.5-Omni-7B" in plan
        assert "(not there yet)" in plan
        if name != "zero_shot":
            assert rows(plan)["optimiser steps"][0] == "7,941"  # 169,346 questions, 64 a step, three times
            assert rows(plan)["questions"][0] == "ag 61,862, dac 92,443, sed 15,041"
            assert "assumed: the paper's numbers" in plan and "assumed: those of Qwen/Qwen2.5-Omni-7B" in plan
    full = rows(by_name["ablation_adaptive"])
    assert full["optimiser steps"][1] == "638"  # 10,200 prompts, 16 a step
    assert full["stored result"] == ["80.7 MB", "80.7 MB"]
    assert full["memory: base weights"] == ["16.5 GB", "16.5 GB"]
    assert "grpo on 64 processes: 16 rows to a step" in by_name["ablation_adaptive"]
    assert rows(by_name["reuse_rollouts"])["optimiser steps"][1] == "1,276"
    keys = {
        name: rows(plan)["key (equal keys: one stage for all)"] for name, plan in by_name.items() if name != "zero_shot"
    }
    assert keys["ablation_astp"][0] == keys["ablation_adaptive"][0] == keys["dapo"][0]
    assert len({name_keys[-1] for name_keys in keys.values()}) == len(keys)
    assert [path.name for path in (tmp_path / "outputs").iterdir()] == [".sweep"]
    refused = train(tmp_path, "+experiment=demo", "+scale=paper", "+debug=plan", fails=True)
    assert refused == "error: this experiment is made for the scale embedded alone and refuses paper\n"


def test_recordings_of_minutes_are_planned_in_windows_and_whole(tmp_path: Path) -> None:
    said = train(tmp_path, "-m", f"+experiment={','.join(sorted(OF_RECORDINGS))}", "+scale=castella", "+debug=plan")
    cut, whole = said.split("plan of ")[1:]
    assert "the published numbers of clotho_moment and castella, in windows of up to 30 s" in cut
    assert rows(cut)["rows an epoch, in steps"][0] == "39,240 in 614"
    assert rows(cut)["largest micro-batch"] == ["2 x 1,664 tokens", "1 x 1,664 tokens"]
    assert rows(whole)["rows an epoch, in steps"] == ["33,130 in 518", "34,874 in 545", "4,000 in 250"]
    assert rows(whole)["largest micro-batch"][2] == "1 x 9,152 tokens"  # 7,500 frames, 1,500 timestamps, the question
    assert rows(whole)["memory of each of 1 / 8 / 64 GPUs"][1] == "23 GB / 21.9 GB / 20.9 GB"


@pytest.mark.parametrize("num_processes", [1, 2])
def test_steps_are_those_of_real_runs(tmp_path: Path, num_processes: int) -> None:
    """test_processes.py counts those of real runs, on one, two and four processes: 48 questions and 16 prompts."""
    trainer = ["trainer=cpu"] if num_processes == 1 else ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    said = train(tmp_path, "+experiment=ablation_adaptive", *trainer, *SIZES, *ONE_EPOCH, "+debug=plan")
    assert rows(said)["optimiser steps"] == ["7", "4"]
    assert rows(said)["rows an epoch, in steps"] == ["48 in 7", "16 in 4"]
    assert "as they will be generated" in said
    assert not (tmp_path / "outputs").exists() and not (tmp_path / "data").exists()


@pytest.mark.slow
def test_a_plan_and_a_preflight_beside_a_real_run(tmp_path: Path) -> None:
    """What a plan says of a run is what the run comes to; neither it nor a preflight leaves a trace."""
    given = ["+experiment=ablation_adaptive", *SIZES, *ONE_EPOCH, "checkpoint_every=2"]
    alone = train(tmp_path, *given, "+debug=preflight")
    assert re.findall(r"^(\w+): fits: ", alone, re.MULTILINE) == ["sft", "grpo"]
    assert "32 tokens to each prompt; 3 micro-batches" in alone
    two = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    assert train(tmp_path, *given, *two, "+debug=preflight").count("on one of 2 processes") == 2
    broken = train(tmp_path, *given, *two, "stage.sft.module.weight_decay=inf", "+debug=preflight", fails=True)
    assert broken.count("stage.sft: ") == 2  # both processes say it, and stop
    assert "the step leaves weights that are no numbers" in broken
    assert not (tmp_path / "outputs").exists()
    train(tmp_path, *given)
    (run,) = (tmp_path / "outputs" / "ablation_adaptive").iterdir()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "outputs").rglob("*")}
    planned = train(tmp_path, *given, "+debug=plan")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "outputs").rglob("*")} == before
    assert f"{run} (finished)" in planned
    for place, stage in enumerate(("sft", "grpo")):
        steps = max(int(row["step"]) for row in curves(run, stage)) + 1
        assert rows(planned)["optimiser steps"][place] == str(steps)
        (stored,) = (tmp_path / "outputs" / "stages").glob(stage + "-????????????")
        assert rows(planned)["result"][place] == f"stored: {stored.name}"
        size = (stored / "adapter" / "adapter_model.safetensors").stat().st_size
        assert rows(planned)["stored result"][place] == "492 kB" and 491_520 < size < 1.05 * 491_520
