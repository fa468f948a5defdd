"""Folders for others: merged weights in the Hugging Face format or the adapter alone, the time prompt beside it."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file

from timepro_lit.lalm.base import LALM
from timepro_lit.time_prompt.prompt import TimePrompt

TIME_PROMPT = "time_prompt"


def write_merged(lalm: LALM, folder: Path) -> None:
    """The adapter added to the base weights, in the base's precision, with tokenizer and feature extractor."""
    if isinstance(lalm.model, PeftModel):
        lalm.model = lalm.model.merge_and_unload()
    lalm.save_base(folder, next(lalm.model.parameters()).dtype)


def write_adapter(source: Path, folder: Path, outer_prefix: str = "") -> None:
    """A copy of a stored adapter that plain peft loads.

    `outer_prefix` is where the task model stands within a larger one: with "thinker." the adapter of a Qwen-Omni
    thinker loads on the full Omni model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.name != "README.md":  # peft's own card, an empty form
            shutil.copy(path, folder / path.name)
    if outer_prefix:
        weights = load_file(folder / "adapter_model.safetensors")
        inner = "base_model.model."
        renamed = {inner + outer_prefix + name.removeprefix(inner): weight for name, weight in weights.items()}
        save_file(renamed, folder / "adapter_model.safetensors", {"format": "pt"})


def write_time_prompt(lalm: LALM, time_prompt: TimePrompt | None, folder: Path) -> None:
    """time_prompt.safetensors, "timestamps" (K, D), and time_prompt.json, all that is needed to interleave them.

    Nothing without a time prompt.
    """
    if time_prompt is None or lalm.timestamps is None:
        return
    save_file({"timestamps": lalm.timestamps.cpu().contiguous()}, folder / f"{TIME_PROMPT}.safetensors")
    grid = lalm.frontend.grid
    assert grid is not None
    described = asdict(time_prompt) | {
        "frames_per_second": grid.frames_per_second,
        "block_s": grid.block_s,
        "max_seconds": grid.max_seconds,
        "audio_token_id": lalm.audio_id,
        "first_timestamp_id": lalm.first_timestamp_id,
        "tokens": [grid.token(index) for index in range(1, grid.num_timestamps + 1)],
    }
    (folder / f"{TIME_PROMPT}.json").write_text(json.dumps(described, indent=1), encoding="utf-8")


def check_time_prompt(lalm: LALM, folder: Path) -> None:
    """Raise ValueError where a folder's stored timestamps are not those that the model was given."""
    path = folder / f"{TIME_PROMPT}.safetensors"
    if path.exists() != (lalm.timestamps is not None):
        raise ValueError(f"{folder}: its settings and {path.name} disagree on whether there is a time prompt")
    if lalm.timestamps is not None and not torch.equal(load_file(path)["timestamps"], lalm.timestamps.cpu()):
        raise ValueError(
            f"{path} does not hold the timestamps that the folder's settings give: one of them was changed"
        )


def write_card(folder: Path, card: dict[str, Any], body: str) -> None:
    """README.md with its YAML head, as the hub shows it."""
    head = "\n".join(f"{key}: {json.dumps(value)}" for key, value in card.items())
    (folder / "README.md").write_text(f"---\n{head}\n---\n{body}", encoding="utf-8")
