"""The settings in a run directory, in a form that outlives a move of the directory or of the whole project."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from timepro_lit.files.json_object import read_object, shown
from timepro_lit.runs.config_file import CONFIG, read_config, resolved
from timepro_lit.runs.stages import LONGEST
from timepro_lit.settings.config import portable, settings_of
from timepro_lit.settings.schemas import CONF, Paths
from timepro_lit.settings.shared import OF_RUN, check_shared

MOVED = {"timepro_lit.tasks.listening.": "timepro_lit.tasks.pretraining."}
"""Where parts that settings name were before -> where they are."""


def to_store(cfg: DictConfig) -> dict[str, Any]:
    """The settings of a run, its folders as references to `paths`; where the run itself lies is left out."""
    paths = {name: str(Path(folder).absolute()) for name, folder in settings_of(cfg)["paths"].items()}
    references = {f"<{name}>": f"${{paths.{name}}}" for name in paths}
    kept = {key: value for key, value in portable(cfg).items() if key != "output_dir"}
    return {key: _replaced(value, references) for key, value in kept.items()} | {"paths": paths}


def read_settings(
    directory: Path, given: Mapping[str, str] | None = None, trust: Collection[str] = ()
) -> dict[str, Any]:
    """The settings of a run directory, resolved; folders that are not where they were are taken from this machine.

    `given` are `paths` to take instead, by name. `trust` are targets that may be named, beside those of `check_shared`.
    Raises ValueError where it is no run directory, or its settings name, hold or lack what they may not.
    """
    stored = read_config(directory)
    here = paths_here()
    paths = {name: path if Path(path).exists() else here.get(name, path) for name, path in stored["paths"].items()}
    paths |= dict(given or {})
    settings = with_todays_names(resolved(stored, paths))
    check_shared(settings, directory / CONFIG, trust, OF_RUN)
    return settings


def settings_as_data(directory: Path, trust: Collection[str] = ()) -> dict[str, Any]:
    """The settings of a run directory as they were given, to be compared: nothing in them may be built.

    References to `paths` stay, so that runs of two machines say the same. Raises ValueError as `read_settings`, but
    for values of another type than they should be, since a report looks at hundreds of runs.
    """
    stored = with_todays_names(read_config(directory))
    check_shared(resolved(stored, stored["paths"]), directory / CONFIG, trust, OF_RUN, types=False)
    return stored


def read_exported(file: Path, trust: Collection[str] = ()) -> dict[str, Any]:
    """The settings of an exported folder, and what else it says. Raises ValueError as `read_settings`."""
    settings = with_todays_names(read_object(file))
    longest_s = settings.pop(LONGEST, None)
    check_shared(settings, file, trust)
    known = longest_s is not None
    if known and not (type(longest_s) in (int, float) and 0 < longest_s < math.inf):
        raise ValueError(f"{file}: {LONGEST} is {shown(longest_s)}, which is no length in seconds")
    return settings | {LONGEST: longest_s}


def with_todays_names(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of an older run or exported folder, with the names that its parts have now."""
    renamed: dict[str, Any] = _replaced(settings, MOVED)
    return renamed


def paths_here() -> dict[str, str]:
    """`paths` of this installation, as long as nobody says otherwise."""
    chosen = OmegaConf.merge(OmegaConf.structured(Paths), OmegaConf.load(CONF / "paths" / "default.yaml"))
    return {str(name): path for name, path in settings_of(OmegaConf.create({"paths": chosen}))["paths"].items()}


def _replaced(node: Any, references: Mapping[str, str]) -> Any:
    if isinstance(node, Mapping):
        return {key: _replaced(value, references) for key, value in node.items()}
    if isinstance(node, list):
        return [_replaced(value, references) for value in node]
    if isinstance(node, str):
        for name, reference in references.items():
            node = node.replace(name, reference)
    return node
