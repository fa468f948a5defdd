"""Whether a backbone's files are on this machine; nothing is asked of the hub, and no weight is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache

from timepro_lit.lalm.pretrained import Pretrained
from timepro_lit.lalm.shape import offline
from timepro_lit.lalm.tiny import Tiny
from timepro_lit.planning.memory import readable
from timepro_lit.planning.presence import Item
from timepro_lit.time_prompt.prompt import TimePrompt

_WEIGHTS = ("model.safetensors.index.json", "model.safetensors")


def of_model(model: Any, time_prompt: TimePrompt | None) -> Iterator[Item]:
    """Its configuration, its tokenizer with chat template and feature extractor, its weights."""
    if isinstance(model, Tiny):
        there = Path(model.checkpoint).exists()
        yield Item("base model", True, f"{model.checkpoint}{'' if there else ', which the run makes'}")
        return
    if not isinstance(model, Pretrained):
        return
    loader = offline(model)
    parts = (
        ("base model: config.json", loader.config),
        ("base model: tokenizer, chat template, feature extractor", lambda: loader.frontend(time_prompt)),
    )
    for name, ask in parts:
        try:
            ask()
            yield Item(name, True, model.checkpoint)
        except (ValueError, OSError) as error:
            # Of a hub's model that is not here the library says at length that it may not ask.
            away = _is_hub_name(model) and _folder(model) is None
            yield Item(name, False, _todo(model) if away else str(error).splitlines()[0])
    folder = _folder(model)
    files = list(folder.glob("*.safetensors")) if folder is not None else []
    size = sum(path.stat().st_size for path in files)
    found = f"{len(files)} files, {readable(size)}, in {folder}"
    yield Item("base model: weights", bool(files), found if files else _todo(model))


def _folder(model: Pretrained) -> Path | None:
    """Where the files are: the folder itself, or the hub's copy on this machine."""
    if Path(model.checkpoint).is_dir():
        return Path(model.checkpoint)
    if not _is_hub_name(model):
        return None
    found = (try_to_load_from_cache(model.checkpoint, name, revision=model.revision) for name in _WEIGHTS)
    path = next((one for one in found if isinstance(one, str)), None)
    return None if path is None else Path(path).parent


def _is_hub_name(model: Pretrained) -> bool:
    return model.checkpoint.count("/") == 1 and not model.checkpoint.startswith((".", "/", "~"))


def _todo(model: Pretrained) -> str:
    if _is_hub_name(model):
        return f"hf download {model.checkpoint}, or model.checkpoint=FOLDER; with a network the run does it by itself"
    return f"there is none in {model.checkpoint}: set model.checkpoint"
