"""Audio grounding: when does the described sound happen?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar, Literal

from timepro_lit.metrics.base import SumMetric
from timepro_lit.metrics.counts import Counting
from timepro_lit.metrics.event_f1 import EventF1
from timepro_lit.metrics.grounding import GroundingIoU
from timepro_lit.metrics.moments import Moments
from timepro_lit.metrics.parse_rate import ParseRate
from timepro_lit.metrics.presence import Presence
from timepro_lit.metrics.segment_f1 import SegmentF1
from timepro_lit.records import Event, Example, Prediction
from timepro_lit.tasks.base import ScoredTask, in_onset_order, pair_text, pairs_text
from timepro_lit.tasks.reading import read_events, read_occurrences


@dataclass(frozen=True, slots=True)
class Grounding:
    """Asks for one query: for the stretch of time where it happens, or for `any` number of them, none included.

    one   as the paper asks, answered as `{"a dog barks": [1.20, 3.48]}`; an answer without a pair is unreadable
    any   answered as `{"a dog barks": [[0.10, 0.60], [2.00, 2.40]]}`, always a list, and as `{"a dog barks": []}` where
          it does not happen; other ways to say so are read too (`tasks.absence`)

    Reading accepts any key, or none: only the times score. Raises ValueError for other `occurrences`.
    """

    name: str = "ag"
    occurrences: Literal["one", "any"] = "one"
    takes_query: ClassVar[bool] = True
    classes: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        if self.occurrences not in ("one", "any"):
            raise ValueError(f"task.{self.name}.occurrences must be one or any, not {self.occurrences!r}.")

    @property
    def title(self) -> str:
        return "Moment retrieval" if self._any else "Audio grounding"

    @property
    def headline(self) -> tuple[str, ...]:
        if self._any:
            return ("R1@0.5", "R1@0.7", "mAP", "F1@IoU", "presence_F1")
        return ("mIoU", "R@0.5", "R@0.7", "R@0.9")

    @property
    def watched(self) -> tuple[str, ...]:
        return ("F1@IoU", "mAP") if self._any else ("mIoU",)

    @property
    def clip_score(self) -> str:
        return "F1@IoU" if self._any else "IoU"

    def prompt(self, example: Example) -> str:
        query, key = _query(example), json.dumps(_query(example))
        if self._any:
            return (
                f'When does "{query}" happen, each time? Answer in JSON with times in seconds: '
                f"{{{key}: [[onset, offset], ...]}}, or {{{key}: []}} if it does not happen"
            )
        return f'When does "{query}" happen? Answer in JSON with times in seconds: {{{key}: [onset, offset]}}'

    def target(self, example: Example) -> str:
        events = in_onset_order(example.events)
        if self._any:
            return f"{{{json.dumps(_query(example))}: [{', '.join(map(pair_text, events))}]}}"
        if not events:
            raise ValueError(f"example {example.id!r}: grounding needs at least one reference event.")
        return f"{{{json.dumps(_query(example))}: {pairs_text(events)}}}"

    def parse(self, text: str) -> Prediction:
        reading = read_occurrences(text) if self._any else read_events(text)
        events = tuple(Event(onset, offset, label or "") for onset, offset, label in reading.spans)
        readable = bool(events) or (self._any and reading.says_none)
        return Prediction(events, readable, reading.repairs)

    def metrics(self) -> tuple[SumMetric, ...]:
        if self._any:
            return Moments(of_present=True), SegmentF1(), Counting(), Presence(), EventF1(), ParseRate()
        return GroundingIoU(), EventF1(), ParseRate()

    @property
    def _any(self) -> bool:
        return self.occurrences == "any"


def takes_one_event(task: ScoredTask) -> bool:
    """Whether a task is always answered by one event: of several votes or windows, one is right."""
    return isinstance(task, Grounding) and task.occurrences == "one"


def _query(example: Example) -> str:
    if not example.query:
        raise ValueError(f"example {example.id!r}: grounding needs a query.")
    return example.query
