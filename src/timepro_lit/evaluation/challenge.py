"""The files of DCASE 2026 Task 6, which lighthouse reads and writes as well: answers to submit, and their scores.

    references   {"qid", "query", "duration", "vid", "relevant_windows": [[start, end], ...]} a line
    predictions  {"qid", "query", "vid", "pred_relevant_windows": [[start, end, score], ...]} a line, best window first

An answer belongs to the query of the same qid. Times are in seconds, and count as they are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from timepro_lit.data.manifest import MAX_LINE_BYTES
from timepro_lit.evaluation.scoring import Outcome, named_ids, outcome_of, table
from timepro_lit.events.delivery import OUTSIDE, REVERSED, delivered
from timepro_lit.files.atomic import replacing, write_atomically
from timepro_lit.files.json_object import read_lines, shown
from timepro_lit.metrics.moments import MAX_WINDOWS, Moments
from timepro_lit.metrics.suite import intervals
from timepro_lit.records import Answer, Event, Example, Prediction

PROTOCOL = "dcase2026_task6"
SCORES = "scores.json"
SUBMISSION = f"{PROTOCOL}.jsonl"
"""What a file of answers is called."""
T = TypeVar("T")


def score_moments(predictions: Path, references: Path, directory: Path, system: str) -> str:
    """Score a file of windows against a file of moments; write scores.json, and return the table.

    Queries without an answer, and those of which the references hold no moment, count as wrong; answers to unknown
    queries do not count, and of repeated ones the first does. All of them are named. Raises ValueError naming file and
    line of what is neither.
    """
    examples = read_queries(references)
    outcome = outcome_of(read_windows(predictions), examples, [Moments()])
    silent = [example.id for example in examples if not example.events]
    directory.mkdir(parents=True, exist_ok=True)
    write_atomically(directory / SCORES, json.dumps(_summary(outcome, silent, system), indent=1))
    return table(outcome) + named_ids("queries without a moment", silent, "count as wrong")


def read_queries(path: Path) -> list[Example]:
    """The queries of a file. Raises ValueError naming the line at fault, or a qid that stands twice."""
    found = [_query(row, where) for where, row in read_lines(path, MAX_LINE_BYTES)]
    if not found:
        raise ValueError(f"{path}: holds no query")
    ids = [example.id for example in found]
    if (
        twice := next((id_ for n, id_ in enumerate(ids) if id_ in set(ids[:n])), None)
        if len(set(ids)) < len(ids)
        else None
    ):
        raise ValueError(f"{path}: qid {twice} stands twice")
    return found


def read_windows(path: Path) -> list[tuple[str, Prediction, str]]:
    """The answers of a file, in its order: id, windows, and no text.

    Raises ValueError naming the line at fault, or a file without answers.
    """
    found = [(_id(row, where), _windows(row, where), "") for where, row in read_lines(path, MAX_LINE_BYTES)]
    if not found:
        raise ValueError(f"{path}: holds no answer")
    return found


def write_windows(path: Path, answers: Iterable[tuple[int | str, Answer]]) -> str:
    """Write answers, each with its qid, as `read_windows` reads them; returns a line about the file.

    Windows are cut to the recording, flagged ones left out, the ten best kept, best first; without votes their score
    is 1. A `vid` is the name of the recording without its suffix.
    """
    rows = [_submitted(qid, answer) for qid, answer in answers]
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    with replacing(path) as file:
        file.writelines(line.encode("utf-8", "backslashreplace") for line in lines)
    return f"submission: {path}\n"


def _submitted(qid: int | str, answer: Answer) -> dict[str, Any]:
    example, prediction = answer.example, answer.prediction
    events = delivered(prediction.ranked or prediction.events, round(example.duration_s, 3))
    windows = [[e.onset, e.offset, 1.0 if e.score is None else e.score] for e in events if e.flag is None]
    windows.sort(key=lambda window: -window[2])
    vid = PurePosixPath(example.audio).stem
    return {"qid": qid, "query": example.query, "vid": vid, "pred_relevant_windows": windows[:MAX_WINDOWS]}


def _summary(outcome: Outcome, silent: list[str], system: str) -> dict[str, Any]:
    spans = {name: list(span) for name, span in intervals([outcome.scores]).items()}
    return {
        "system": system,
        "protocol": PROTOCOL,
        "num_examples": len(outcome.scores.ids),
        "moments": outcome.scores.values,
        "intervals": {"moments": spans},
        "missing": list(outcome.missing),
        "duplicate": list(outcome.duplicate),
        "unknown": list(outcome.unknown),
        "without_moment": silent,
        OUTSIDE: outcome.odd.outside,
        REVERSED: outcome.odd.backward,
    }


def _query(row: dict[str, Any], where: str) -> Example:
    duration_s, query = row.get("duration"), row.get("query")
    if not _is_time(duration_s) or duration_s <= 0:
        raise ValueError(f"{where}: key 'duration' must be a length in seconds, not {shown(duration_s)}")
    if not isinstance(query, str) or not isinstance(row.get("vid"), str):
        raise ValueError(f"{where}: keys 'query' and 'vid' must be text")
    moments = _listed(row, "relevant_windows", 2, where, lambda start, end: Event(start, end, query))
    if reversed_ := [event for event in moments if event.offset < event.onset]:
        raise ValueError(
            f"{where}: the moment from {reversed_[0].onset} to {reversed_[0].offset} s ends before it begins"
        )
    return Example(_id(row, where), "ag", row["vid"], float(duration_s), tuple(moments), query)


def _windows(row: dict[str, Any], where: str) -> Prediction:
    found = _listed(
        row, "pred_relevant_windows", 3, where, lambda start, end, score: Event(start, end, "", score=score)
    )
    return Prediction(tuple(found), readable=True)


def _listed(row: dict[str, Any], key: str, size: int, where: str, make: Callable[..., T]) -> list[T]:
    """What a list of lists of `size` numbers holds."""
    entries = row.get(key)
    if not isinstance(entries, list):
        raise ValueError(f"{where}: key '{key}' must be a list")
    for entry in entries:
        if not isinstance(entry, list) or len(entry) != size or not all(map(_is_time, entry)):
            wanted = ["start", "end", "score"][:size]
            raise ValueError(f"{where}: an entry of '{key}' must be [{', '.join(wanted)}], not {shown(entry)}")
    return [make(*map(float, entry)) for entry in entries]


def _id(row: dict[str, Any], where: str) -> str:
    id_ = row.get("qid")
    if not isinstance(id_, int | str) or isinstance(id_, bool):
        raise ValueError(f"{where}: key 'qid' must be text or a whole number, not {shown(id_)}")
    return str(id_)


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False
