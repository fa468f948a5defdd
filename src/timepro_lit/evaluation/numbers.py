"""From the answers of each row of a table to its figures: percent, intervals, paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from timepro_lit.metrics.base import FloatArray
from timepro_lit.metrics.parse_rate import ParseRate
from timepro_lit.metrics.suite import Scores, difference_intervals, intervals, score
from timepro_lit.records import Answer
from timepro_lit.tasks.base import ScoredTask

ALL_TASKS = "all"
"""Key of the scores that run over every task: the parse rate."""


def scores_by_task(answers: Sequence[Answer], tasks: Mapping[str, ScoredTask]) -> dict[str, Scores]:
    """Scores of each task that was asked, and the parse rate over all of these tasks under "all"."""
    scores = {}
    for name, task in tasks.items():
        pairs = [(a.prediction, a.example) for a in answers if a.example.task == name]
        if pairs:
            scores[name] = score(task.metrics(), pairs)
    scores[ALL_TASKS] = score([ParseRate()], [(a.prediction, a.example) for a in answers if a.example.task in tasks])
    return scores


def pool(seeds: Sequence[Mapping[str, Scores]]) -> dict[str, Scores]:
    """Scores of one row over several training seeds: sums over all of them, clip by clip.

    A bootstrap over the result draws clips, each with the answers of every seed. Raises ValueError where the seeds
    were not evaluated on the same examples.
    """
    first = seeds[0]
    for other in seeds[1:]:
        for task, scores in first.items():
            if set(other[task].clips) != set(scores.clips) or set(other[task].ids) != set(scores.ids):
                raise ValueError(f"the runs were not evaluated on the same {task} examples")
    pooled = {}
    for task, scores in first.items():
        rows = np.sum([_rows_in_order(other[task], scores.clips) for other in seeds], axis=0)
        values = {name: float(value) for name, value in scores.statistic(rows.sum(axis=0)).items()}
        pooled[task] = replace(scores, rows=rows, values=values)
    return pooled


def figures_of(rows: Mapping[str, Mapping[str, Scores]], tasks: Mapping[str, ScoredTask]) -> dict[str, Any]:
    """The figures of report.json from the scores of each row, in order: percent, intervals, paired differences."""
    values = {name: {task: scores.values for task, scores in of_row.items()} for name, of_row in rows.items()}
    spans = {name: {task: intervals(scores) for task, scores in of_row.items()} for name, of_row in rows.items()}
    for (earlier, before), (later, after) in pairwise(rows.items()):
        shared = [task for task in after if task in before]
        spans[f"{later} - {earlier}"] = {task: difference_intervals(after[task], before[task]) for task in shared}
    num_examples = {
        task: max(len(of_row[task].ids) for of_row in rows.values() if task in of_row)
        for task in tasks
        if any(task in of_row for of_row in rows.values())
    }
    return {
        "scores": {name: _headlines(of_row, tasks) for name, of_row in values.items()},
        "intervals": {name: _headlines(of_row, tasks) for name, of_row in spans.items()},
        "n_test": num_examples,
    }


def validation_score(scores: Mapping[str, float], tasks: Mapping[str, ScoredTask]) -> float | None:
    """One number to choose by: the mean, over the tasks, of what each of them chooses by; None where none is there.

    `scores` are those of a validation, by the names that it logs: val/<task>/<metric>.
    """
    names = [f"val/{name}/{task.watched[0]}" for name, task in tasks.items()]
    kept = [scores[name] for name in names if name in scores]
    return sum(kept) / len(kept) if kept else None


def _rows_in_order(scores: Scores, clips: Sequence[str]) -> FloatArray:
    place = {clip: n for n, clip in enumerate(scores.clips)}
    ordered: FloatArray = scores.rows[[place[clip] for clip in clips]]
    return ordered


def _headlines(values: Mapping[str, Mapping[str, Any]], tasks: Mapping[str, ScoredTask]) -> dict[str, Any]:
    chosen: dict[str, Any] = {
        name: {metric: values[name][metric] for metric in task.headline}
        for name, task in tasks.items()
        if name in values
    }
    return chosen | {"parse_rate": values[ALL_TASKS]["parse_rate"]}
