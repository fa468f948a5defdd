"""From the settings of a run to the methods whose models it holds, so that runs of one method find each other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath
from typing import Any

from timepro_lit.records import Method
from timepro_lit.runs.config_file import dotted, entries
from timepro_lit.runs.determinants import grounds_of_scores, method_of, scored_alike
from timepro_lit.runs.origin import Grounds, key_of
from timepro_lit.settings.config import tasks_of
from timepro_lit.settings.description import rows_of
from timepro_lit.settings.stored import read_settings
from timepro_lit.tasks.base import ScoredTask, scored

_REWARDS = "timepro_lit.rewards."
ADAPTIVE, EB_F1_ONLY = "adaptive", "eb_f1_only"


def methods_of(settings: Mapping[str, Any]) -> list[Method]:
    """The method of the base model, and of the model after each stage, in the order of the run's rows."""
    model = settings["model"]
    base = PurePath(str(model.get("checkpoint") or model["_target_"])).name
    stages, found = list(settings["stage"]), []
    for number, row in enumerate(rows_of(settings)):
        past = stages[:number]
        timestamps = settings["time_prompt"] if past else None
        last = settings["stage"][past[-1]] if past else None
        found.append(
            Method(
                experiment=settings["name"] or "default",
                scale=settings["scale"],
                model=base,
                row=row,
                timestamps=None if timestamps is None else str(timestamps.get("init", "digits")),
                stages=tuple(_kind(settings["stage"][name]) for name in past),
                stage_keys=tuple(past),
                reward=None if last is None else _reward(last["module"].get("reward")),
                settings=_flat(method_of(settings, past)),
            )
        )
    return found


@dataclass(frozen=True)
class Reader:
    """How the answers of a run are read and scored."""

    build: Callable[[], Mapping[str, ScoredTask]]
    scoring: Grounds
    variant: Mapping[str, str]
    """By task, a digest of what its settings say; the order of classes does not count."""


class Readers:
    """The readers of many runs, most of which have the same tasks: these are looked through and built once."""

    def __init__(self, trust: Collection[str]) -> None:
        self.trust = trust
        self.known: dict[str, Reader] = {}
        self.nodes: dict[str, tuple[str, Any]] = {}
        """Variant -> name and settings of a task."""

    def of(self, run: Path, tasks: Mapping[str, Any]) -> Reader:
        """The reader of a run whose settings hold these `tasks`. Raises ValueError as `read_settings`."""
        key = key_of({"task": tasks})
        if key not in self.known:
            settings = read_settings(run, trust=self.trust)
            variants = variants_of(settings["task"])
            self.nodes |= {variants[name]: (name, node) for name, node in settings["task"].items()}
            self.known[key] = Reader(
                cache(lambda: scored(tasks_of(settings))), grounds_of_scores(settings["task"]), variants
            )
        return self.known[key]

    def scoring_of(self, variant: str) -> Grounds:
        """How one task is scored by itself, as it is in a run that has it in this variant."""
        name, node = self.nodes[variant]
        return grounds_of_scores({name: node})


def variants_of(tasks: Mapping[str, Any]) -> dict[str, str]:
    """By task, a digest of how it is scored: equal where scores may stand in one table."""
    return {name: key_of(scored_alike({name: node})) for name, node in tasks.items()}


def _kind(stage: Mapping[str, Any]) -> str:
    """What a stage does, by the class that does it.

    >>> _kind({"module": {"_target_": "timepro_lit.lit.sft.SFT"}})
    'sft'
    """
    return str(stage["module"].get("_target_")).rpartition(".")[2].lower()


def _reward(node: Mapping[str, Any] | None) -> str | None:
    """Of the paper's two rewards which one, by what it is made of; of another one what it is called."""
    if node is None:
        return None
    f1 = {"_target_": f"{_REWARDS}event_f1.EventF1Reward"}
    rewards = ((node.get("main") or {}).get("rewards") or {}).values()
    of_paper = node.get("_target_") == f"{_REWARDS}adaptive.AdaptiveReward" and all(
        f1.items() <= r.items() for r in rewards
    )
    if not of_paper:
        return str(node.get("label") or node.get("_target_"))
    return EB_F1_ONLY if node.get("auxiliary") is None else ADAPTIVE


def _flat(node: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted key -> value, of the leaves; empty nodes are leaves."""
    return {
        dotted(place): value if not isinstance(value, Mapping | list) else str(value)
        for place, value in entries(node)
        if not isinstance(value, Mapping | list) or not value
    }
