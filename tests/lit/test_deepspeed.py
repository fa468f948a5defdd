"""Whole runs under DeepSpeed: two processes on the CPU, by its own collectives."""

from __future__ import annotations

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

SCRIPT = Path(__file__).with_name("deepspeed_on_cpu.py")
SMALL = (
    "+experiment=demo", "trainer=deepspeed_zero2", "trainer.accelerator=cpu", "trainer.devices=2", "checkpoint_every=1",
    "sizes.data.num_clips={train: 9, val: 2, test: 2}", "data.eval_batch_size=1", "rows=[grpo]",
    "sizes.sft.max_steps=4", "sizes.sft.batch_size=2", "sizes.sft.learning_rate=1e-5", "sizes.sft.val_check_interval=2",
    "time_prompt=none",  # the base answers readably, so that groups have signal
    "sizes.sft.micro_batch_size=null", "sizes.sft.micro_batch_tokens=1000",
    "sizes.grpo.max_steps=3", "sizes.grpo.batch_size=4", "sizes.grpo.micro_batch_size=1", "sizes.grpo.group_size=4",
    "sizes.grpo.examples_per_task=4", "sizes.grpo.max_new_tokens=48", "sizes.grpo.val_check_interval=3",
)  # fmt: skip


def command(folder: Path, name: str, *settings: str) -> list[str]:
    places = (f"paths.outputs={folder / name}", f"paths.data={folder / 'data'}", f"output_dir={folder / name / 'run'}")
    return [sys.executable, str(SCRIPT), *SMALL, *places, *settings]


def finished(folder: Path, name: str, *settings: str) -> str:
    done = subprocess.run(command(folder, name, *settings), cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    said = finished(folder, "whole")
    assert "AG mIoU" in said
    assert said.splitlines().count("sft 0/4") == 1  # one of the two speaks
    assert "gcc" not in said
    return folder


def adapter(folder: Path, stage: str) -> dict[str, torch.Tensor]:
    return load_file(folder / "run" / stage / "result" / "adapter" / "adapter_model.safetensors")


def test_both_stages_train_and_are_evaluated(whole: Path) -> None:
    sft, grpo = (adapter(whole / "whole", stage) for stage in ("sft", "grpo"))
    assert all(weight.abs().max() > 0 for weight in sft.values())
    assert all(sft[name].shape == weight.shape and sft[name].dtype == torch.float32 for name, weight in grpo.items())
    assert not any(torch.equal(sft[name], weight) for name, weight in grpo.items() if "lora_B" in name)
    answers = (whole / "whole" / "run" / "evaluation" / "grpo" / "predictions.jsonl").read_text().splitlines()
    assert len({json.loads(line)["id"] for line in answers}) == len(answers) == 6


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        (
            "trainer.strategy.config.zero_optimization.stage=3",
            "trainer.strategy: with ZeRO-3 every process must take part",
        ),
        ("trainer.precision=32-true", "trainer.precision: DeepSpeed is set up for bf16-mixed, not 32-true"),
    ],
)
def test_what_would_wait_forever_or_differ_from_what_is_said_is_refused(
    tmp_path: Path, setting: str, fault: str
) -> None:
    settings = ("trainer.devices=1", setting)
    done = subprocess.run(command(tmp_path, "refused", *settings), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"error: {fault}" in done.stderr


@pytest.mark.slow
def test_it_learns_what_plain_data_parallelism_learns(whole: Path) -> None:
    finished(whole, "ddp", "trainer=ddp")
    for name, weight in adapter(whole / "ddp", "sft").items():
        torch.testing.assert_close(adapter(whole / "whole", "sft")[name], weight, atol=1e-4, rtol=0, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "number"), [("sft", signal.SIGKILL), ("grpo", signal.SIGTERM)])
def test_a_killed_run_ends_with_the_same_weights(whole: Path, stage: str, number: signal.Signals) -> None:
    with (whole / "log").open("w") as log:
        process = subprocess.Popen(command(whole, stage), cwd=whole, stdout=log, stderr=log, start_new_session=True)
    while not list(whole.glob(f"{stage}/stages/{stage}-*.states/step-*[0-9]")):
        time.sleep(0.002)
        assert process.poll() is None, (whole / "log").read_text()[-4000:]
    os.killpg(process.pid, number)
    assert process.wait() == (143 if number == signal.SIGTERM else -number)
    assert f"{stage} goes on after step" in finished(whole, stage)
    for name, weight in adapter(whole / "whole", "grpo").items():
        assert torch.equal(weight, adapter(whole / stage, "grpo")[name]), name
