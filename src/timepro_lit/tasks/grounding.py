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
from timepro_lit.tasks.base import in_onset_order, pairs_text
from timepro_lit.tasks.reading import read_events


@dataclass(frozen=True, slots=True)
class Grounding:
    """Asks for one query, answered as `{"a dog barks": [1.20, 3.48]}`.

    Reading accepts any key, or none: only the times score. An answer without a pair of times is unreadable.
    """

    name: str = "ag"
    occurrences: Literal["one", "any"] = "one"
    title: ClassVar[str] = "Audio grounding"
    takes_query: ClassVar[bool] = True
    classes: ClassVar[tuple[str, ...]] = ()

    @property
    def headline(self) -> tuple[str, ...]:
        if self.occurrences == "any":
            return ("R1@0.5", "R1@0.7", "mAP", "F1@IoU", "presence_F1")
        return ("mIoU", "R@0.5", "R@0.7", "R@0.9")

    @property
    def watched(self) -> tuple[str, ...]:
        return ("F1@IoU", "mAP") if self.occurrences == "any" else ("mIoU",)

    @property
    def clip_score(self) -> str:
        return "F1@IoU" if self.occurrences == "any" else "IoU"

    def prompt(self, example: Example) -> str:
        query = _query(example)
        return (
            f'When does "{query}" happen? '
            f"Answer in JSON with times in seconds: {{{json.dumps(query)}: [onset, offset]}}"
        )

    def target(self, example: Example) -> str:
        if not example.events and self.occurrences == "one":
            raise ValueError(f"example {example.id!r}: grounding needs at least one reference event.")
        return f"{{{json.dumps(_query(example))}: {pairs_text(in_onset_order(example.events))}}}"

    def parse(self, text: str) -> Prediction:
        reading = read_events(text)
        events = tuple(Event(onset, offset, label or "") for onset, offset, label in reading.spans)
        says_none = self.occurrences == "any" and reading.says_none
        return Prediction(events, readable=bool(events) or says_none, repairs=reading.repairs)

    def metrics(self) -> tuple[SumMetric, ...]:
        if self.occurrences == "any":
            return Moments(of_present=True), SegmentF1(), Counting(), Presence(), EventF1(), ParseRate()
        return GroundingIoU(), EventF1(), ParseRate()


def _query(example: Example) -> str:
    if not example.query:
        raise ValueError(f"example {example.id!r}: grounding needs a query.")
    return example.query
