"""What a recording can be asked about, as `Listener.ask` takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Occurrences = Literal["one", "any"]


@dataclass(frozen=True, slots=True)
class Ground:
    """When the described sound happens; with `any` occurrences, each time that it does, if at all."""

    query: str
    occurrences: Occurrences = "one"

    @property
    def task(self) -> str:
        return "ag" if self.occurrences == "one" else "moments"


@dataclass(frozen=True, slots=True)
class Detect:
    """All events of `classes`; of those the model was trained on, where None are given."""

    classes: Sequence[str] | None = None
    task = "sed"
    query = None


@dataclass(frozen=True, slots=True)
class Caption:
    """Every event with a description."""

    task = "dac"
    query = None


Question = Ground | Detect | Caption
