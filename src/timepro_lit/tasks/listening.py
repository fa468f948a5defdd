"""What a base model is taught before it meets a timestamp: which sounds, how many, in what order, described how.

These questions only make training targets; nobody scores their answers, so they have no `parse`.
"""

from __future__ import annotations

from dataclasses import dataclass

from timepro_lit.records import Example
from timepro_lit.tasks.base import in_onset_order


@dataclass(frozen=True, slots=True)
class Tagging:
    """Which classes occur, in alphabetical order."""

    name: str = "tag"

    def prompt(self, example: Example) -> str:
        return "Which sounds occur?"

    def target(self, example: Example) -> str:
        return ", ".join(sorted({e.label for e in example.events}))


@dataclass(frozen=True, slots=True)
class Counting:
    """How many events there are of every class that occurs."""

    name: str = "count"

    def prompt(self, example: Example) -> str:
        return "How often does each sound occur?"

    def target(self, example: Example) -> str:
        labels = [e.label for e in example.events]
        return ", ".join(f"{label}: {labels.count(label)}" for label in sorted(set(labels)))


@dataclass(frozen=True, slots=True)
class Ordering:
    """The classes in order of onset."""

    name: str = "order"

    def prompt(self, example: Example) -> str:
        return "In which order do the sounds start?"

    def target(self, example: Example) -> str:
        return ", then ".join(e.label for e in in_onset_order(example.events))


@dataclass(frozen=True, slots=True)
class Captioning:
    """One sentence about the clip; its events carry captions as labels."""

    name: str = "caption"

    def prompt(self, example: Example) -> str:
        return "Describe the audio in one sentence."

    def target(self, example: Example) -> str:
        return ", then ".join(e.label for e in in_onset_order(example.events)) + "."
