"""Segment-based F1 of sound event detection: in which seconds is which class heard?

Definition: Mesaros, Heittola and Virtanen, "Metrics for Polyphonic Sound Event Detection" (2016), with segments of 1 s.
A class is active in every segment that one of its events touches; F1 counts pairs of class and segment. Counts are
equal to sed_eval's without an evaluated length, where answers lie in their clips. An average over classes takes those
that occur in the reference, and one that is never answered counts 0, as in Eb-F1; sed_eval leaves the latter out unless
its `empty_system_output_handling` is "zero_score".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from timepro_lit.metrics.class_f1 import ClassF1
from timepro_lit.metrics.event_f1 import scored_events
from timepro_lit.records import Event, Example, Prediction

SEGMENT_S = 1.0
MAX_SEGMENTS_PAST_END = 60
"""An answer's last segment past the end of its clip: one that says 10 to 1,000,000 s does not outweigh all others."""

Active = set[tuple[str, int]]
"""Pairs of class and number of segment."""


def segment_based_f1(classes: Sequence[str]) -> ClassF1:
    """{"Sb-F1", "Sb-F1/micro"} in percent, of pairs of class and segment."""
    return ClassF1("Sb-F1", classes, _counts)


def _counts(prediction: Prediction, example: Example) -> dict[str, tuple[int, int, int]]:
    end_s = max([example.duration_s, *(event.offset for event in example.events)])
    limit = math.ceil(end_s / SEGMENT_S) + MAX_SEGMENTS_PAST_END
    reference, answered = active_in(example.events, limit), active_in(scored_events(prediction), limit)
    there, said, hits = (Counter(label for label, _ in pairs) for pairs in (reference, answered, reference & answered))
    return {label: (there[label], said[label], hits[label]) for label in there | said}


def active_in(events: Sequence[Event], limit: int) -> Active:
    """Pairs of class and segment, of segments 0 to limit - 1; what lies past them counts as the last one.

    An event that does not end after it begins touches nothing.
    """
    found: Active = set()
    for event in events:
        if not (event.onset < event.offset and event.offset > 0.0):  # also false for NaN
            continue
        first = min(max(event.onset / SEGMENT_S, 0.0), limit - 1.0)
        last = min(max(event.offset / SEGMENT_S, 0.0), float(limit))
        found |= {(event.label, segment) for segment in range(math.floor(first), math.ceil(last))}
    return found
