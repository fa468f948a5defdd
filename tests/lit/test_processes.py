"""Whole runs on one, two and four real processes: epochs, steps, losses, weights, validation and files are the same."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from timepro_lit.lit.health import COST
from timepro_lit.lit.training import GRADIENT_NORM
from timepro_lit.settings.schemas import ROOT

HERE = Path(__file__).parent
NAMES = ("1", "zero2")
SIZES = (
    "task=[ag,sed]", "sizes.data.num_clips={train: 24, val: 4, test: 2}", "sizes.sft.rows=question",
    "sizes.sft.batch_size=7", "sizes.sft.micro_batch_size=null", "sizes.sft.micro_batch_tokens=1500",
    "sizes.sft.val_check_interval=3", "sizes.grpo.batch_size=5", "sizes.grpo.micro_batch_size=2",
    "sizes.grpo.examples_per_task=8", "sizes.grpo.val_check_interval=2", "sizes.grpo.max_new_tokens=32",
    # The base answers readably, so that groups have signal; no kernel rounds differently for another micro-batch.
    "time_prompt=none", "sizes.sft.learning_rate=3e-4", "trainer.precision=32-true", "model.dtype=float32",
)  # fmt: skip
FIVE_STEPS = ("sizes.sft.max_steps=5", "sizes.grpo.max_steps=5", "++trainer.log_every_n_steps=1")
ONE_EPOCH = (
    "sizes.sft.max_steps=-1", "sizes.sft.max_epochs=1", "sizes.grpo.max_steps=-1", "sizes.grpo.max_epochs=1",
)  # fmt: skip


def run(
    folder: Path,
    name: str,
    num_processes: int,
    *settings: str,
    deepspeed: bool = False,
    experiment: str = "ablation_adaptive",
) -> str:
    """What a run into `folder/name` says."""
    trainer, entry = ["trainer=cpu"], ["-m", "timepro_lit.train"]
    if num_processes > 1:
        trainer = ["trainer=ddp", "trainer.accelerator=cpu", f"trainer.devices={num_processes}"]
    if deepspeed:
        entry, trainer[0] = [str(HERE / "deepspeed_on_cpu.py")], "trainer=deepspeed_zero2"
        trainer.append("trainer.strategy.config.torch_autocast.enabled=false")
    places = [f"paths.outputs={folder / name}", f"paths.data={folder / 'data'}", f"output_dir={folder / name / 'run'}"]
    done = subprocess.run(
        [sys.executable, *entry, f"+experiment={experiment}", *trainer, *SIZES, *places, *settings],
        capture_output=True, text=True, cwd=folder, timeout=600, env={**os.environ, "PYTHONPATH": _path()},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def _path() -> str:
    return os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)


def curves(run: Path, stage: str) -> list[dict[str, str]]:
    with (run / stage / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def assert_same(one: Path, other: Path) -> None:
    """What is logged to 1e-6 and weights to 1e-5; validation and answers to the last digit."""
    for stage in ("sft", "grpo"):
        ours, theirs = curves(one / "run", stage), curves(other / "run", stage)
        assert len(ours) == len(theirs) > 5
        for row, its in zip(ours, theirs, strict=True):
            assert row.keys() == its.keys()
            for column, value in row.items():
                if column.startswith("val/") or not value:
                    assert its[column] == value, column
                elif not column.startswith(COST):
                    relative = 1e-5 if column == GRADIENT_NORM else 0.0
                    assert float(its[column]) == pytest.approx(float(value), abs=1e-6, rel=relative), column
        weights, its_weights = (
            load_file(folder / "run" / stage / "result/adapter/adapter_model.safetensors") for folder in (one, other)
        )
        assert all(weight.abs().max() > 0 for weight in weights.values())
        for name, weight in weights.items():
            torch.testing.assert_close(its_weights[name], weight, atol=1e-5, rtol=0, msg=name)
    answers = [(folder / "run/evaluation/grpo/predictions.jsonl").read_bytes() for folder in (one, other)]
    assert answers[0] == answers[1]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on one process, `1`, beside which others are to run."""
    folder = tmp_path_factory.mktemp("runs")
    run(folder, "1", 1, *FIVE_STEPS)
    assert any(float(row["grpo/no_signal"] or 1) < 1 for row in curves(folder / "1/run", "grpo"))
    return folder


def test_two_processes_learn_what_one_learns(alone: Path) -> None:
    said = run(alone, "2", 2, *FIVE_STEPS)
    assert said.count("page: ") == 1
    assert_same(alone / "1", alone / "2")


@pytest.mark.slow
def test_two_processes_use_rollouts_twice_as_one_does(tmp_path: Path) -> None:
    for name, num_processes in (("1", 1), ("2", 2)):
        run(tmp_path, name, num_processes, *FIVE_STEPS, "stage.grpo.module.updates_per_rollout=2")
    assert any(float(row["grpo/ratio_mean"] or 1) != 1 for row in curves(tmp_path / "1/run", "grpo"))
    assert_same(tmp_path / "1", tmp_path / "2")


@pytest.mark.slow
def test_four_processes_learn_what_one_learns(alone: Path) -> None:
    run(alone, "4", 4, *FIVE_STEPS)
    assert_same(alone / "1", alone / "4")


@pytest.mark.slow
def test_gradients_in_shards_teach_what_whole_ones_teach(alone: Path) -> None:
    run(alone, "zero2", 2, *FIVE_STEPS, deepspeed=True)
    assert_same(alone / "1", alone / "zero2")


@pytest.mark.slow
def test_base_weights_are_trained_in_shards(tmp_path: Path) -> None:
    """Norms and projections finish their gradients in another order than they are listed in."""
    settings = [setting for setting in (*SIZES, *FIVE_STEPS) if "grpo" not in setting]
    run(tmp_path, "1", 1, *settings, experiment="full_weights")
    said = run(tmp_path, "zero2", 2, *settings, deepspeed=True, experiment="full_weights")
    assert "AG mIoU" in said
    losses = [[float(r["train/loss"]) for r in curves(tmp_path / n / "run", "sft") if r["train/loss"]] for n in NAMES]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    first, second = (load_file(tmp_path / n / "run/sft/result/checkpoint/model.safetensors") for n in NAMES)
    base = load_file(ROOT / "src/timepro_lit/assets/tiny_base/model.safetensors")
    assert first.keys() == base.keys()
    moved = {name for name, weight in first.items() if not torch.equal(weight, base[name])}
    assert any("self_attn" in name for name in moved) and not any("audio_tower" in name for name in moved)
    for name, weight in first.items():
        torch.testing.assert_close(second[name], weight, atol=1e-5, rtol=2**-7, msg=name)  # stored in bfloat16


@pytest.mark.parametrize(
    "num_processes", [2, pytest.param(1, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)]
)
def test_an_epoch_reads_every_example_once(tmp_path: Path, num_processes: int) -> None:
    """48 questions about 24 clips make seven steps of seven, 16 prompts four of five; the last hold six and one."""

    def seen(name: str) -> dict[str, list[tuple[int, str]]]:
        lines: dict[str, list[tuple[int, str]]] = {"SFT": [], "GRPO": []}
        for path in (tmp_path / "fresh" / name / "seen").iterdir():
            pairs = [line.split() for line in path.read_text().splitlines()]
            lines[path.name.split("-")[0]] += [(int(step), id_) for step, id_ in pairs]
        return lines

    watched = "+callbacks.seen={_target_: seen_ids.SeenIds, _partial_: true}"
    said = run(tmp_path, "fresh", num_processes, *ONE_EPOCH, watched)
    found = seen("run")
    for stage, sizes, num_tasks in (("SFT", [7] * 6 + [6], 24), ("GRPO", [5, 5, 5, 1], 8)):
        assert [Counter(step for step, _ in found[stage])[step] for step in range(len(sizes))] == sizes
        ids = [id_ for _, id_ in found[stage]]
        assert len(set(ids)) == len(ids) == 2 * num_tasks
        assert sum(id_.endswith("-sed") for id_ in ids) == num_tasks
        assert f"{stage.lower()} {len(sizes)}/{len(sizes)}" in said
    for stage, validated in (("sft", [2, 5, 6]), ("grpo", [1, 3])):
        for column in ("val/ag/mIoU", "val/sed/Eb-F1"):
            assert [int(row["step"]) for row in curves(tmp_path / "fresh/run", stage) if row[column]] == validated
    lines = (tmp_path / "fresh/run/evaluation/grpo/predictions.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["id"] for line in lines) == [
        f"test-{n:06d}-{task}" for n in range(2) for task in ("ag", "sed")
    ]
    assert said.count("page: ") == 1

    other = ("stage.grpo.module.kl_coefficient=0.01", f"output_dir={tmp_path / 'fresh/other'}")
    said = run(tmp_path, "fresh", num_processes, *ONE_EPOCH, *other, watched)
    assert "sft: reused" in said
    assert sorted(seen("other")["GRPO"]) == sorted(found["GRPO"])
    assert not seen("other")["SFT"]
