"""PSDS, the polyphonic sound detection score, of events with scores: by sed_scores_eval, an extra of its own.

Definition: Bilen et al., "A Framework for the Robust Evaluation of Sound Event Detection" (2020, arXiv 1910.08440): the
area below true positive rates over effective false positive rates per hour, up to 100, of all thresholds on the scores.
Computed exactly as Ebbers, Serizel and Haeb-Umbach (2022) say, with the two settings of DCASE task 4.

It is no function of sums over clips, so it has no interval and is in no table: `score psds=true` shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from timepro_lit.events.intervals import is_proper, merge
from timepro_lit.metrics.base import FloatArray
from timepro_lit.metrics.event_f1 import scored_events
from timepro_lit.records import Example, Prediction

SETTINGS: Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]] = {
    "PSDS1": ({"dtc_threshold": 0.7, "gtc_threshold": 0.7}, {"alpha_st": 1.0}),
    "PSDS2": (
        {"dtc_threshold": 0.1, "gtc_threshold": 0.1, "cttc_threshold": 0.3},
        {"alpha_ct": 0.5, "alpha_st": 1.0},
    ),
}
"""The first is strict about times, the second about classes that are taken for each other."""
MAX_EFPR = 100.0
"""Effective false positives per hour up to which the area counts."""


def psds(pairs: Sequence[tuple[Prediction, Example]], classes: Sequence[str]) -> dict[str, float]:
    """{"PSDS1", "PSDS2"} in percent, over the `classes` that occur in the references.

    `Event.score` says how sure the system is; an event without one is sure, and as sure as a score of 1. Of events of a
    class that overlap, the surest counts at each time. What lies outside of a clip is cut off. The lengths of the clips
    are `Example.duration_s`, and must be right: false positives are counted per hour.

    Raises ValueError where the extra is missing, no class occurs, or a score is no number above 0.
    """
    if find_spec("sed_scores_eval") is None:
        raise ValueError("PSDS needs the extra psds: pip install 'timepro_lit[psds]'")
    from sed_scores_eval.intersection_based import intermediate_statistics_deltas
    from sed_scores_eval.intersection_based import psds as area

    heard = {event.label for _, example in pairs for event in example.events}
    occurring = [label for label in sorted(classes) if label in heard]
    if not occurring:
        raise ValueError("PSDS needs references with an event of the classes, and there is none")
    scores = {example.id: _frames(prediction, example, occurring) for prediction, example in pairs}
    truth = {example.id: _truth(example, occurring) for _, example in pairs}
    durations_s = {example.id: example.duration_s for _, example in pairs}
    found = {}
    for name, (tolerances, weights) in SETTINGS.items():
        if len(occurring) == 1:  # without another class, the package refuses what is said across classes
            tolerances, weights = (_without(of, "cttc_threshold", "alpha_ct") for of in (tolerances, weights))
        counted = _reported(intermediate_statistics_deltas(scores, truth, **tolerances))
        limits = {"max_efpr": MAX_EFPR, "unit_of_time": "hour"}
        found[name] = 100.0 * float(
            area(None, truth, durations_s, deltas=counted, **tolerances, **weights, **limits)[0]
        )
    return found


def score_curves(prediction: Prediction, duration_s: float, classes: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Boundaries (F + 1,) of stretches within the clip, and (F, C) the greatest score of what covers each; 0 of none.

    Raises ValueError for a score that is no number above 0.
    """
    events = [(e, 1.0 if e.score is None else e.score) for e in scored_events(prediction) if e.label in classes]
    for event, score in events:
        if not 0.0 < score < np.inf:
            raise ValueError(f"PSDS needs scores above 0, and {event!r} has {score}")
    kept = [(max(e.onset, 0.0), min(e.offset, duration_s), e.label, score) for e, score in events]
    kept = [one for one in kept if is_proper((one[0], one[1]))]
    bounds = np.unique([0.0, duration_s, *(time_s for one in kept for time_s in one[:2])])
    curves = np.zeros((len(bounds) - 1, len(classes)))
    for onset, offset, label, score in kept:
        column = curves[np.searchsorted(bounds, onset) : np.searchsorted(bounds, offset), classes.index(label)]
        np.maximum(column, score, out=column)
    return bounds, curves


def _without(node: Mapping[str, float], *keys: str) -> dict[str, float]:
    return {key: value for key, value in node.items() if key not in keys}


def _reported(deltas: Mapping[str, Mapping[str, tuple[FloatArray, Mapping[str, FloatArray]]]]) -> Any:
    """What changes in the counts at each score: nothing at 0.

    At a score of 0, which stands for no event, the package would take each clip for one event from end to end, and a
    silent system would find what fills a tenth of its clip.
    """
    return {
        clip: {
            label: (scores, {key: np.where(scores > 0.0, delta, 0) for key, delta in of_label.items()})
            for label, (scores, of_label) in of_clip.items()
        }
        for clip, of_clip in deltas.items()
    }


def _truth(example: Example, classes: Sequence[str]) -> list[tuple[float, float, str]]:
    """Events that overlap are one: the package refuses them."""
    spans = {label: merge((e.onset, e.offset) for e in example.events if e.label == label) for label in classes}
    return [(onset, offset, label) for label, of_label in spans.items() for onset, offset in of_label]


def _frames(prediction: Prediction, example: Example, classes: Sequence[str]) -> Any:
    """What sed_scores_eval takes: a table of stretches with a score for each class."""
    bounds, curves = score_curves(prediction, example.duration_s, classes)
    table = np.concatenate([bounds[:-1, None], bounds[1:, None], curves], axis=1)
    return _table_class()(table, columns=["onset", "offset", *classes])


@cache
def _table_class() -> Any:
    import pandas

    class Table(pandas.DataFrame):  # type: ignore[misc]
        """Gives away copies: pandas 3 has arrays that cannot be written to, which the package's C code refuses."""

        @property
        def _constructor(self) -> Any:
            return Table

        def to_numpy(self, *args: Any, **kwargs: Any) -> Any:
            return super().to_numpy(*args, **kwargs).copy()

    return Table
