"""From the files of a finished run to its HTML report."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from timepro_lit.figures.clips import Answer, Clip, Question
from timepro_lit.figures.page import DEFAULT_TITLE, render_page
from timepro_lit.figures.player import audio_uri
from timepro_lit.figures.table import SYSTEMS, System
from timepro_lit.records import Event

Predictions = Mapping[str, Sequence[Mapping[str, Any]]]
"""System key -> the lines of its predictions.jsonl."""

_NUM_CLIPS = 12
_QUESTIONS_PER_TASK = 3
_AUDIO_BYTES = 4_500_000
"""Of all sound in a page, before base64 makes it a third larger: keeps the page below about 8 MB."""
_KEYS = ("id", "task", "audio", "duration_s", "prompt", "text", "readable", "events", "reference")
_STAGES = ("sft", "grpo")


def write_report(
    run_dir: Path,
    read_audio: Callable[[Path], Tensor],
    *,
    title: str = DEFAULT_TITLE,
    introduction: str | None = None,
    systems: Sequence[System] = SYSTEMS,
) -> Path:
    """Write `run_dir`/report.html from report.json, evaluation/<system>/predictions.jsonl and <stage>/metrics.csv.

    `read_audio` decodes a file to (n,) float32, mono, 16 kHz. Predictions and metrics may be missing, the page then
    goes without those parts. Raises ValueError where report.json is missing, or naming file and line of a bad record.
    """
    report = read_results(run_dir)
    predictions = read_predictions(run_dir, systems)
    page = render_page(
        report,
        read_metrics(run_dir),
        load_clips(run_dir, predictions, read_audio, systems),
        classes(predictions),
        title=title,
        introduction=introduction,
        systems=systems,
    )
    path = run_dir / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def read_results(run_dir: Path) -> dict[str, Any]:
    """The content of report.json. Raises ValueError where the run has no evaluation."""
    path = run_dir / "report.json"
    if not path.is_file():
        raise ValueError(f"{run_dir} has no report.json: evaluate the run before reporting on it")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def read_predictions(run_dir: Path, systems: Sequence[System] = SYSTEMS) -> dict[str, list[dict[str, Any]]]:
    """The lines of evaluation/<system>/predictions.jsonl of each system that has one.

    Raises ValueError naming file, line and key where a line is no JSON object or lacks a key.
    """
    paths = {system.key: run_dir / "evaluation" / system.key / "predictions.jsonl" for system in systems}
    return {key: _read_lines(path) for key, path in paths.items() if path.is_file()}


def _read_lines(path: Path) -> list[dict[str, Any]]:
    records = []
    with path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"{path}:{number}: not a line of JSON: {error.msg}") from error
            missing = _KEYS if not isinstance(record, dict) else [key for key in _KEYS if key not in record]
            if missing:
                raise ValueError(f"{path}:{number}: the prediction lacks {', '.join(missing)}")
            records.append(record)
    return records


def read_metrics(run_dir: Path) -> dict[str, list[dict[str, float]]]:
    """<stage>/metrics.csv of each stage that has one: column -> number, empty fields left out."""
    found = {}
    for stage in _STAGES:
        path = run_dir / stage / "metrics.csv"
        if path.is_file():
            with path.open(encoding="utf-8", newline="") as file:
                rows = csv.DictReader(file)
                found[stage] = [{name: float(text) for name, text in row.items() if text} for row in rows]
    return found


def classes(predictions: Predictions) -> list[str]:
    """The classes of sound event detection that occur in the reference, in alphabetical order."""
    records = (record for lines in predictions.values() for record in lines if record["task"] == "sed")
    return sorted({event[2] for record in records for event in record["reference"]})


def select_audio(predictions: Predictions, num_clips: int = _NUM_CLIPS) -> list[str]:
    """Audio paths of the clips to show: those with the most tasks first, the tasks in turn, else by a hash of the name.

    The choice does not depend on what any system answered.
    """
    tasks: dict[str, set[str]] = {}
    for record in (record for lines in predictions.values() for record in lines):
        tasks.setdefault(record["audio"], set()).add(record["task"])
    waiting = sorted(tasks, key=lambda a: (-len(tasks[a]), hashlib.sha256(Path(a).name.encode()).digest(), a))
    turns = sorted({task for of_clip in tasks.values() for task in of_clip})
    chosen: list[str] = []
    while waiting and len(chosen) < num_clips:
        task = turns[len(chosen) % len(turns)]
        audio = next((a for a in waiting if task in tasks[a]), waiting[0])
        waiting.remove(audio)
        chosen.append(audio)
    return chosen


def load_clips(
    run_dir: Path,
    predictions: Predictions,
    read_audio: Callable[[Path], Tensor],
    systems: Sequence[System] = SYSTEMS,
) -> list[Clip]:
    """The selected clips with their sound, where the file exists; relative paths start at `run_dir`."""
    chosen = select_audio(predictions)
    answers: dict[str, dict[str, dict[str, Mapping[str, Any]]]] = {audio: {} for audio in chosen}
    for system in systems:
        for record in predictions.get(system.key, ()):
            if record["audio"] in answers:
                answers[record["audio"]].setdefault(record["id"], {})[system.short] = record
    return [_load_clip(run_dir / audio, answers[audio], read_audio, _AUDIO_BYTES // len(chosen)) for audio in chosen]


def _load_clip(
    path: Path,
    answers: Mapping[str, Mapping[str, Mapping[str, Any]]],
    read_audio: Callable[[Path], Tensor],
    max_bytes: int,
) -> Clip:
    questions, counts = [], dict[str, int]()
    for of_question in answers.values():
        task = next(iter(of_question.values()))["task"]
        counts[task] = counts.get(task, 0) + 1
        if counts[task] <= _QUESTIONS_PER_TASK:
            questions.append(_question(of_question))
    first = next(iter(next(iter(answers.values())).values()))
    waveform = read_audio(path) if path.is_file() else None
    return Clip(
        name=path.name,
        duration_s=float(first["duration_s"]),
        questions=tuple(sorted(questions, key=lambda q: ("ag", "sed", "dac", q.task).index(q.task))),
        waveform=waveform,
        audio=None if waveform is None else audio_uri(path, waveform, max_bytes),
        num_left_out=sum(counts.values()) - len(questions),
    )


def _question(of_question: Mapping[str, Mapping[str, Any]]) -> Question:
    first = next(iter(of_question.values()))
    return Question(
        task=first["task"],
        query=first.get("query"),
        prompt=first["prompt"],
        reference=_events(first["reference"]),
        answers=tuple(
            Answer(system, record["text"], record["readable"], _events(record["events"]), record.get("scores", {}))
            for system, record in of_question.items()
        ),
    )


def _events(rows: Sequence[Sequence[Any]]) -> tuple[Event, ...]:
    return tuple(Event(float(onset), float(offset), label) for onset, offset, label in rows)
