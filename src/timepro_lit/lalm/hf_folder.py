"""Folders for others: merged weights in the Hugging Face format or the adapter alone, the time prompt beside it."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from timepro_lit.files.atomic import naming, write_atomically
from timepro_lit.files.json_object import read_object, shown
from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.checkpoint import TRAINED_WITH, Backbone
from timepro_lit.lalm.shared_folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS, tensor_shapes
from timepro_lit.time_prompt.prompt import TimePrompt

TIME_PROMPT = "time_prompt"


_PROCESSOR = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")


def write_merged(lalm: LALM, folder: Path, base: Backbone) -> None:
    """The adapter added to the base weights, in the base's precision, with tokenizer and feature extractor.

    So that AutoProcessor loads it, the base's processor comes along; where it has none, one for sound and text.
    """
    if isinstance(lalm.model, PeftModel):
        lalm.model = lalm.model.merge_and_unload()
    lalm.save_base(folder, next(lalm.model.parameters()).dtype)
    for name in _PROCESSOR:
        if (path := base.cached(name)) is not None:
            shutil.copy(path, folder / name)
    described = [read_object(folder / name) for name in _PROCESSOR if (folder / name).exists()]
    if lalm.processor_class is not None and not any("processor_class" in one for one in described):
        parts = lalm.frontend.feature_extractor, lalm.frontend.tokenizer
        lalm.processor_class(*parts, chat_template=parts[1].chat_template).save_pretrained(folder)


def write_adapter(source: Path, folder: Path, outer_prefix: str = "") -> None:
    """A copy of a stored adapter that plain peft loads.

    `outer_prefix` is where the task model stands within a larger one: with "thinker." the adapter of a Qwen-Omni
    thinker loads on the full Omni model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS, TRAINED_WITH):
        if (source / name).exists():  # the last one is ours alone
            shutil.copy(source / name, folder / name)
    if outer_prefix:
        weights = load_file(folder / ADAPTER_WEIGHTS)
        inner = "base_model.model."
        renamed = {inner + outer_prefix + name.removeprefix(inner): weight for name, weight in weights.items()}
        _save(renamed, folder / ADAPTER_WEIGHTS, {"format": "pt"})


def write_time_prompt(lalm: LALM, time_prompt: TimePrompt | None, folder: Path) -> None:
    """time_prompt.safetensors, "timestamps" (K, D), and time_prompt.json, all that is needed to interleave them.

    Nothing without a time prompt.
    """
    if time_prompt is None or lalm.timestamps is None:
        return
    _save({"timestamps": lalm.timestamps.cpu().contiguous()}, folder / f"{TIME_PROMPT}.safetensors")
    write_atomically(folder / f"{TIME_PROMPT}.json", json.dumps(_described(lalm, time_prompt), indent=1))


def _save(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    with naming(path, SafetensorError):
        save_file(tensors, path, metadata)


def _described(lalm: LALM, time_prompt: TimePrompt) -> dict[str, Any]:
    grid = lalm.frontend.grid
    assert grid is not None
    return asdict(time_prompt) | {
        "frames_per_second": grid.frames_per_second,
        "block_s": grid.block_s,
        "max_seconds": grid.max_seconds,
        "audio_token_id": lalm.audio_id,
        "first_timestamp_id": lalm.first_timestamp_id,
        "tokens": [grid.token(index) for index in range(1, grid.num_timestamps + 1)],
    }


def check_time_prompt(lalm: LALM, time_prompt: TimePrompt | None, folder: Path) -> None:
    """Raise ValueError where a folder's stored timestamps, or what it says of them, are not those of the model."""
    table, words = folder / f"{TIME_PROMPT}.safetensors", folder / f"{TIME_PROMPT}.json"
    for path in (table, words):
        if path.exists() != (time_prompt is not None and time_prompt.has_rows):
            raise ValueError(f"{folder}: its settings and {path.name} disagree on whether there is a time prompt")
    if time_prompt is None or lalm.timestamps is None:
        return
    # What an earlier version did not have yet has its default there.
    stored, wanted = asdict(TimePrompt()) | read_object(words), _described(lalm, time_prompt)
    if differing := [key for key in (*wanted, *stored) if stored.get(key) != wanted.get(key)]:
        key = differing[0]
        raise ValueError(
            f"{words}: {key} is {shown(stored.get(key))}, but {shown(wanted.get(key))} by the folder's settings"
        )
    given = lalm.timestamps.cpu()
    # Compared before it is read, whatever its size.
    alike = tensor_shapes(table) == {"timestamps": tuple(given.shape)}
    stored_rows = load_file(table)["timestamps"] if alike else None
    if stored_rows is None or stored_rows.dtype != given.dtype or not torch.equal(stored_rows, given):
        raise ValueError(
            f"{table} does not hold the timestamps that the folder's settings give: one of them was changed"
        )


def write_card(folder: Path, card: dict[str, Any], body: str) -> None:
    """README.md with its YAML head, as the hub shows it."""
    head = "\n".join(f"{key}: {json.dumps(value)}" for key, value in card.items())
    write_atomically(folder / "README.md", f"---\n{head}\n---\n{body}")
