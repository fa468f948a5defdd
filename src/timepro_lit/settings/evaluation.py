"""What a run is evaluated with: its own settings, but for the data and the trainer that are given with the command."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from omegaconf import DictConfig, OmegaConf

from timepro_lit.settings.schemas import TrainConfig

_PRECISION = "precision"


def for_evaluation(settings: dict[str, Any], evaluation: DictConfig, named: Collection[str] = ()) -> DictConfig:
    """The settings of a run with the data and the trainer of an evaluation, where it names others.

    A trainer says where to evaluate: unless `named`, the keys of the command line, hold its precision, that stays the
    run's, on which its answers depend.
    """
    other = {group: evaluation[group] for group in ("data", "trainer") if evaluation[group] is not None}
    if "trainer" in other and f"trainer.{_PRECISION}" not in named:
        trainer = OmegaConf.to_container(other["trainer"])
        assert isinstance(trainer, dict)
        trainer.pop(_PRECISION, None)
        own = settings["trainer"]
        other["trainer"] = trainer | ({_PRECISION: own[_PRECISION]} if _PRECISION in own else {})
    merged = OmegaConf.structured(TrainConfig)
    # A run's settings are stored resolved: nothing but other data, generated in its sizes, refers to these any more.
    sizes = {"data": (settings.get("sizes") or {}).get("data", {})} if "data" in other else {}
    merged.merge_with(settings | {group: None for group in other} | {"sizes": sizes})
    merged.merge_with(other)
    return merged
