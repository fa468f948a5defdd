"""Everything a report needs from the answers of one system to the questions of one task.

For example:

    scores = score(task.metrics(), pairs)          # pairs of (Prediction, Example)
    scores.values["Eb-F1"]                         # percent
    intervals([scores])["Eb-F1"]                   # 95%, (low, high); a list of one for each training of a method
    difference_intervals([scores], [baseline])     # paired, on the same clips
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from timepro_lit.metrics.base import FloatArray, SumMetric
from timepro_lit.metrics.bootstrap import (
    Interval,
    Resampled,
    bootstrap_interval,
    paired_bootstrap_interval,
    resample,
)
from timepro_lit.records import Example, Prediction

T = TypeVar("T")


@dataclass(frozen=True)
class Scores:
    """What a set of metrics says about one system's answers."""

    values: dict[str, float]
    """Percent, over all examples."""
    examples: tuple[dict[str, float], ...]
    """Per example, in the order given: its own scores in percent."""
    ids: tuple[str, ...]
    """Ids of the examples, in the order given."""
    clips: tuple[str, ...]
    """The N units that a bootstrap draws, in order of first appearance, each called by the least id of its examples.

    Whoever answers the same questions may have the recordings under other names.
    """
    rows: FloatArray
    """(N, K) sums over the examples of each clip, the metrics' columns side by side."""
    metrics: tuple[SumMetric, ...]
    """The metrics, for their formulas alone; their state is not touched."""

    @cached_property
    def resampled(self) -> Resampled:
        """Its values in 1,000 resamples of the clips: the same for all that answered questions about the same clips."""
        order = sorted(range(len(self.clips)), key=self.clips.__getitem__)
        return resample(self.rows[order], self.statistic)

    def of_metrics_with(self, names: Collection[str]) -> Scores:
        """The same of those metrics alone that have one of the named values: what is not shown is not resampled."""
        parts = np.split(self.rows, np.cumsum([metric.num_sums for metric in self.metrics])[:-1], axis=1)
        found = [metric.values(np.zeros(metric.num_sums)).keys() for metric in self.metrics]
        kept = [n for n, values in enumerate(found) if not values.isdisjoint(names)]
        return Scores(
            values={name: self.values[name] for n in kept for name in found[n]},
            examples=(),
            ids=self.ids,
            clips=self.clips,
            rows=np.concatenate([parts[n] for n in kept], axis=1),
            metrics=tuple(self.metrics[n] for n in kept),
        )

    def statistic(self, sums: FloatArray) -> dict[str, FloatArray]:
        """Values in percent, each (...,), from sums (..., K)."""
        return _values(self.metrics, sums)


def score(metrics: Sequence[SumMetric], pairs: Sequence[tuple[Prediction, Example]]) -> Scores:
    """All metrics over the (answer, question) pairs of one task.

    Questions about the same audio are one clip, drawn together by the bootstrap. Raises ValueError without pairs and
    for an example that occurs twice (a copy made to fill a batch would otherwise count).
    """
    if not pairs:
        raise ValueError("There are no answers to score.")
    predictions, examples = [p for p, _ in pairs], [e for _, e in pairs]
    ids = [example.id for example in examples]
    if len(set(ids)) != len(ids):
        twice = next(i for k, i in enumerate(ids) if i in ids[:k])
        raise ValueError(f"Example {twice!r} was answered more than once in the same evaluation.")
    per_example = np.concatenate([metric.rows(predictions, examples) for metric in metrics], axis=1)
    names: dict[str, str] = {}
    for example in examples:
        names[example.audio] = min(names.get(example.audio, example.id), example.id)
    place = {audio: n for n, audio in enumerate(names)}
    rows = np.zeros((len(names), per_example.shape[1]))
    np.add.at(rows, [place[example.audio] for example in examples], per_example)
    return Scores(
        values={name: float(value) for name, value in _values(metrics, rows.sum(axis=0)).items()},
        examples=tuple(_merged([m.clip_scores(p, e) for m in metrics]) for p, e in pairs),
        ids=tuple(ids),
        clips=tuple(names.values()),
        rows=rows,
        metrics=tuple(metrics),
    )


def from_rows(metrics: Sequence[SumMetric], ids: Sequence[str], clips: Sequence[str], rows: FloatArray) -> Scores:
    """The scores whose (N, K) rows are known already, without those of single examples.

    Raises ValueError where there are not as many rows and columns as clips and sums.
    """
    num_sums = sum(metric.num_sums for metric in metrics)
    if rows.shape != (len(clips), num_sums):
        raise ValueError(f"The rows of {len(clips)} clips and {num_sums} sums cannot be of shape {rows.shape}.")
    values = {name: float(value) for name, value in _values(metrics, rows.sum(axis=0)).items()}
    return Scores(values, (), tuple(ids), tuple(clips), rows, tuple(metrics))


def mean_values(trainings: Sequence[Scores]) -> dict[str, float]:
    """Mean of each value over the trainings of one method, which answered the same examples; NaN where one has none."""
    return {name: float(np.mean([scores.values[name] for scores in trainings])) for name in trainings[0].values}


def intervals(trainings: Sequence[Scores], level: float = 0.95) -> dict[str, Interval]:
    """Bootstrap interval, over clips and trainings, of each mean value.

    Raises ValueError where the trainings did not answer the same examples.
    """
    _check_alike(trainings)
    return bootstrap_interval([scores.resampled for scores in trainings], level=level)


def difference_intervals(
    trainings: Sequence[Scores], baseline: Sequence[Scores], level: float = 0.95, same_trainings: bool = False
) -> dict[str, Interval]:
    """Paired bootstrap interval of each difference of means, trainings - baseline.

    With `same_trainings`, the trainings of both began from the same seeds, in the same order. Raises ValueError where
    all did not answer the same examples; their order does not matter.
    """
    _check_alike([*trainings, *baseline])
    resampled, of_baseline = ([scores.resampled for scores in of] for of in (trainings, baseline))
    return paired_bootstrap_interval(resampled, of_baseline, level=level, same_trainings=same_trainings)


def _check_alike(trainings: Sequence[Scores]) -> None:
    first = trainings[0]
    for scores in trainings[1:]:
        only_one = set(scores.ids) ^ set(first.ids)
        if only_one:
            raise ValueError(
                f"Paired scores need the same examples, but {len(only_one)} were answered by one side only."
            )
        if set(scores.clips) != set(first.clips):
            raise ValueError("Paired scores need the same examples about the same clips, and here clips hold others.")


def _values(metrics: Sequence[SumMetric], sums: FloatArray) -> dict[str, FloatArray]:
    """Values of all metrics from their sums (..., K) side by side."""
    ends = np.cumsum([metric.num_sums for metric in metrics])
    return _merged([m.values(part) for m, part in zip(metrics, np.split(sums, ends[:-1], axis=-1), strict=True)])


def _merged(parts: Sequence[dict[str, T]]) -> dict[str, T]:
    """One dict of all; ValueError where two metrics use one name."""
    merged: dict[str, T] = {}
    for part in parts:
        shared = sorted(merged.keys() & part.keys())
        if shared:
            raise ValueError(f"Two metrics report under the name {shared[0]!r}.")
        merged.update(part)
    return merged
