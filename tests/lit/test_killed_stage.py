"""A run that is killed in every stage ends with the weights, scores and curves of one that was left alone."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from timepro_lit.lit.checkpoints import StageCheckpoints, check_readable, join_curves, set_curves_aside

SMALL = (
    "+experiment=reuse_rollouts", "checkpoint_every=1", "trainer.precision=32-true",
    "sizes.data.num_clips={train: 30, val: 2, test: 2}",
    "sizes.sft.max_steps=6", "sizes.sft.batch_size=4", "sizes.sft.micro_batch_size=2", "sizes.sft.val_check_interval=3",
    "sizes.grpo.max_steps=6", "sizes.grpo.batch_size=4", "sizes.grpo.micro_batch_size=null",
    "sizes.grpo.micro_batch_tokens=1600",
    "sizes.grpo.examples_per_task=4", "sizes.grpo.group_size=2", "sizes.grpo.val_check_interval=3",
    "trainer.log_every_n_steps=1",
)  # fmt: skip


def command(folder: Path, name: str) -> list[str]:
    places = (f"paths.outputs={folder / name}", f"paths.data={folder / 'data'}", f"output_dir={folder / name / 'run'}")
    return [sys.executable, "-m", "timepro_lit.train", *SMALL, *places]


def kill_in(stage: str, folder: Path, name: str) -> int:
    """Start the run and kill it in a stage; the step that it will go on from."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command(folder, name), cwd=folder, stdout=log, stderr=log)
    while not (states := list((folder / name).glob(f"stages/{stage}-*.partial/states/step-*.ckpt"))):
        time.sleep(0.002)
        assert process.poll() is None, (folder / "log").read_text()[-4000:]
    process.send_signal(signal.SIGKILL)
    process.wait()
    return min(int(state.stem.partition("-")[2]) for state in states)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two run directories, `whole` and `killed`, of the same settings."""
    folder = tmp_path_factory.mktemp("runs")
    subprocess.run(command(folder, "whole"), check=True, cwd=folder, capture_output=True, timeout=300)
    assert kill_in("sft", folder, "killed") >= 1
    assert kill_in("grpo", folder, "killed") in (2, 4)  # each rollout serves two steps
    done = subprocess.run(
        command(folder, "killed"), check=True, cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert "grpo goes on after step" in done.stdout
    return folder


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
    assert curves[0] == curves[1]
    assert {path.name for path in killed.iterdir()} == {"adapter", "metrics.csv", "result.json"}


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    state = tmp_path / "step-40.ckpt"
    state.write_bytes(b"PK\x03\x04 half of it")
    with pytest.raises(ValueError, match=r"step-40\.ckpt cannot be read .* to begin the stage anew"):
        check_readable(state)


def test_the_newest_state_is_the_one_of_the_latest_step(tmp_path: Path) -> None:
    checkpoints = StageCheckpoints(tmp_path, every_steps=3, window=2)
    assert checkpoints.newest is None
    for name in ("step-8.ckpt", "step-40.ckpt", "step-44.partial"):
        (tmp_path / name).touch()
    assert checkpoints.newest == tmp_path / "step-40.ckpt"
    assert checkpoints.every_steps == 4  # whole windows


def test_curves_of_several_attempts_are_one(tmp_path: Path) -> None:
    for attempt, (start, rows) in enumerate([(None, "0,9\n1,8\n2,7\n"), (2, "2,6\n3,5\n4,4\n"), (3, "3,3\n4,2\n")]):
        if start is not None:
            set_curves_aside(tmp_path, start)
        (tmp_path / "metrics.csv").write_text(("step,loss\n", "step,loss\n", "step,other\n")[attempt] + rows)
    join_curves(tmp_path)
    assert (tmp_path / "metrics.csv").read_text() == "loss,other,step\n9,,0\n8,,1\n6,,2\n,3,3\n,2,4\n"
    join_curves(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]
