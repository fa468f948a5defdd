"""Two steps of everything through the real door: SFT -> GRPO -> evaluation -> report, then the same command again."""

from __future__ import annotations

import csv
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from wandb_offline import OfflineRun, offline_runs

from tests.warm import command

SMALL = (
    "sizes.data.num_clips={train: 30, val: 2, test: 4}",
    "sizes.sft.max_steps=2", "sizes.sft.batch_size=4", "sizes.sft.micro_batch_size=2", "sizes.sft.val_check_interval=2",
    "sizes.grpo.max_steps=2", "sizes.grpo.batch_size=2", "sizes.grpo.micro_batch_size=2",
    "sizes.grpo.examples_per_task=4", "sizes.grpo.group_size=2", "sizes.grpo.val_check_interval=2",
    "trainer.log_every_n_steps=1",
)  # fmt: skip


LOGS = Path(__file__).resolve().parents[1] / "docs" / "logs.md"
WATCHED = ("logger=wandb", "logger.wandb.completions=1")


def train(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`train` that writes under `folder` alone."""
    return command("train", *arguments, *places(folder), cwd=folder)


def places(folder: Path) -> tuple[str, str]:
    return f"paths.outputs={folder / 'outputs'}", f"paths.data={folder / 'data'}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def done(folder: Path) -> subprocess.CompletedProcess[str]:
    """A demo of two steps a stage, started as users start it."""
    arguments = ("+experiment=demo", *SMALL, *places(folder))
    program = [sys.executable, "-m", "timepro_lit.train", *arguments]
    done = subprocess.run(program, capture_output=True, text=True, cwd=folder, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done


@pytest.fixture(scope="module")
def finished(done: subprocess.CompletedProcess[str], folder: Path) -> Path:
    """Its run directory."""
    return folder / "outputs" / "demo"


def test_a_run_says_where_it_is_and_nothing_else(done: subprocess.CompletedProcess[str], finished: Path) -> None:
    assert done.stderr == ""
    before, _, table = done.stdout.partition("demo, scale")
    lines = [re.sub(r"\d+:\d\d|(?<!/)\b\d[\d.e+-]*(?=,| steps| batches)", "N", line) for line in before.splitlines()]
    in_between = [line for line in lines if ", left: " in line and ", took " not in line]  # on a slow machine
    making = [line for line in lines if line.startswith("soundscapes: ")]  # the recordings, at the first run
    assert [line for line in lines if line.strip() and line not in in_between + making] == [
        f"run directory: {finished}",
        "sft 0/2",
        "sft 2/2, loss N, N steps/s, took N, left: run at least N",
        "grpo 0/2",
        "grpo 2/2, reward N, N steps/s, took N, left: run N",
        "testing zero_shot 0/1",
        "testing zero_shot 1/1, N batches/s, took N, left: run N",
        "testing sft 0/1",
        "testing sft 1/1, N batches/s, took N, left: run N",
        "testing grpo 0/1",
        "testing grpo 1/1, N batches/s, took N",
    ]
    assert f"page: {finished / 'report.html'}" in table.splitlines()


def test_the_report_holds_three_rows_in_percent(finished: Path) -> None:
    report = json.loads((finished / "report.json").read_text())
    assert report["n_test"] == {"ag": 4, "sed": 4, "dac": 4}
    assert [row["name"] for row in report["rows"].values()] == [
        "Zero-shot", "SFT with the time prompt", "GRPO with the time prompt, adaptive reward"
    ]  # fmt: skip
    scores = report["scores"]
    for row in ("zero_shot", "sft", "grpo"):
        assert set(scores[row]) == {"ag", "sed", "dac", "parse_rate"}
        assert set(scores[row]["ag"]) == {"mIoU", "R@0.5", "R@0.7", "R@0.9"}
        assert set(scores[row]["sed"]) == {"Eb-F1"}
        assert set(scores[row]["dac"]) == {"METEOR", "Eb-F1"}
        assert all(
            0 <= v <= 100 for task in ("ag", "sed", "dac") for v in scores[row][task].values() if math.isfinite(v)
        )
    low, high = report["intervals"]["sft - zero_shot"]["ag"]["mIoU"]
    assert low <= scores["sft"]["ag"]["mIoU"] - scores["zero_shot"]["ag"]["mIoU"] <= high


def test_every_answer_is_on_file(finished: Path) -> None:
    lines = (finished / "evaluation" / "grpo" / "predictions.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len({row["id"] for row in rows}) == len(rows) == 12
    assert all(Path(row["audio"]).is_file() and isinstance(row["text"], str) for row in rows)


def test_the_adapter_is_plain_peft_and_the_base_is_untouched(finished: Path) -> None:
    adapter = finished / "grpo" / "result" / "adapter"
    settings = json.loads((adapter / "adapter_config.json").read_text())
    assert settings["peft_type"] == "LORA"
    assert (adapter / "adapter_model.safetensors").stat().st_size < 5e6


def test_the_page_is_written_and_everything_lies_under_the_outputs(finished: Path, folder: Path) -> None:
    assert "<html" in (finished / "report.html").read_text()
    assert {p.name for p in folder.iterdir()} <= {"data", "outputs", "empty"}


@pytest.mark.parametrize(("stage", "title"), [("sft", "SFT"), ("grpo", "GRPO")])
def test_the_curves_are_those_that_are_documented(finished: Path, stage: str, title: str) -> None:
    lines = [line for line in LOGS.read_text().splitlines() if line.startswith("|")]
    rows = [[cell.strip(" `") for cell in line.split("|")[1:3]] for line in lines]
    documented = {key for key, of_stage in rows if of_stage in ("all", title)}
    with (finished / stage / "metrics.csv").open() as file:
        [*logged] = csv.DictReader(file).fieldnames or ()
    shown = {re.sub(r"^val/\w+/.+", "val/<task>/<metric>", key) for key in logged}
    assert {re.sub(r"^grpo/\w+/\w+$", "grpo/<task>/<name>", key) for key in shown} == documented


def test_the_same_command_says_finished_and_another_is_refused(finished: Path, folder: Path) -> None:
    before = (finished / "report.json").stat().st_mtime_ns
    again = train(folder, "+experiment=demo", *SMALL)
    assert again.returncode == 0
    assert "is finished" in again.stdout and "METEOR" in again.stdout
    other = train(folder, "+experiment=demo", *SMALL, "seed=9")
    assert other.returncode == 1
    assert "seed" in other.stderr and len(other.stderr.strip().splitlines()) == 1
    assert (finished / "report.json").stat().st_mtime_ns == before


def test_a_finished_run_is_evaluated_again_on_another_split(finished: Path, folder: Path) -> None:
    done = command("evaluate", f"run={finished}", "split=val", "rows=[sft]", cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "METEOR" in done.stdout
    [again] = finished.glob("evaluation-val-????????")
    assert len((again / "evaluation" / "sft" / "predictions.jsonl").read_text().splitlines()) == 6
    assert json.loads((again / "report.json").read_text())["n_test"]["ag"] == 2
    assert json.loads((finished / "report.json").read_text())["n_test"]["ag"] == 4


def test_the_rl_rows_of_an_ablation_share_one_sft(finished: Path, folder: Path) -> None:
    stages = folder / "outputs" / "stages"
    assert len(list(stages.glob("sft-*.lock"))) == 1
    done = train(folder, "+experiment=ablation_eb_f1_only", *SMALL, *WATCHED)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr == ""  # W&B would have a dozen lines to say
    [reused] = (line for line in done.stdout.splitlines() if line.startswith("sft"))
    assert re.fullmatch(rf"sft: reused from {stages}/sft-[0-9a-f]{{12}}", reused)
    assert len(list(stages.glob("sft-????????????"))) == 1
    assert len(list(stages.glob("grpo-????????????"))) == 2
    [run] = (folder / "outputs" / "ablation_eb_f1_only").iterdir()
    assert (run / "sft" / "metrics.csv").read_bytes() == (finished / "sft" / "metrics.csv").read_bytes()
    reused_sft, trained, tested = offline_runs(run)
    for one, stage in ((reused_sft, "sft"), (trained, "grpo"), (tested, "grpo")):
        said = (one.name, one.group, one.job_type, one.tags)
        assert said == ("ablation_eb_f1_only-seed1", "ablation_eb_f1_only", stage, ["embedded"])
    [result] = stages.glob("sft-????????????")
    assert reused_sft.summary["reused_from"] == str(result) and str(result) in reused_sft.notes
    assert reused_sft.config["result"] == result.name
    assert "val/ag/mIoU" in {key for row in reused_sft.history for key in row}
    assert trained.id == tested.id != reused_sft.id
    assert trained.config["stage"]["grpo"]["module"]["group_size"] == 2
    with (run / "grpo" / "metrics.csv").open() as file:
        logged = {*(csv.DictReader(file).fieldnames or ())} - {"step"}
    assert {"train/gradient_norm", "train/learning_rate", "grpo/entropy"} <= logged
    assert logged <= {key for row in trained.history for key in row}
    report = json.loads((run / "report.json").read_text())["scores"]["grpo"]
    assert tested.history[-2]["test/ag/mIoU"] == pytest.approx(report["ag"]["mIoU"])
    assert_shown(trained, "completions/val", run / "grpo", {"score"})
    assert_shown(trained, "completions/rollouts", run / "grpo", {"reward", "main", "auxiliary", "advantage"})
    assert_shown(tested, "completions/test", run / "grpo", {"score"})


def assert_shown(job: OfflineRun, key: str, folder: Path, worth: set[str]) -> None:
    """A table of answers with sounds and pictures, whose files lie below the run directory."""
    rows = job.tables[key]
    assert {*rows[0]} == {"id", "task", "query", "prompt", "answer", "reference", "audio", "timeline"} | worth
    assert len({row["id"] for row in rows}) == len({row["task"] for row in rows})  # a clip of each task
    assert {(row["audio"], row["timeline"]) for row in rows} <= {("Audio", "Image"), (None, None)}
    [files] = (files for files in job.artifacts.values() if f"{key}.table.json" in files)
    heads = [path.read_bytes()[:4] for name, path in files.items() if name.startswith("media/")]
    assert {*heads} == {b"RIFF", b"\x89PNG"}
    assert all(path.is_relative_to(folder.parent / "wandb") for path in files.values())


def test_an_empty_manifest_is_named(folder: Path) -> None:
    (folder / "empty").mkdir()
    for split in ("train", "val", "test"):
        (folder / "empty" / f"{split}.jsonl").touch()
    done = train(
        folder,
        "+experiment=ablation_astp",
        "data=paper",
        f"data.corpus.corpora.ftar.folder={folder / 'empty'}",
        f"data.corpus.corpora.desed.folder={folder / 'empty'}",
    )
    assert done.returncode == 1
    assert "train.jsonl" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["model.checkpoint=/nowhere"], "no config.json there"),
        (["classes=[alarm]"], "is none of the task's classes"),
        (["reward.main.rewards.ag._target_=timepro_lit.rewards.event_f1.EventFlReward"], "EventFlReward"),
    ],
)
def test_a_mistake_is_one_sentence(folder: Path, arguments: list[str], sentence: str) -> None:
    done = train(folder, "+experiment=ablation_astp", *SMALL, *arguments)
    assert done.returncode == 1
    assert sentence in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
