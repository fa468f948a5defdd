"""Folders of weights as anybody may have made them, looked through before a library reads them.

transformers and peft follow what their json files say: to code, to other files, to downloads. Nothing that is written
here says any of that, so nothing of it is followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from timepro_lit.files.json_object import read_object, shown

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PROVENANCE = ("base_model_name_or_path", "revision", "peft_version")
"""What an adapter's configuration says of where it comes from, which changes nothing of what it does."""
_DESCRIPTIONS = (
    "config.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json",
    "generation_config.json",
)  # fmt: skip
_INDEX = "model.safetensors.index.json"
_CODE = ("auto_map", "custom_generate")
MOST_ALPHA = 1_000_000


def check_checkpoint(folder: Path) -> None:
    """Raise ValueError where a folder of base weights says to run code, or to read other files than safetensors in it.

    Raises it also where one of these is cut off. A name on the hub is no folder, and left to transformers.
    """
    if not folder.is_dir():
        return
    if (folder / ADAPTER_CONFIG).exists():
        raise ValueError(f"{folder} holds an adapter ({ADAPTER_CONFIG}), no whole model")
    for path in (folder / name for name in _DESCRIPTIONS):
        for key, value in _items(read_object(path)) if path.exists() else ():
            if key in _CODE:
                raise ValueError(f"{path}: {key} names code, and code in a folder is never run")
            if key.endswith("_implementation") and "/" in str(value):
                raise ValueError(f"{path}: {key} = {value} names code on a hub, which is never run")
    names: Iterable[Any] = ["model.safetensors"]
    if (folder / _INDEX).exists():
        shards = read_object(folder / _INDEX).get("weight_map")
        names = shards.values() if isinstance(shards, dict) else [shards]
        if odd := [name for name in names if not re.fullmatch(r"\w[\w.-]*\.safetensors", str(name))]:
            raise ValueError(f"{folder / _INDEX}: weight_map names {odd[0]!r}, which is no safetensors file beside it")
    for path in {folder / name for name in names}:
        if path.exists():
            tensor_shapes(path)


def check_adapter(folder: Path) -> frozenset[str]:
    """Names of the stored weights of a plain LoRA adapter.

    Raises FileNotFoundError where there is none, ValueError with the file and the key where it is anything else.
    """
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        if not (folder / name).exists():
            raise FileNotFoundError(f"{folder} holds no adapter (no {name})")
    config = read_object(folder / ADAPTER_CONFIG)
    for key, value in config.items():
        if not _is_plain(key, value):
            raise ValueError(f"{folder / ADAPTER_CONFIG}: {key} is {shown(value)}, and only plain LoRA is loaded")
    if lacking := [key for key in ("peft_type", "r", "lora_alpha", "target_modules") if key not in config]:
        raise ValueError(f"{folder / ADAPTER_CONFIG}: says no {lacking[0]}")
    shapes = tensor_shapes(folder / ADAPTER_WEIGHTS)
    for name, shape in shapes.items():
        kind = re.fullmatch(r"base_model\.model\.[\w.]+\.lora_([AB])\.weight", name)
        if kind is None or len(shape) != 2:
            raise ValueError(f"{folder / ADAPTER_WEIGHTS}: holds {shown(name)}, which is no weight of a LoRA adapter")
        rank = shape[0 if kind[1] == "A" else 1]
        if rank != config["r"]:
            raise ValueError(f"{folder / ADAPTER_CONFIG}: r = {config['r']}, but {name} is of rank {rank}")
    return frozenset(shapes)


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the tensors in a safetensors file, none of which is read.

    Raises ValueError that names the file where it is damaged or something else.
    """
    try:
        with safe_open(path, "pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:  # the library's own name no file
        raise ValueError(f"{path} cannot be read: {error}") from error


def _is_plain(key: str, value: Any) -> bool:
    """Whether peft does with this what it does with an adapter of ours. Keys of another peft are to be empty."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if key == "r":
        return isinstance(value, int) and number and value >= 1
    if key == "lora_alpha":
        return number and 0 < value < MOST_ALPHA
    if key == "lora_dropout":
        return number and 0 <= value < 1
    if key == "target_modules":
        return isinstance(value, list) and all(isinstance(v, str) and re.fullmatch(r"[\w.]+", v) for v in value)
    if key == "task_type":
        return value in (None, "CAUSAL_LM")
    if key in PROVENANCE:
        return value is None or isinstance(value, str)
    if key == "inference_mode":
        return isinstance(value, bool)
    from peft import LoraConfig  # takes seconds to import, and settings are checked without it

    plain = LoraConfig().to_dict()
    return value == plain[key] if key in plain else value in (None, False, "", [], {})


def _items(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield key, value
            yield from _items(value)
    elif isinstance(node, list):
        for value in node:
            yield from _items(value)
