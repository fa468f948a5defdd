"""What a task is: a question, the answer to learn, a reader of answers, and how these are scored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

from timepro_lit.metrics.base import SumMetric
from timepro_lit.records import Event, Example, Prediction


class Task(Protocol):
    """A question that makes training targets."""

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


@runtime_checkable
class ScoredTask(Task, Protocol):
    """One way of asking for events with times. `target` and `parse` are inverses up to two decimals.

    Tables, curves and pages show a task by what it says of itself here.
    """

    @property
    def title(self) -> str:
        """In words, e.g. "Audio grounding"."""
        ...

    @property
    def takes_query(self) -> bool:
        """Whether each question names what to look for."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """The closed set of labels; empty where labels are free."""
        ...

    @property
    def headline(self) -> tuple[str, ...]:
        """Metrics of the results table, in its order."""
        ...

    @property
    def watched(self) -> tuple[str, ...]:
        """Metrics of the learning curves; validation chooses by the first."""
        ...

    @property
    def clip_score(self) -> str:
        """Of an answer's own scores (`SumMetric.clip_scores`) the one that stands beside it."""
        ...

    def parse(self, text: str) -> Prediction:
        """What the answer says. Total (any string in, never raises), linear in the length, at most 256 events."""
        ...

    def metrics(self) -> tuple[SumMetric, ...]:
        """New metrics: those named above and variants beside them, for validations and tests.

        Raises OSError where one cannot run here.
        """
        ...


@runtime_checkable
class FullyScored(ScoredTask, Protocol):
    """A task with metrics for whole tests alone: too dear for every validation, or made of all answers at once."""

    def test_metrics(self) -> tuple[SumMetric, ...]:
        """New metrics beside those of `metrics`, in no headline. Raises OSError where one cannot run here."""
        ...


def metrics_of_test(task: ScoredTask) -> tuple[SumMetric, ...]:
    """New metrics of a whole test: those of validations, and what a task has beside them."""
    return (*task.metrics(), *(task.test_metrics() if isinstance(task, FullyScored) else ()))


def scored(tasks: Mapping[str, Task]) -> dict[str, ScoredTask]:
    """Those of `tasks` whose answers are read and scored; others only make training targets."""
    return {name: task for name, task in tasks.items() if isinstance(task, ScoredTask)}


def seconds_text(time_s: float) -> str:
    """Seconds as every answer writes them: always two decimals."""
    return f"{time_s:.2f}"


def pair_text(event: Event) -> str:
    """`[1.20, 3.48]`."""
    return f"[{seconds_text(event.onset)}, {seconds_text(event.offset)}]"


def pairs_text(events: Iterable[Event]) -> str:
    """`[1.20, 3.48]` for one event, `[[0.10, 0.60], [2.00, 2.40]]` for several: JSON cannot repeat a key."""
    pairs = [pair_text(event) for event in events]
    return pairs[0] if len(pairs) == 1 else f"[{', '.join(pairs)}]"


def in_onset_order(events: Iterable[Event]) -> list[Event]:
    """The events by onset; equal onsets keep their order."""
    return sorted(events, key=lambda event: event.onset)
