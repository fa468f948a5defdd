"""Sound event detection: which events of a closed set of classes, and when?"""

from __future__ import annotations

import json
from collections.abc import Sequence

from timepro_lit.metrics.base import SumMetric
from timepro_lit.metrics.event_f1 import EventF1
from timepro_lit.metrics.intersection_f1 import intersection_f1
from timepro_lit.metrics.parse_rate import ParseRate
from timepro_lit.metrics.segment_based_f1 import segment_based_f1
from timepro_lit.records import Event, Example, Prediction
from timepro_lit.tasks.base import in_onset_order, pairs_text
from timepro_lit.tasks.names import Role, name_of
from timepro_lit.tasks.reading import read_events


class SoundEventDetection:
    """Asks for every event of `classes`, answered as `{"dog": [0.10, 0.60], "bell": [[0.10, 0.60], [2.00, 2.40]]}`.

    Labels outside `classes` are kept when read: they count as false alarms. Times without a label are dropped.
    `{}` is the readable answer for a clip without events. Raises ValueError for no, empty or repeated classes, and
    where a target names one that would be read as another word, such as "Window".
    """

    title = "Sound event detection"
    takes_query = False
    headline = ("Eb-F1",)
    watched = ("Eb-F1",)
    clip_score = "Eb-F1"

    def __init__(self, classes: Sequence[str], name: str = "sed") -> None:
        if isinstance(classes, str):
            raise ValueError(f"classes must be a list of class names, got the text {classes!r}.")
        self.classes = tuple(classes)
        self.name = name
        if not self.classes:
            raise ValueError("classes must name at least one sound event class: give classes=[...] or class_list=NAME.")
        for label in self.classes:
            if not label or label != label.strip() or self.classes.count(label) > 1:
                raise ValueError(f"classes must be distinct names without outer spaces, got {label!r}.")

    def prompt(self, example: Example) -> str:
        return (
            f"Detect the sound events of these classes: {', '.join(self.classes)}. "
            'Answer in JSON with times in seconds: {"class": [[onset, offset], ...]}'
        )

    def target(self, example: Example) -> str:
        by_class: dict[str, list[Event]] = {}  # in order of first onset
        for event in in_onset_order(example.events):
            if event.label not in self.classes:
                raise ValueError(
                    f"example {example.id!r}: label {event.label!r} is none of the task's classes. "
                    "They are chosen by class_list=NAME or classes=[...] when a model is trained, and stay its own."
                )
            if name_of(event.label).role not in (None, Role.LABEL) or name_of(event.label).unit_s != 1.0:
                raise ValueError(
                    f"example {example.id!r}: label {event.label!r} is read as a word for times or remarks: "
                    "rename the class"
                )
            by_class.setdefault(event.label, []).append(event)
        entries = [f"{json.dumps(label)}: {pairs_text(events)}" for label, events in by_class.items()]
        return f"{{{', '.join(entries)}}}"

    def parse(self, text: str) -> Prediction:
        reading = read_events(text)
        events = tuple(Event(onset, offset, label) for onset, offset, label in reading.spans if label)
        repairs = reading.repairs if len(events) == len(reading.spans) else (*reading.repairs, "unlabelled")
        return Prediction(events, readable=bool(events) or reading.says_none, repairs=repairs)

    def metrics(self) -> tuple[SumMetric, ...]:
        return EventF1(classes=self.classes), segment_based_f1(self.classes), intersection_f1(self.classes), ParseRate()
