"""The settings in a run directory, in a form that outlives a move of the directory or of the whole project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from timepro_lit.runs.directory import read_config, resolved
from timepro_lit.settings.config import portable, settings_of
from timepro_lit.settings.schemas import CONF, Paths


def to_store(cfg: DictConfig) -> dict[str, Any]:
    """The settings of a run, its folders as references to `paths`; where the run itself lies is left out."""
    paths = settings_of(cfg)["paths"]
    references = {f"<{name}>": f"${{paths.{name}}}" for name in paths}
    kept = {key: value for key, value in portable(cfg).items() if key != "output_dir"}
    return {key: _replaced(value, references) for key, value in kept.items()} | {"paths": paths}


def read_settings(directory: Path) -> dict[str, Any]:
    """The settings of a run directory, resolved; folders that are not where they were are taken from this machine.

    Raises ValueError where it is no run directory.
    """
    stored = read_config(directory)
    here = paths_here()
    paths = {name: path if Path(path).exists() else here.get(name, path) for name, path in stored["paths"].items()}
    return resolved(stored, paths)


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
