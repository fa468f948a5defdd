"""A run that is killed in every stage ends with the weights, scores and curves of one that was left alone."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from timepro_lit.lit.health import COST
from timepro_lit.lit.states import step_of

pytestmark = pytest.mark.slow

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


def stop_in(
    stage: str, first_step: int, number: signal.Signals, folder: Path, name: str, **environment: str
) -> tuple[int, str]:
    """Start the run and send it a signal in a stage, after a state of `first_step` or later; exit code and output."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command(folder, name), cwd=folder, stdout=log, stderr=log, env=os.environ | environment
        )
    while True:
        time.sleep(0.002)
        assert process.poll() is None, (folder / "log").read_text()[-4000:]
        steps = [step_of(state) for state in (folder / name).glob(f"stages/{stage}-*.states/step-*[0-9]")]
        if max(steps, default=0) >= first_step:
            break
    process.send_signal(number)
    return process.wait(), (folder / "log").read_text()


def fake_slurm(folder: Path) -> dict[str, str]:
    """The environment of a Slurm job whose `scontrol` writes down what it is asked for."""
    folder.mkdir()
    (folder / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\n')
    (folder / "scontrol").chmod(0o755)
    names = {"JOB_ID": "7", "JOB_NAME": "x", "NTASKS": "1", "PROCID": "0", "LOCALID": "0", "NODEID": "0"}
    return {f"SLURM_{name}": value for name, value in names.items()} | {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two run directories, `whole` and `killed`, of the same settings."""
    folder = tmp_path_factory.mktemp("runs")
    subprocess.run(command(folder, "whole"), check=True, cwd=folder, capture_output=True, timeout=300)
    slurm = fake_slurm(folder / "slurm")
    assert stop_in("sft", 2, signal.SIGUSR1, folder, "killed", **slurm)[0] == 138
    assert stop_in("sft", 4, signal.SIGKILL, folder, "killed")[0] == -9  # the second epoch begins with the fourth step
    assert stop_in("grpo", 2, signal.SIGUSR1, folder, "killed", **slurm)[0] == 138
    assert (folder / "slurm" / "asked").read_text() == "requeue 7\nrequeue 7\n"
    code, said = stop_in("grpo", 4, signal.SIGTERM, folder, "killed")
    assert (code, said.splitlines()[-1]) == (143, "stopped by SIGTERM")
    assert "the state of step 4 is stored: the same command goes on from there" in said
    (newest,) = (folder / "killed").glob("stages/grpo-*.states/step-4")
    flip(newest / "state.ckpt")
    done = subprocess.run(
        command(folder, "killed"), check=True, cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert f"{newest} is damaged; going on from step-2" in done.stdout
    assert "grpo goes on after step 2" in done.stdout
    assert not list(folder.rglob("hpc_ckpt*"))
    return folder


def flip(path: Path) -> None:
    """Change one bit in the midst of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


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
        said = [{name: row[name] for name in row if row[name] and not name.startswith(COST)} for row in (one, other)]
        assert said[0] == said[1]
    assert {path.name for path in killed.iterdir()} == {"adapter", "metrics.csv", "recordings.npy", "result.json"}
