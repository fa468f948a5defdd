"""The files of one evaluation: predictions.jsonl, scores.json, sums.safetensors and result.json.

The last one says what it was made from.

The folder is there as a whole or not at all. What a model said is kept; how it is read and scored is today's.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from timepro_lit.data.manifest import checked_line
from timepro_lit.evaluation.numbers import ALL_TASKS
from timepro_lit.evaluation.sums import questions_of, write_sums
from timepro_lit.events.merging import AGREE, checked_iou
from timepro_lit.files.atomic import write_if_changed
from timepro_lit.files.fragments import with_fragment
from timepro_lit.files.json_object import defined, read_object
from timepro_lit.files.sealing import read_sealed, seal, sealed
from timepro_lit.metrics.suite import Scores
from timepro_lit.records import Answer, Event, Example, Prediction
from timepro_lit.runs.determinants import WINDOWS as ASKED_IN
from timepro_lit.runs.origin import Grounds, Origin, read_record
from timepro_lit.runs.stages import RECORD
from timepro_lit.tasks.base import ScoredTask
from timepro_lit.tasks.merged import merged, read_again

PREDICTIONS, SCORES = "predictions.jsonl", "scores.json"
SAID = ("id", "task", "clip", "duration_s", "query", "prompt", "reference", "text", "truncated")
"""Of a line, what is not made anew when answers are read again."""
WINDOW = ("start_s", "recording_s")
"""The same, of lines about a window of a recording."""
VOTERS = "voters"
"""The same, of a line that was voted: the answers voted over. Its own text is null."""
WINDOWS = "windows"
"""The same, of a line about a recording that was asked in windows: what was said of each. Its own text is null."""


def is_complete(folder: Path) -> bool:
    """Whether an evaluation was written here to its end, by whatever version, and is undamaged."""
    record = read_record(folder / RECORD)
    if record is None:  # earlier versions wrote the scores last
        return (folder / SCORES).exists() and (folder / PREDICTIONS).exists()
    try:
        return bool(record.get("answers") == _digest(_lines(folder)))
    except (OSError, ValueError, KeyError):
        return False


def found_record(folder: Path, origin: Origin) -> dict[str, Any] | None:
    """What is stored with a complete evaluation whose settings, contents and model are those of `origin`.

    Its code may be another one. None where the evaluation has to be made.
    """
    record = read_record(folder / RECORD)
    usable = record is not None and not origin.other_settings(record) and is_complete(folder)
    return record if usable else None


def write_evaluation(
    folder: Path,
    answers: Sequence[Answer],
    scores: Mapping[str, Scores],
    locate: Callable[[str], str],
    skipped: Mapping[str, int],
    origin: Origin,
    scoring: Grounds,
) -> None:
    """Write a whole evaluation; one that is there already gives way to it.

    Args:
        locate: audio path of an example -> where it can be read.
        skipped: kind of fault -> examples whose recordings could not be used; they have no answer.
        origin: what the answers were made from.
        scoring: what decides how they are read and scored.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    write_readings(partial, answers, scores, locate, skipped, scoring)
    record = origin.record() | {"answers": _digest(_lines(partial)), "skipped": dict(skipped)}
    seal(partial, folder, RECORD, sealed(record))


def write_readings(
    folder: Path,
    answers: Sequence[Answer],
    scores: Mapping[str, Scores],
    locate: Callable[[str], str],
    skipped: Mapping[str, int],
    scoring: Grounds,
) -> None:
    """Write answers as they are read and scored now, where the files do not say the same already."""
    write_lines(folder, answers, scores, locate)
    summary: dict[str, Any] = {task: dict(of_task.values) for task, of_task in scores.items()}
    summary[ALL_TASKS]["truncated"] = 100.0 * sum(a.truncated for a in answers) / len(answers)
    summary["repairs"] = Counter(kind for answer in answers for kind in answer.prediction.repairs)  # answers by kind
    if skipped:
        summary["skipped"] = dict(skipped)
    write_if_changed(folder / SCORES, json.dumps(defined(summary), indent=1))
    questions = questions_of([answer.example for answer in answers])
    write_sums(folder, folder / PREDICTIONS, scores, questions, scoring)


def write_lines(
    folder: Path, answers: Sequence[Answer], scores: Mapping[str, Scores], locate: Callable[[str], str]
) -> None:
    """Write predictions.jsonl, a line an answer with its own scores, where it does not say the same already."""
    own = {id_: row for task in scores if task != ALL_TASKS for id_, row in _by_id(scores[task]).items()}
    lines = [json.dumps(defined(_record(answer, own.get(answer.example.id, {}), locate))) for answer in answers]
    write_if_changed(folder / PREDICTIONS, "\n".join(lines) + "\n")


def read_answers(folder: Path, tasks: Mapping[str, ScoredTask]) -> list[Answer]:
    """The answers of a complete evaluation with their questions, read again by today's `parse`.

    Raises ValueError that names the line where one is no answer to one of `tasks`.
    """
    answers, merge_iou = [], _merge_iou(folder)
    with (folder / PREDICTIONS).open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            answers.append(_answer(line, tasks, f"{folder / PREDICTIONS}:{number}", merge_iou))
    return answers


def is_put_together(row: Mapping[str, Any]) -> bool:
    """Whether a line of predictions.jsonl was voted, or merged of windows: its own text is null."""
    return row.get("text", "") is None and bool(row.get(VOTERS) or row.get(WINDOWS))


def put_together_again(row: Mapping[str, Any], task: ScoredTask, path: Path, where: str) -> Prediction:
    """What such a line of `path` says, as `read_answers` reads it."""
    return _answer(json.dumps(row).encode(), {task.name: task}, where, _merge_iou(path.parent)).prediction


def _merge_iou(folder: Path) -> float:
    """From which IoU on two windows speak of one event, as those said who asked for them."""
    try:
        merge_iou = (read_record(folder / RECORD) or {})["determinants"]["settings"][ASKED_IN]["merge_iou"]
    except (KeyError, TypeError):  # nothing was asked in windows, or by an earlier version
        return AGREE
    try:
        return checked_iou(merge_iou)
    except ValueError as error:
        raise ValueError(f"{folder / RECORD}: {error}") from error


def _answer(line: bytes, tasks: Mapping[str, ScoredTask], where: str, merge_iou: float) -> Answer:
    try:
        row = json.loads(line)
        reference = tuple(Event(*event) for event in row["reference"])
        window = {key: row[key] for key in WINDOW if key in row}
        example = Example(row["id"], row["task"], row["clip"], row["duration_s"], reference, row["query"], **window)
        prompt, task = row["prompt"], tasks[row["task"]]
        windows = [(one["start_s"], one["duration_s"], _voiced(one)) for one in row.get(WINDOWS, ())]
        said = [] if windows else _voiced(row)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{where}: is no answer of this run: {error!r}") from error
    checked_line(example, where)
    texts = [*said, *(one for _, _, of_window in windows for one in of_window)]
    if not (isinstance(prompt, str) and all(isinstance(t, str) and isinstance(cut, bool) for t, cut in texts)):
        raise ValueError(f"{where}: prompt and text must be text, and truncated true or false")
    if not windows:
        return read_again(example, task, prompt, said, bool(row.get(VOTERS)))
    return replace(_merged(example, task, prompt, windows, where, merge_iou), prompt=prompt)


def _voiced(row: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """What was said, and whether it was cut, by each voter or by the one answer."""
    return [(one["text"], one["truncated"]) for one in row.get(VOTERS) or (row,)]


def _merged(
    example: Example,
    task: ScoredTask,
    prompt: str,
    windows: Sequence[tuple[Any, Any, list[tuple[str, bool]]]],
    where: str,
    merge_iou: float,
) -> Answer:
    answers = []
    for start_s, duration_s, said in windows:
        if not all(isinstance(time, int | float) and math.isfinite(time) for time in (start_s, duration_s)):
            raise ValueError(f"{where}: a window begins and lasts seconds")
        place = {"start_s": example.start_s + start_s, "duration_s": duration_s}
        answers.append(read_again(replace(example, events=(), **place), task, prompt, said, len(said) > 1))
    try:
        return merged(example, task, answers, merge_iou)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def read_skipped(folder: Path) -> dict[str, int]:
    """Kind of fault -> examples without an answer. Raises ValueError where a file that says so is damaged."""
    record = read_sealed(folder / RECORD) if (folder / RECORD).exists() else {}
    if "skipped" not in record and (folder / SCORES).exists():  # where earlier versions kept it
        record = read_object(folder / SCORES)
    skipped: dict[str, int] = record.get("skipped", {})
    return skipped


def digest_of_answers(folder: Path) -> str:
    """Equal where the same was said to the same questions, wherever the folder lies and however it is read."""
    record = read_record(folder / RECORD) or {}
    return str(record.get("answers") or _digest(_lines(folder)))


def _lines(folder: Path) -> list[dict[str, Any]]:
    with (folder / PREDICTIONS).open("rb") as lines:
        return [json.loads(line) for line in lines]


def _digest(lines: Sequence[Mapping[str, Any]]) -> str:
    said = json.dumps([_said(line) for line in lines])
    return hashlib.sha256(said.encode()).hexdigest()


def _said(line: Mapping[str, Any]) -> list[Any]:
    voters = [[[one["text"], one["truncated"]] for one in line[VOTERS]]] if VOTERS in line else []
    windows = [[[one["start_s"], one["duration_s"], _voiced(one)] for one in line[WINDOWS]]] if WINDOWS in line else []
    return [*(line[key] for key in SAID), *(line[key] for key in WINDOW if key in line), *voters, *windows]


def _by_id(scores: Scores) -> dict[str, dict[str, float]]:
    return dict(zip(scores.ids, scores.examples, strict=True))


def _record(answer: Answer, scores: Mapping[str, float], locate: Callable[[str], str]) -> dict[str, Any]:
    example, prediction = answer.example, answer.prediction
    place, window = locate(example.audio), {}
    if example.is_window:
        place = with_fragment(place, example.start_s, example.duration_s)
        window = {key: getattr(example, key) for key in WINDOW}
    return {
        "id": example.id,
        "task": example.task,
        "clip": example.audio,
        "audio": place,
        **window,
        "duration_s": example.duration_s,
        "query": example.query,
        "prompt": answer.prompt,
        "text": None if answer.voters or answer.windows else answer.text,
        "truncated": answer.truncated,
        "readable": prediction.readable,
        "repairs": list(prediction.repairs),
        "events": _rows(prediction.events),
        "reference": _rows(example.events),
        "scores": dict(scores),
        **(_vote(answer) if answer.voters else {}),
        **({WINDOWS: [_window(one, example.start_s) for one in answer.windows]} if answer.windows else {}),
    }


def _window(answer: Answer, from_s: float) -> dict[str, Any]:
    """What was said of a window, in its own time; it begins in the time of its clip."""
    return {
        "start_s": round(answer.example.start_s - from_s, 4),
        "duration_s": answer.example.duration_s,
        "text": None if answer.voters else answer.text,
        "truncated": answer.truncated,
        "events": _rows(answer.prediction.events),
        **(_vote(answer) if answer.voters else {}),
    }


def _vote(answer: Answer) -> dict[str, Any]:
    """What a line says of a vote: how sure it is of each event, and of any at all; and who said what."""
    return {
        "event_scores": [event.score for event in answer.prediction.events],
        "presence": answer.prediction.presence,
        VOTERS: [
            {"text": voter.text, "truncated": voter.truncated, "events": _rows(voter.prediction.events)}
            for voter in answer.voters
        ],
    }


def _rows(events: Sequence[Event]) -> list[list[Any]]:
    return [[event.onset, event.offset, event.label] for event in events]
