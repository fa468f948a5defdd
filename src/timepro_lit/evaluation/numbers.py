"""From the answers of each row of a table to its figures: percent, intervals, paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from timepro_lit.metrics.base import SumMetric
from timepro_lit.metrics.bootstrap import Interval
from timepro_lit.metrics.parse_rate import ParseRate
from timepro_lit.metrics.suite import Scores, difference_intervals, intervals, mean_values, score
from timepro_lit.records import Answer
from timepro_lit.tasks.base import ScoredTask, metrics_of_test

ALL_TASKS = "all"
"""Key of the scores that run over every task: the parse rate."""


@dataclass(frozen=True)
class Trained:
    """How the trainings of one method did: a row of a table."""

    scores: Mapping[str, Sequence[Scores]]
    """By task, one of each training."""
    seeds: Sequence[int | None] = (None,)
    """What each training began from, in the same order; None where nothing was trained."""


def scores_by_task(answers: Sequence[Answer], tasks: Mapping[str, ScoredTask]) -> dict[str, Scores]:
    """Scores of each task that was asked, and the parse rate over all of these tasks under "all"."""
    scores = {}
    for name in tasks:
        pairs = [(a.prediction, a.example) for a in answers if a.example.task == name]
        if pairs:
            scores[name] = score(metrics_of(name, tasks), pairs)
    asked = [(a.prediction, a.example) for a in answers if a.example.task in tasks]
    return scores | {ALL_TASKS: score(metrics_of(ALL_TASKS, tasks), asked)}


def metrics_of(name: str, tasks: Mapping[str, ScoredTask]) -> Sequence[SumMetric]:
    """New metrics of a task's test, or those over all of them."""
    return [ParseRate()] if name == ALL_TASKS else metrics_of_test(tasks[name])


def figures_of(
    rows: Mapping[str, Trained], tasks: Mapping[str, ScoredTask], pairs: Sequence[tuple[str, str]] | None = None
) -> dict[str, Any]:
    """The figures of report.json from the scores of each row: percent, means over its trainings, intervals.

    `pairs` are the differences to make, (later, earlier); those of neighbours where nothing is said.
    """
    pairs = [(after, before) for before, after in pairwise(rows)] if pairs is None else pairs
    values = {name: {task: mean_values(of) for task, of in row.scores.items()} for name, row in rows.items()}
    shown = {name: _shown(row, tasks) for name, row in rows.items()}
    spans = {name: {task: intervals(of) for task, of in row.scores.items()} for name, row in shown.items()}
    for later, earlier in pairs:
        spans[f"{later} - {earlier}"] = _differences(shown[later], shown[earlier])
    num_examples = {
        task: max(len(row.scores[task][0].ids) for row in rows.values() if task in row.scores)
        for task in tasks
        if any(task in row.scores for row in rows.values())
    }
    return {
        "scores": {name: _headlines(of_row, tasks) for name, of_row in values.items()},
        "intervals": {name: _headlines(of_row, tasks) for name, of_row in spans.items()},
        "differences": [list(pair) for pair in pairs],
        "n_test": num_examples,
    }


def _shown(row: Trained, tasks: Mapping[str, ScoredTask]) -> Trained:
    """What tables show of a row."""
    names = {ALL_TASKS: ("parse_rate",)} | {name: task.headline for name, task in tasks.items()}
    scores = {task: [one.of_metrics_with(names[task]) for one in of] for task, of in row.scores.items()}
    return Trained(scores, row.seeds)


def _differences(later: Trained, earlier: Trained) -> dict[str, dict[str, Interval]]:
    shared = [task for task in later.scores if task in earlier.scores]
    if ALL_TASKS in shared and set(later.scores[ALL_TASKS][0].ids) != set(earlier.scores[ALL_TASKS][0].ids):
        shared.remove(ALL_TASKS)  # one of the two was asked other tasks as well
    same = later.seeds == earlier.seeds
    return {
        task: difference_intervals(later.scores[task], earlier.scores[task], same_trainings=same) for task in shared
    }


def _headlines(values: Mapping[str, Mapping[str, Any]], tasks: Mapping[str, ScoredTask]) -> dict[str, Any]:
    chosen: dict[str, Any] = {
        name: {metric: values[name][metric] for metric in task.headline}
        for name, task in tasks.items()
        if name in values
    }
    overall = {"parse_rate": values[ALL_TASKS]["parse_rate"]} if ALL_TASKS in values else {}
    return chosen | overall
