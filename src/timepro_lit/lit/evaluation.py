"""From greedy answers to files: predictions.jsonl, scores.json and the report's numbers with their intervals."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from timepro_lit.answering import Answer
from timepro_lit.metrics.base import SumMetric
from timepro_lit.metrics.captioning import ParseRate
from timepro_lit.metrics.suite import HEADLINES, Scores, difference_intervals, intervals, score
from timepro_lit.records import Event, Example
from timepro_lit.tasks.base import Task

Metrics = Mapping[str, Sequence[SumMetric]]
ALL_TASKS = "all"
"""Key of the scores that run over every task: the parse rate."""


def gather_answers(answers: Sequence[Answer]) -> list[Answer]:
    """The answers of all processes, in the order of their ids; batches are dealt out without copies."""
    parts: list[Any] = [list(answers)]
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        parts = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(parts, list(answers))
    return sorted((answer for part in parts for answer in part), key=lambda answer: answer.example.id)


def score_answers(answers: Sequence[Answer], metrics: Metrics) -> dict[str, Scores]:
    """Scores of each task that has metrics, and the parse rate over all of these tasks under "all"."""
    scores = {}
    for task, of_task in metrics.items():
        pairs = [(a.prediction, a.example) for a in answers if a.example.task == task]
        if pairs:
            scores[task] = score(of_task, pairs)
    scores[ALL_TASKS] = score([ParseRate()], [(a.prediction, a.example) for a in answers if a.example.task in metrics])
    return scores


def write_evaluation(
    folder: Path,
    answers: Sequence[Answer],
    scores: Mapping[str, Scores],
    locate: Callable[[str], str],
    skipped: Mapping[str, int],
) -> None:
    """Write predictions.jsonl and then scores.json, whose presence says that the evaluation is complete.

    Args:
        locate: audio path of an example -> where it can be read.
        skipped: kind of fault -> examples whose recordings could not be used; they have no answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = {id_: row for task in scores if task != ALL_TASKS for id_, row in _by_id(scores[task]).items()}
    lines = [json.dumps(_record(answer, own.get(answer.example.id, {}), locate)) for answer in answers]
    (folder / "predictions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    summary: dict[str, Any] = {task: dict(of_task.values) for task, of_task in scores.items()}
    summary[ALL_TASKS]["truncated"] = 100.0 * sum(a.truncated for a in answers) / len(answers)
    summary["repairs"] = Counter(kind for answer in answers for kind in answer.prediction.repairs)  # answers by kind
    if skipped:
        summary["skipped"] = dict(skipped)
    (folder / "scores.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")


def read_answers(folder: Path, tasks: Mapping[str, Task]) -> list[Answer]:
    """The answers of a complete evaluation with their questions, read again by today's `parse`."""
    answers = []
    with (folder / "predictions.jsonl").open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            row = json.loads(line)
            reference = tuple(Event(*event) for event in row["reference"])
            example = Example(row["id"], row["task"], row["clip"], row["duration_s"], reference, row["query"])
            prediction = tasks[row["task"]].parse(row["text"])
            answers.append(Answer(example, row["prompt"], row["text"], prediction, row["truncated"]))
    return answers


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
        rows = sum(_rows_in_order(other[task], scores.clips) for other in seeds)
        values = {name: float(value) for name, value in scores.statistic(rows.sum(axis=0)).items()}
        pooled[task] = replace(scores, rows=rows, values=values)
    return pooled


def _rows_in_order(scores: Scores, clips: Sequence[str]) -> Any:
    place = {clip: n for n, clip in enumerate(scores.clips)}
    return scores.rows[[place[clip] for clip in clips]]


def report(rows: Mapping[str, Mapping[str, Scores]]) -> dict[str, Any]:
    """The content of report.json from the scores of each row, in order: percent, intervals, paired differences."""
    out: dict[str, Any] = {name: _headlines({t: s.values for t, s in of_row.items()}) for name, of_row in rows.items()}
    out["n_test"] = max(len(s.ids) for of_row in rows.values() for task, s in of_row.items() if task != ALL_TASKS)
    between = {}
    for name, of_row in rows.items():
        between[name] = _headlines({task: intervals(s) for task, s in of_row.items()})
    for (earlier, before), (later, after) in pairwise(rows.items()):
        shared = [task for task in after if task in before]
        gains = {task: difference_intervals(after[task], before[task]) for task in shared}
        between[f"{later} - {earlier}"] = _headlines(gains)
    return out | {"intervals": between}


def _headlines(values: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    chosen: dict[str, Any] = {
        task: {name: values[task][name] for name in names} for task, names in HEADLINES.items() if task in values
    }
    return chosen | {"parse_rate": values[ALL_TASKS]["parse_rate"]}


def _by_id(scores: Scores) -> dict[str, dict[str, float]]:
    return dict(zip(scores.ids, scores.examples, strict=True))


def _record(answer: Answer, scores: Mapping[str, float], locate: Callable[[str], str]) -> dict[str, Any]:
    example, prediction = answer.example, answer.prediction
    return {
        "id": example.id,
        "task": example.task,
        "clip": example.audio,
        "audio": locate(example.audio),
        "duration_s": example.duration_s,
        "query": example.query,
        "prompt": answer.prompt,
        "text": answer.text,
        "truncated": answer.truncated,
        "readable": prediction.readable,
        "repairs": list(prediction.repairs),
        "events": _rows(prediction.events),
        "reference": _rows(example.events),
        "scores": dict(scores),
    }


def _rows(events: Sequence[Event]) -> list[list[Any]]:
    return [[event.onset, event.offset, event.label] for event in events]
