"""What a base model is taught before it meets a timestamp: which sounds, how many, in what order, where, described how.

These questions only make training targets: nobody reads or scores their answers.
"""

from __future__ import annotations

from dataclasses import dataclass

from timepro_lit.records import Event, Example
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


@dataclass(frozen=True, slots=True)
class Placing:
    """The tenths of a second in which the sound asked for starts and ends: `a dog barks 14 to 32` for 1.48-3.20 s."""

    name: str = "place"

    def prompt(self, example: Example) -> str:
        return f'In which tenths of a second does "{example.query}" start and end?'

    def target(self, example: Example) -> str:
        (event,) = example.events
        return _placed(event)


@dataclass(frozen=True, slots=True)
class Timeline:
    """The classes in order of onset with the tenths of a second in which they start and end."""

    name: str = "timeline"

    def prompt(self, example: Example) -> str:
        return "In which tenths of a second does each sound start and end?"

    def target(self, example: Example) -> str:
        events = in_onset_order(example.events)
        return ", ".join(_placed(event) for event in events)


def _placed(event: Event) -> str:
    onset, offset = (int(10 * time_s + 1e-6) for time_s in (event.onset, event.offset))
    return f"{event.label} {onset:02d} to {offset:02d}"
