"""Dense audio captioning: describe every event, with its times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from timepro_lit.metrics.base import SumMetric
from timepro_lit.metrics.captioning import MeteorMetric
from timepro_lit.metrics.cider import CiderD
from timepro_lit.metrics.event_f1 import EventF1
from timepro_lit.metrics.meteor import shared_meteor
from timepro_lit.metrics.parse_rate import ParseRate
from timepro_lit.metrics.soda import SodaC
from timepro_lit.records import Event, Example, Prediction
from timepro_lit.tasks.base import in_onset_order, seconds_text
from timepro_lit.tasks.reading import read_lines


@dataclass(frozen=True, slots=True)
class DenseCaptioning:
    """Asks for one line per event, `1.20-3.48, a dog barks`.

    Times are read at the start of a line, alone or before more events of that line (`rows.read_lines`), over a caption,
    and in brackets before or behind one, so "a 2-3 second beep" within a caption stays a caption. Subtitles, label
    tracks and tables are read too. Without a caption, an event has an empty label. An answer without times so placed is
    unreadable.
    """

    name: str = "dac"
    title: ClassVar[str] = "Dense audio captioning"
    takes_query: ClassVar[bool] = False
    classes: ClassVar[tuple[str, ...]] = ()
    headline: ClassVar[tuple[str, ...]] = ("METEOR", "Eb-F1")
    watched: ClassVar[tuple[str, ...]] = ("Eb-F1", "METEOR")
    clip_score: ClassVar[str] = "Eb-F1"

    def prompt(self, example: Example) -> str:
        return "Describe every sound event with its times in seconds, one per line: onset-offset, description"

    def target(self, example: Example) -> str:
        if not example.events:
            raise ValueError(f"example {example.id!r}: dense captioning needs at least one reference event.")
        return "\n".join(_line(event) for event in in_onset_order(example.events))

    def parse(self, text: str) -> Prediction:
        reading = read_lines(text)
        events = tuple(Event(onset, offset, label or "") for onset, offset, label in reading.spans)
        return Prediction(events, readable=bool(events), repairs=reading.repairs)

    def metrics(self) -> tuple[SumMetric, ...]:
        scorer = shared_meteor()
        return MeteorMetric("joined", scorer), MeteorMetric("matched", scorer), EventF1(), ParseRate()

    def test_metrics(self) -> tuple[SumMetric, ...]:
        return SodaC(shared_meteor()), CiderD()


def _line(event: Event) -> str:
    caption = " ".join(event.label.split())  # a line break inside a caption would start another event
    times = f"{seconds_text(event.onset)}-{seconds_text(event.offset)}"
    return f"{times}, {caption}" if caption else times
