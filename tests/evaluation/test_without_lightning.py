"""Who only scores or reports needs no Lightning: the doors start where it cannot be imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from timepro_lit.data.manifest import write_manifest
from timepro_lit.evaluation.answers import write_evaluation
from timepro_lit.evaluation.numbers import scores_by_task
from timepro_lit.records import Answer, Event, Example
from timepro_lit.runs.origin import Grounds, Origin
from timepro_lit.tasks.grounding import Grounding

WITHOUT = """
import runpy, sys

for library in ("lightning", "pytorch_lightning", "lightning_fabric", "peft", "wandb"):
    sys.modules[library] = None  # an import raises ModuleNotFoundError
door, *sys.argv[1:] = sys.argv[1:]
runpy.run_module(f"timepro_lit.{door}", run_name="__main__", alter_sys=True)
"""
SETTINGS: dict[str, Any] = {
    "name": "doorstep", "scale": "embedded", "time_prompt": None, "lora": None, "trainer": {},
    "model": {"_target_": "timepro_lit.lalm.qwen2_5_omni.Qwen2_5Omni", "checkpoint": "tiny_base"},
    "data": {"_target_": "timepro_lit.lit.datamodule.ClipDataModule"},
    "task": {"ag": {"_target_": "timepro_lit.tasks.grounding.Grounding"}},
    "stage": {"sft": {"_target_": "timepro_lit.lit.stage.Stage", "label": "SFT", "module": {}}}, "paths": {},
}  # fmt: skip
EXAMPLE = Example("q", "ag", "a.wav", 5.0, (Event(1.0, 2.0, "a dog"),), query="a dog")


def door(name: str, *arguments: str) -> str:
    command = [sys.executable, "-c", WITHOUT, name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_run(directory: Path, seed: int, text: str) -> Path:
    """A run directory with one answer of its SFT model."""
    tasks = {"ag": Grounding()}
    answers = [Answer(EXAMPLE, "When?", text, tasks["ag"].parse(text), truncated=False)]
    write_evaluation(
        directory / "evaluation" / "sft",
        answers,
        scores_by_task(answers, tasks),
        str,
        {},
        Origin({}, {}),
        Grounds({}, {}),
    )
    OmegaConf.save(SETTINGS | {"seed": seed}, directory / "config.yaml")
    return directory


def test_score(tmp_path: Path) -> None:
    write_manifest(tmp_path / "test.jsonl", [EXAMPLE])
    (tmp_path / "answers.jsonl").write_text(json.dumps({"id": "q", "text": "[1.0, 1.5]"}) + "\n")
    given = [f"references={tmp_path / 'test.jsonl'}", f"predictions={tmp_path / 'answers.jsonl'}"]
    assert "mIoU" in door("score", "task=ag", *given, f"output_dir={tmp_path / 'scores'}")
    assert json.loads((tmp_path / "scores" / "scores.json").read_text())["mIoU"] == 50.0


def test_report(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "seed1", 1, "[1.0, 2.0]"), write_run(tmp_path / "seed2", 2, "[1.0, 1.5]")]
    printed = door("report", f"runs=[{','.join(map(str, runs))}]", f"output_dir={tmp_path / 'both'}")
    assert "AG mIoU" in printed and "75.0" in printed
    page = (tmp_path / "both" / "report.html").read_text(encoding="utf-8")
    assert "doorstep, scale embedded, tiny_base, seeds 1, 2, timepro_lit" in page
    assert "SFT without timestamps" in page
