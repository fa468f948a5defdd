"""Which model of a folder is meant, and what is missing of it, before a weight is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from timepro_lit.inference.loading import EXPORTED, model_of

SETTINGS: dict[str, Any] = {
    "model": {"checkpoint": "a"}, "time_prompt": {"stride": 1}, "stage": {"sft": {"module": {}}}, "paths": {},
    "task": {}, "trainer": {},
}  # fmt: skip


def test_an_exported_folder_holds_one_model(tmp_path: Path) -> None:
    (tmp_path / EXPORTED).write_text(json.dumps(SETTINGS))
    settings, adapter = model_of(tmp_path)
    assert (settings["model"]["checkpoint"], adapter) == (str(tmp_path), None)
    with pytest.raises(ValueError, match="is an exported folder, which holds one model and no zero_shot"):
        model_of(tmp_path, "zero_shot")


def test_what_a_run_lacks_is_named(tmp_path: Path) -> None:
    OmegaConf.save(SETTINGS, tmp_path / "config.yaml")
    assert model_of(tmp_path, "zero_shot") == (SETTINGS | {"time_prompt": None}, None)
    with pytest.raises(ValueError, match="row: the run has no grpo; it has zero_shot, sft"):
        model_of(tmp_path, "grpo")
    with pytest.raises(ValueError, match="has not finished its stage sft"):
        model_of(tmp_path)
    (tmp_path / "sft").mkdir()
    (tmp_path / "sft" / "result").symlink_to("../stages/sft-0")
    with pytest.raises(ValueError, match="which is not there: an older run's stages have to move with it"):
        model_of(tmp_path)
