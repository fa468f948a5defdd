"""The whole method through the door, on every backbone: zero-shot, SFT, GRPO, and the trained model asked again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import timepro_lit
from timepro_lit.records import Event

MODELS = {
    "qwen2_5_omni": "qwen2_5_omni_7b",
    "qwen2_audio": "qwen2_audio_7b",
    "audio_flamingo3": "audio_flamingo3",
    "voxtral": "voxtral_mini_3b",
    "qwen3_omni": "qwen3_omni_30b",
}
SMALL = [
    "sizes.data.num_clips={train: 30, val: 2, test: 2}", "model.dtype=float32", "trainer.precision=32-true",
    "sizes.sft.max_steps=2", "sizes.sft.batch_size=2", "sizes.sft.micro_batch_size=2", "sizes.sft.val_check_interval=2",
    "sizes.grpo.max_steps=2", "sizes.grpo.batch_size=2", "sizes.grpo.micro_batch_size=1", "sizes.grpo.group_size=2",
    "sizes.grpo.max_new_tokens=8", "sizes.grpo.val_check_interval=2", "sizes.grpo.examples_per_task=5",
    "rows=[zero_shot,sft,grpo]", "logger=none",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_backbone_goes_through_the_whole_method(
    name: str, family_of: Callable[[str], Any], tmp_path: Path
) -> None:
    settings = [f"model={MODELS[name]}", f"model.checkpoint={family_of(name).folder}", *SMALL]
    folders = [f"paths.outputs={tmp_path}/outputs", f"paths.data={tmp_path}/data", f"output_dir={tmp_path}/run"]
    command = [sys.executable, "-m", "timepro_lit.train", "+experiment=ablation_adaptive", *settings, *folders]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads((tmp_path / "run/report.json").read_text())
    assert {"zero_shot", "sft", "grpo"} <= report["scores"].keys()
    answers = [
        json.loads(line) for line in (tmp_path / "run/evaluation/grpo/predictions.jsonl").read_text().split("\n")[:-1]
    ]
    [asked, *_] = [answer for answer in answers if answer["task"] == "ag"]
    model = timepro_lit.load(tmp_path / "run", device="cpu")
    assert model.ground(asked["audio"], asked["query"]) == tuple(Event(*event) for event in asked["events"])
