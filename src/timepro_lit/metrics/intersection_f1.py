"""Intersection-based F1 of sound event detection: does what is reported cover what is there, and little else?

Definition: Bilen et al., "A Framework for the Robust Evaluation of Sound Event Detection" (2020, arXiv 1910.08440), as
psds_eval and sed_scores_eval count, with both tolerances 0.7 as in the first scenario of DCASE task 4:

detection tolerance      a reported event is relevant where events of its class in the reference cover 70% of it
ground truth tolerance   an event of the reference is found where the relevant ones cover 70% of it

Found events are the true positives, events that are not relevant the false ones. Unlike in Eb-F1, several events may
find one, and one several. Whether a false one covers another class (the cross-trigger tolerance, cttc) changes nothing
in F1, only in PSDS. Lengths are compared to six decimals, as in sed_scores_eval: 70% of 1 s is 0.7 s.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from timepro_lit.events.intervals import Interval, is_proper, merge
from timepro_lit.metrics.base import FloatArray
from timepro_lit.metrics.class_f1 import ClassF1
from timepro_lit.metrics.event_f1 import scored_events
from timepro_lit.records import Event, Example, Prediction

TOLERANCE = 0.7
DECIMALS = 6


def intersection_f1(classes: Sequence[str]) -> ClassF1:
    """{"Ib-F1", "Ib-F1/micro"} in percent; events of a class that overlap or touch are one, on either side."""
    return ClassF1("Ib-F1", classes, _counts)


def _counts(prediction: Prediction, example: Example) -> dict[str, tuple[int, int, int]]:
    reference, answered = _by_label(example.events), _by_label(scored_events(prediction))
    labels = reference.keys() | answered.keys()
    return {label: intersection_counts(reference.get(label, []), answered.get(label, [])) for label in labels}


def intersection_counts(reference: Sequence[Interval], answered: Sequence[Interval]) -> tuple[int, int, int]:
    """Events of the reference, positives (true and false), and true ones, of one class in one clip.

    What is no stretch of time is no event of the reference, and a false positive in an answer.
    """
    with np.errstate(over="ignore"):  # an answer may say any times
        return _intersecting(reference, answered)


def _intersecting(reference: Sequence[Interval], answered: Sequence[Interval]) -> tuple[int, int, int]:
    wanted, reported = (np.array(merge(side)).reshape(-1, 2) for side in (reference, answered))
    shared = np.clip(
        np.minimum(reported[:, None, 1], wanted[None, :, 1]) - np.maximum(reported[:, None, 0], wanted[None, :, 0]),
        0.0,
        None,
    )  # (reported, wanted) in seconds
    relevant = _reaches(shared.sum(axis=1), reported)
    found = int(_reaches(shared[relevant].sum(axis=0), wanted).sum())
    false = int((~relevant).sum()) + sum(not is_proper(interval) for interval in answered)
    return len(wanted), found + false, found


def _reaches(covered_s: FloatArray, intervals: FloatArray) -> np.ndarray:
    """Of each of the (K, 2) intervals, whether enough of it is covered."""
    lengths_s = intervals[:, 1] - intervals[:, 0]
    reaches: np.ndarray = np.round(covered_s, DECIMALS) >= np.round(TOLERANCE * lengths_s, DECIMALS)
    return reaches


def _by_label(events: Sequence[Event]) -> dict[str, list[Interval]]:
    found: dict[str, list[Interval]] = {}
    for event in events:
        found.setdefault(event.label, []).append((event.onset, event.offset))
    return found
