"""What a task is: a question, the answer to learn, and a reader of answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from timepro_lit.records import Event, Example, Prediction


class Task(Protocol):
    """One way of asking for events with times. `target` and `parse` are inverses up to two decimals."""

    @property
    def name(self) -> str:
        """The value of `Example.task` this task answers to: ag, sed, dac."""
        ...

    def prompt(self, example: Example) -> str:
        """The question in words; the audio stands before it. Raises ValueError where the example lacks a part."""
        ...

    def target(self, example: Example) -> str:
        """The reference answer in the task's format. Raises ValueError where the example lacks a part."""
        ...

    def parse(self, text: str) -> Prediction:
        """What the answer says. Total (any string in, never raises), linear in the length, at most 256 events."""
        ...


def seconds_text(time_s: float) -> str:
    """Seconds as every answer writes them: always two decimals."""
    return f"{time_s:.2f}"


def pairs_text(events: Iterable[Event]) -> str:
    """`[1.20, 3.48]` for one event, `[[0.10, 0.60], [2.00, 2.40]]` for several: JSON cannot repeat a key."""
    pairs = [f"[{seconds_text(event.onset)}, {seconds_text(event.offset)}]" for event in events]
    return pairs[0] if len(pairs) == 1 else f"[{', '.join(pairs)}]"


def in_onset_order(events: Iterable[Event]) -> list[Event]:
    """The events by onset; equal onsets keep their order."""
    return sorted(events, key=lambda event: event.onset)
