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

    def __post_init__(self) -> None:
        if not isinstance(self.query, str) or not self.query.strip():
            raise ValueError(f"Ground: needs the words of a query, not {self.query!r}")
        if self.occurrences not in ("one", "any"):
            raise ValueError(f"Ground: occurrences is one or any, not {self.occurrences!r}")

    @property
    def task(self) -> str:
        return "ag" if self.occurrences == "one" else "moments"


@dataclass(frozen=True, slots=True)
class Detect:
    """All events of `classes`; of those the model was trained on, where None are given."""

    classes: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.classes, str) or not all(isinstance(name, str) for name in self.classes or ()):
            raise ValueError(f"Detect: needs the names of classes, not {self.classes!r}")

    task = "sed"
    query = None


@dataclass(frozen=True, slots=True)
class Caption:
    """Every event with a description."""

    task = "dac"
    query = None


Question = Ground | Detect | Caption
