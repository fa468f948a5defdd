"""A run that is killed in every stage ends with the weights, scores and curves of one that was left alone."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from timepro_lit.lit.checkpoints import StageCheckpoints, step_of
from timepro_lit.lit.health import COST

LOGS = Path(__file__).resolve().parents[2] / "docs" / "logs.md"

SMALL = (
    "+experiment=reuse_rollouts", "checkpoint_every=1", "trainer.precision=32-true",
    "time_prompt=none", "sizes.sft.learning_rate=1e-5",  # the base answers readably, so that groups have signal
    "sizes.data.num_clips={train: 11, val: 2, test: 2}",
    "sizes.sft.max_epochs=2", "sizes.sft.max_steps=-1", "sizes.sft.batch_size=4", "sizes.sft.micro_batch_size=2",
    "sizes.sft.val_check_interval=2",
    "sizes.grpo.max_steps=6", "sizes.grpo.batch_size=4", "sizes.grpo.micro_batch_size=null",
    "sizes.grpo.micro_batch_tokens=1600", "stage.grpo.module.update=packed",
    "sizes.grpo.examples_per_task=4", "sizes.grpo.group_size=4", "sizes.grpo.val_check_interval=2",
    "trainer.log_every_n_steps=1",
)  # fmt: skip


def command(folder: Path, name: str) -> list[str]:
    places = (f"paths.outputs={folder / name}", f"paths.data={folder / 'data'}", f"output_dir={folder / name / 'run'}")
    return [sys.executable, "-m", "timepro_lit.train", *SMALL, *places]


def kill_in(stage: str, first_step: int, folder: Path, name: str) -> int:
    """Start the run and kill it in a stage, after a state of `first_step` or later; the step of that state."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command(folder, name), cwd=folder, stdout=log, stderr=log)
    curves = folder / name / "run" / stage / "metrics.csv"
    while True:
        time.sleep(0.002)
        assert process.poll() is None, (folder / "log").read_text()[-4000:]
        steps = [step_of(state) for state in (folder / name).glob(f"stages/{stage}-*.states/step-*.ckpt")]
        logged = [row["step"] for row in csv.DictReader(curves.open())] if curves.exists() else []
        # Lightning logs a step a moment after its end, and that row would be missing.
        if steps and max(steps) >= first_step and str(max(steps) - 1) in logged:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    return max(steps)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two run directories, `whole` and `killed`, of the same settings."""
    folder = tmp_path_factory.mktemp("runs")
    subprocess.run(command(folder, "whole"), check=True, cwd=folder, capture_output=True, timeout=300)
    assert kill_in("sft", 4, folder, "killed") in (4, 5)  # the second epoch begins with the fourth step
    assert kill_in("grpo", 2, folder, "killed") in (2, 4)  # each rollout serves two steps
    done = subprocess.run(
        command(folder, "killed"), check=True, cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert "grpo goes on after step" in done.stdout
    return folder


def test_both_stages_change_the_adapter(folder: Path) -> None:
    sft, grpo = (
        load_file(folder / "whole" / "run" / stage / "result" / "adapter" / "adapter_model.safetensors")
        for stage in ("sft", "grpo")
    )
    for name, weight in sft.items():
        assert weight.any(), name
        assert not torch.equal(grpo[name], weight), name


@pytest.mark.parametrize("stage", ["sft", "grpo"])
def test_weights_scores_and_curves(folder: Path, stage: str) -> None:
    whole, killed = (folder / name / "run" / stage / "result" for name in ("whole", "killed"))
    weights = [load_file(result / "adapter" / "adapter_model.safetensors") for result in (whole, killed)]
    for name, weight in weights[0].items():
        assert torch.equal(weight, weights[1][name]), name
    results = [json.loads((result / "result.json").read_text())["result"] for result in (whole, killed)]
    assert results[0] == results[1]
    assert results[0]["validation"] is not None
    curves = [list(csv.DictReader((result / "metrics.csv").open())) for result in (whole, killed)]
    assert [row["step"] for row in curves[1]] == [row["step"] for row in curves[0]]
    assert {int(row["step"]) for row in curves[0]} == set(range(6))
    for one, other in zip(*curves, strict=True):
        # In a step without some task, Lightning repeats that task's values of an earlier step, if it saw that step.
        said = {column: value for column, value in other.items() if value and not column.startswith(COST)}
        assert {column: one[column] for column in said} == said
    assert {path.name for path in killed.iterdir()} == {"adapter", "metrics.csv", "recordings.npy", "result.json"}


@pytest.mark.parametrize(("stage", "title"), [("sft", "SFT"), ("grpo", "GRPO")])
def test_the_curves_are_those_that_are_documented(folder: Path, stage: str, title: str) -> None:
    lines = [line for line in LOGS.read_text().splitlines() if line.startswith("|")]
    rows = [[cell.strip(" `") for cell in line.split("|")[1:3]] for line in lines]
    documented = {key for key, of_stage in rows if of_stage in ("all", title)}
    with (folder / "whole" / "run" / stage / "metrics.csv").open() as file:
        [*logged] = csv.DictReader(file).fieldnames or ()
    shown = {re.sub(r"^val/\w+/.+", "val/<task>/<metric>", key) for key in logged}
    assert {re.sub(r"^grpo/\w+/\w+$", "grpo/<task>/<name>", key) for key in shown} == documented


def checkpoints(folder: Path, **settings: object) -> StageCheckpoints:
    arguments = {"every_steps": 1, "window": 1, "curves": folder / "metrics.csv", "placement": {"processes": 1}}
    (folder / "states").mkdir(exist_ok=True)
    (folder / "states" / "placement.json").write_text('{"processes": 1}')
    return StageCheckpoints(folder / "states", **(arguments | settings))


def test_a_state_that_nothing_can_go_on_from_is_named(tmp_path: Path) -> None:
    assert checkpoints(tmp_path).go_on() is None
    (tmp_path / "states" / "step-40.ckpt").write_bytes(b"PK\x03\x04 half of it")
    with pytest.raises(ValueError, match=r"step-40\.ckpt cannot be read .* to begin the stage anew"):
        checkpoints(tmp_path).go_on()
    with pytest.raises(ValueError, match=r"was written with \{'processes': 1\}, .* run it as before, or delete"):
        checkpoints(tmp_path, placement={"processes": 2}).go_on()


def test_the_newest_state_is_the_one_of_the_latest_step(tmp_path: Path) -> None:
    states = checkpoints(tmp_path)
    for name in ("step-8.ckpt", "step-40.ckpt", "step-44.partial"):
        (states.folder / name).touch()
    assert states.newest == states.folder / "step-40.ckpt"


def test_curves_of_several_attempts_are_one(tmp_path: Path) -> None:
    def state_of(step: int) -> None:
        for path in (tmp_path / "states").glob("*.ckpt"):
            path.unlink()
        torch.save({}, tmp_path / "states" / f"step-{step}.ckpt")

    states, curves = checkpoints(tmp_path), tmp_path / "metrics.csv"
    curves.write_text("step,loss\n0,9\n1,8\n2,7\n")
    state_of(2)
    states.go_on()
    assert not curves.exists()
    states.go_on()  # killed before it logged anything
    curves.write_text("step,loss\n2,6\n3,5\n4,4\n,")
    state_of(3)
    states.go_on()
    curves.write_text("step,other\n3,3\n4,2\n")
    states.join_curves()
    assert curves.read_text() == "loss,other,step\n9,,0\n8,,1\n6,,2\n,3,3\n,2,4\n"
    states.join_curves()
    assert curves.read_text().count("\n") == 6
