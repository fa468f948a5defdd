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
    run's, on which its answers depend. Raises ValueError for tasks that the run has not, and where they name other
    classes than those that it was trained to answer for.
    """
    settings = _of_tasks(settings, evaluation.tasks)
    classes = next((list(task["classes"]) for task in settings["task"].values() if "classes" in task), [])
    if classes and not {"class_list", "classes"}.isdisjoint(named) and list(evaluation.classes) != classes:
        raise ValueError(f"class_list: the run asks for its own classes, {', '.join(classes)}")
    groups = [group for group in ("data", "trainer") if evaluation[group] is not None]
    other: dict[str, Any] = {group: _over(settings.get(group, {}), evaluation[group]) for group in groups}
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


def is_whole(group: DictConfig) -> bool:
    """Whether it stands in place of the run's own; single keys, as in `+trainer.precision=32-true`, change these."""
    return "_target_" in group


def _over(own: dict[str, Any], given: DictConfig) -> Any:
    return given if is_whole(given) else OmegaConf.merge(own, given)


def _of_tasks(settings: dict[str, Any], wanted: Collection[str] | None) -> dict[str, Any]:
    """The settings of a run that has these tasks alone; None = as they are."""
    if wanted is None:
        return settings
    own = settings["task"]
    if not wanted or (unknown := [name for name in wanted if name not in own]):
        said = f"the run does not answer {', '.join(unknown)}" if wanted else "nothing is chosen"
        raise ValueError(f"tasks: {said}; it answers {', '.join(own)}")
    tasks = {name: task for name, task in own.items() if name in wanted}
    data = {"data": settings["data"] | {"tasks": tasks}} if "data" in settings else {}
    return settings | {"task": tasks} | data
