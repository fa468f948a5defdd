"""From a run directory or an exported folder to a `Listener`: its settings are read, its parts are built."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from timepro_lit.events.voting import Voting
from timepro_lit.files.fingerprint import fingerprint
from timepro_lit.files.sealing import damaged_in, read_sealed
from timepro_lit.inference.listener import Listener
from timepro_lit.inference.windowing import Windowing
from timepro_lit.lalm.checkpoint import Backbone, ModelSource, base_fingerprint
from timepro_lit.lalm.hf_folder import check_time_prompt
from timepro_lit.runs.code import code_of, targets_of
from timepro_lit.runs.determinants import READING, answering_model
from timepro_lit.runs.origin import key_of, read_record
from timepro_lit.runs.stages import LONGEST, RECORD, check_result
from timepro_lit.settings.config import build_source, tasks_of
from timepro_lit.settings.description import ZERO_SHOT, check_rows, described, last_row
from timepro_lit.settings.stored import read_exported, read_settings
from timepro_lit.time_prompt.prompt import TimePrompt

ANSWERING = ("timepro_lit.inference.asking", "timepro_lit.lalm.checkpoint")
"""What makes answers besides what the settings name."""
EXPORTED, CHECKSUMS = "timepro_lit.json", "checksums.json"
"""Of an exported folder: the settings that say how it is loaded and asked, and what its files are known by."""


def load(
    folder: str | Path,
    *,
    row: str | None = None,
    base: str | None = None,
    device: str | None = None,
    batch_size: int = 8,
    trust: Collection[str] = (),
) -> Listener:
    """The model of a run directory or of an exported folder, ready to be asked.

    Args:
        folder: of `timepro_lit.train` or of `timepro_lit.export`.
        row: of a run's table, the name of a stage or "zero_shot" for the base model; None = the last stage.
        base: checkpoint of the base model, where it is not (or no longer) where the settings say.
        device: None = the GPU where there is one.
        batch_size: recordings that are asked about together, with up to 16 questions about each.
        trust: dotted names of classes beyond those of timepro_lit that the folder's settings may name, and so call.

    Raises ValueError or OSError, in one sentence, for a folder that is neither, whose parts do not fit together, or
    that names anything else to call: a folder may come from anybody.
    """
    path, device = Path(folder).absolute(), _device(device)
    settings, adapter = model_of(path, row, trust, base)
    check_stored(path, settings, row)
    source = source_of(settings, adapter)
    lalm = source.load()
    if is_exported(path):
        check_time_prompt(lalm, source.time_prompt, path)
    precision = settings["trainer"].get("precision") or "32-true"
    autocast = torch.bfloat16 if precision == "bf16-mixed" else None
    return Listener(lalm, tasks_of(settings), autocast, device, batch_size, settings.get(LONGEST))


def _device(name: str | None) -> str:
    """Where to compute; None = the GPU where there is one. Raises ValueError for what is not on this machine."""
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(f"device: {name} cannot be used here: {str(error).splitlines()[0]}") from error
    return name


def is_exported(folder: Path) -> bool:
    """Whether this is a folder of `export`, and not of a run."""
    return (folder / EXPORTED).exists()


def model_of(
    folder: Path, row: str | None = None, trust: Collection[str] = (), base: str | None = None
) -> tuple[dict[str, Any], Path | None]:
    """Settings of the model in a run directory or an exported folder, and the folder of its adapter, if it has one.

    Raises ValueError or OSError as `load`.
    """
    if not is_exported(folder):
        return trained_model(folder, row, trust, base)
    if row is not None:
        raise ValueError(f"row: {folder} is an exported folder, which holds one model and no {row}")
    return exported_model(folder, trust, base)


def check_stored(folder: Path, settings: Mapping[str, Any], row: str | None) -> None:
    """Raise ValueError where a file of a run's or an exported folder's model is not what was stored.

    What has no checksums, of an earlier version or another program, is taken as it is.
    """
    if not is_exported(folder):
        check_result(folder / (row or last_row(settings)) / "result")
        return
    if not (folder / CHECKSUMS).exists():
        return
    files = read_sealed(folder / CHECKSUMS).get("files")
    path = damaged_in(folder, files) if isinstance(files, dict) else folder / CHECKSUMS
    if path is not None:
        raise ValueError(
            f"{path} is missing or damaged, or was changed: it is not what was exported, by {folder / CHECKSUMS}; "
            "delete that where the change is meant"
        )


def source_of(settings: Mapping[str, Any], adapter: Path | None) -> ModelSource:
    """The recipe of the model that settings name. Raises ValueError where what they name is none."""
    model, time_prompt = build_source(settings)
    for group, part, kind in (("model", model, Backbone), ("time_prompt", time_prompt, TimePrompt | None)):
        if not isinstance(part, kind):
            raise ValueError(f"{group}._target_ names {settings[group]['_target_']}, which makes no {group}")
    return ModelSource(model, time_prompt, None, adapter)


def call_of(
    source: ModelSource,
    settings: Mapping[str, Any],
    prompts: Sequence[str],
    windowing: Windowing,
    voting: Voting | None,
) -> str:
    """Equal for calls that ask the same model the same in the same way: by content and code, as answers are stored.

    How many are asked together, and where, does not count.
    """
    code = code_of([*ANSWERING, *targets_of([settings["model"], settings["task"]])])
    return key_of(
        {
            "base": base_fingerprint(source.backbone),
            "model": answering_model(settings["model"]),
            "time_prompt": None if source.time_prompt is None else asdict(source.time_prompt),
            "adapter": None if source.adapter is None else fingerprint(source.adapter),
            "precision": settings["trainer"].get("precision"),
            "prompts": list(prompts),
            "windows": asdict(windowing),
            "voting": None if voting is None else asdict(voting),
            "code": {name: digest for name, digest in code.items() if not name.startswith(READING)},
        }
    )


def trained_model(
    directory: Path, row: str | None = None, trust: Collection[str] = (), base: str | None = None
) -> tuple[dict[str, Any], Path | None]:
    """Settings of a run's model and the folder of its adapter, None for the base model.

    Beside them, where it is known, how long the recordings were that it was trained on.
    """
    if not (directory / "config.yaml").exists():
        raise ValueError(
            f"{directory} is neither a run directory (no config.yaml) nor an exported model (no {EXPORTED})"
        )
    settings = read_settings(directory, trust=trust)
    check_rows([row] if row else [], described(settings), "row")
    row = row or last_row(settings)
    if row == ZERO_SHOT:
        return _on(base, settings) | {"time_prompt": None}, None
    shown = directory / row / "result"
    result = shown.resolve()
    if shown.is_symlink() and not result.exists():
        raise ValueError(f"{shown} leads to {result}, which is not there: an older run's stages have to move with it")
    if not result.exists():
        raise ValueError(f"{directory} has not finished its stage {row}")
    numbers = (read_record(result / RECORD) or {}).get("result", {})
    settings |= {LONGEST: numbers[LONGEST]} if isinstance(numbers.get(LONGEST), int | float) else {}
    if (result / "adapter").exists():
        return _on(base, settings), result / "adapter"
    _check_no_base(base, result / "checkpoint")
    return settings | {"model": _trained_base(settings["model"], result / "checkpoint")}, None


def _on(base: str | None, settings: dict[str, Any]) -> dict[str, Any]:
    return settings if base is None else settings | {"model": {**settings["model"], "checkpoint": base}}


def _check_no_base(base: str | None, weights: Path) -> None:
    if base is not None:
        raise ValueError(f"base: {weights} holds all weights of the model, which stands on no other")


def _trained_base(model: Mapping[str, Any], checkpoint: Path) -> dict[str, Any]:
    """The settings of a model whose own weights were trained."""
    if "checkpoint" in model:
        return {**model, "checkpoint": str(checkpoint)} | ({"revision": None} if "revision" in model else {})
    # Trained from nothing, which only our small Qwen2.5-Omni is.
    return {"_target_": "timepro_lit.lalm.qwen2_5_omni.Qwen2_5Omni", "checkpoint": str(checkpoint)}


def exported_model(
    folder: Path, trust: Collection[str] = (), base: str | None = None
) -> tuple[dict[str, Any], Path | None]:
    """Settings of an exported folder and, where it holds one, its adapter."""
    settings = read_exported(folder / EXPORTED, trust)
    if (folder / "adapter_config.json").exists():
        return _on(base, settings), folder
    _check_no_base(base, folder)
    settings["model"]["checkpoint"] = str(folder)
    return settings, None
