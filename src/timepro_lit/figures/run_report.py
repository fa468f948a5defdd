"""From the files of a finished run to its HTML report."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from timepro_lit.figures.clips import Clip, ShownAnswer, ShownQuestion, ShownTask
from timepro_lit.figures.curves import Chart, Rows, learning_charts
from timepro_lit.figures.long_clips import LONG_S
from timepro_lit.figures.page import DEFAULT_TITLE, ClipGroup, render_page
from timepro_lit.figures.player import audio_uri
from timepro_lit.figures.spectrogram import long_log_mel
from timepro_lit.figures.table import TEST
from timepro_lit.files.atomic import write_atomically
from timepro_lit.files.fragments import without_fragment
from timepro_lit.files.sealing import read_sealed
from timepro_lit.records import Event

Predictions = Mapping[str, Sequence[Mapping[str, Any]]]
"""Key of a row -> the lines of its predictions.jsonl."""

ReadBlocks = Callable[[str], Iterator[Tensor]]
"""A recording of any length at such a place, in (n,) float32 pieces, mono, 16 kHz."""
BY_HASH = "drawn by a hash of the file name, not picked by hand"
HOW_TO = "Press play, where there is sound; click a timeline, or move along it with the arrow keys, to jump there."
_NUM_CLIPS = 12
_QUESTIONS_PER_TASK = 3
AUDIO_BYTES = 4_500_000
"""Of all sound in a page, before base64 makes it a third larger: keeps the page below about 8 MB."""
_KEYS = ("id", "task", "audio", "duration_s", "prompt", "text", "readable", "events", "reference")


def write_report(
    run_dir: Path,
    read_audio: Callable[[str], Tensor],
    read_blocks: ReadBlocks | None = None,
    *,
    title: str = DEFAULT_TITLE,
    introduction: str | None = None,
) -> Path:
    """Write `run_dir`/report.html from report.json, evaluation/<row>/predictions.jsonl and <row>/metrics.csv.

    `read_audio` decodes a file, or a member of a tar shard, or a stretch of either (`files.fragments`), to (n,)
    float32, mono, 16 kHz; `read_blocks` gives one of any length, which goes without a spectrogram where that is None.
    Predictions and metrics may be missing, the page then goes without those parts. Raises ValueError where report.json
    is missing or holds no row, or naming file and line of a bad record.
    """
    report = read_results(run_dir)
    rows = {key: row["short"] for key, row in report.get("rows", {}).items()}
    predictions = read_evaluations(run_dir, list(rows))
    tasks = shown_tasks(report.get("tasks", {}), predictions)
    chosen = select_audio(_asked(predictions, tasks))
    clips = load_clips(run_dir, predictions, read_audio, rows, tasks, chosen, read_blocks=read_blocks)
    page = render_page(
        report,
        _charts(report, read_metrics(run_dir)),
        [ClipGroup("Listen", f"{_many(len(clips), report.get('split', TEST))}, {BY_HASH}. {HOW_TO}", clips)],
        title=title,
        introduction=introduction,
    )
    path = run_dir / "report.html"
    write_atomically(path, page)
    return path


def _charts(report: Mapping[str, Any], stages: Mapping[str, Rows]) -> list[Chart]:
    trained = report.get("stages", report.get("rows", {}))
    in_order = {row["short"]: stages[key] for key, row in trained.items() if key in stages}
    return learning_charts(in_order, watched(report))


def watched(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The (task, metric) to follow in validation, of the tasks of report.json."""
    return [(name, metric) for name, task in report.get("tasks", {}).items() for metric in task["watched"]]


def _many(number: int, split: str) -> str:
    return f"One {split} clip" if number == 1 else f"{number} {split} clips"


def _asked(predictions: Predictions, tasks: Mapping[str, ShownTask]) -> Predictions:
    """The answers to questions of tasks that are shown."""
    return {row: [record for record in lines if record["task"] in tasks] for row, lines in predictions.items()}


def read_results(run_dir: Path) -> dict[str, Any]:
    """The content of report.json. Raises ValueError where the run has no evaluation."""
    path = run_dir / "report.json"
    if not path.is_file():
        raise ValueError(f"{run_dir} has no report.json: evaluate the run before reporting on it")
    return read_sealed(path)


def read_evaluations(run_dir: Path, rows: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The lines of evaluation/<row>/predictions.jsonl of each row that has one.

    Raises ValueError naming file, line and key where a line is no JSON object or lacks a key.
    """
    paths = {row: run_dir / "evaluation" / row / "predictions.jsonl" for row in rows}
    return {row: read_lines(path) for row, path in paths.items() if path.is_file()}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of one predictions.jsonl. Raises ValueError as `read_evaluations`."""
    records = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                record = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}:{number}: not a line of JSON: {error}") from error
            missing = _KEYS if not isinstance(record, dict) else [key for key in _KEYS if key not in record]
            if missing:
                raise ValueError(f"{path}:{number}: the prediction lacks {', '.join(missing)}")
            records.append(record)
    return records


def read_metrics(run_dir: Path) -> dict[str, list[dict[str, float]]]:
    """<stage>/metrics.csv of each stage that has one: column -> number, empty fields left out.

    Raises ValueError naming the file where it holds anything else.
    """
    return {path.parent.name: read_curves(path) for path in sorted(run_dir.glob("*/metrics.csv"))}


def read_curves(path: Path) -> list[dict[str, float]]:
    """One metrics.csv. Raises ValueError as `read_metrics`."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            names, *lines = [line for line in csv.reader(file) if line] or [[]]
        if any(len(line) > len(names) for line in lines):
            raise ValueError("a row has more fields than there are columns")
        rows = [{name: float(text) for name, text in zip(names, line, strict=False) if text} for line in lines]
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as curves: {error}") from error
    if not all("step" in row for row in rows):
        raise ValueError(f"{path} cannot be read as curves: a row has no step")
    return rows


def shown_tasks(tasks: Mapping[str, Mapping[str, Any]], predictions: Predictions) -> dict[str, ShownTask]:
    """How each task of report.json looks, in its order; of a closed set of labels those that occur have colours."""
    records = [record for lines in predictions.values() for record in lines]
    occurring = {
        name: {event[2] for record in records if record["task"] == name for event in record["reference"]}
        for name in tasks
    }
    return {
        name: ShownTask(
            title=task["title"],
            clip_score=task["clip_score"],
            classes=tuple(label for label in sorted(task["classes"]) if label in occurring[name]),
            hue=place,
            shows_times=task["takes_query"],
        )
        for place, (name, task) in enumerate(tasks.items())
    }


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
    read_audio: Callable[[str], Tensor],
    rows: Mapping[str, str],
    tasks: Mapping[str, ShownTask],
    chosen: Sequence[str],
    max_bytes: int = AUDIO_BYTES,
    read_blocks: ReadBlocks | None = None,
) -> list[Clip]:
    """The chosen clips with their sound, where the file exists; relative paths start at `run_dir`.

    `rows`: key -> short name of the rows to show; `tasks`: those to show, in their order; `max_bytes`: of all sound.
    """
    asked = _asked(predictions, tasks)
    answers: dict[str, dict[str, dict[str, Mapping[str, Any]]]] = {audio: {} for audio in chosen}
    for row, short in rows.items():
        for record in asked.get(row, ()):
            if record["audio"] in answers:
                answers[record["audio"]].setdefault(record["id"], {})[short] = record
    return [
        _load_clip(_place(run_dir, audio), answers[audio], read_audio, max_bytes // len(chosen), tasks, read_blocks)
        for audio in chosen
    ]


def _place(run_dir: Path, audio: str) -> str:
    return audio if "://" in audio else str(run_dir / audio)


def _sound(place: str, read_audio: Callable[[str], Tensor]) -> Tensor | None:
    """What is read of a clip, where it lies on this machine and can be read: a page is made without a network."""
    path, _ = without_fragment(place)
    path = path.partition("::file://")[2] if path.startswith("tar://") else path
    if not path or not Path(path).is_file():
        return None
    try:
        return read_audio(place)
    except (OSError, ValueError):
        return None


def _load_clip(
    place: str,
    answers: Mapping[str, Mapping[str, Mapping[str, Any]]],
    read_audio: Callable[[str], Tensor],
    max_bytes: int,
    tasks: Mapping[str, ShownTask],
    read_blocks: ReadBlocks | None,
) -> Clip:
    by_task: dict[str, list[ShownQuestion]] = {name: [] for name in tasks}
    for of_question in answers.values():
        task = next(iter(of_question.values()))["task"]
        by_task[task].append(_question(of_question, tasks[task]))
    first = next(iter(next(iter(answers.values())).values()))
    duration_s, mel, waveform = float(first["duration_s"]), None, None
    if duration_s <= LONG_S:
        waveform = _sound(place, read_audio)
    elif read_blocks is not None:
        mel = _sound(place, lambda whole: long_log_mel(read_blocks(whole), duration_s))
    whole, window = without_fragment(place)
    path = Path(whole.removeprefix("tar://").partition("::")[0])
    own_file = path if window is None and path.is_file() else None
    return Clip(
        name=path.name if window is None else f"{path.name}, {window[0]:g} to {window[1]:g} s",
        duration_s=duration_s,
        questions=tuple(q for of_task in by_task.values() for q in of_task[:_QUESTIONS_PER_TASK]),
        waveform=waveform,
        audio=None if waveform is None else audio_uri(own_file, waveform, max_bytes),
        mel=mel,
        num_left_out=sum(len(of_task[_QUESTIONS_PER_TASK:]) for of_task in by_task.values()),
    )


def _question(of_row: Mapping[str, Mapping[str, Any]], task: ShownTask) -> ShownQuestion:
    first = next(iter(of_row.values()))
    return ShownQuestion(
        task=task,
        query=first.get("query"),
        prompt=first["prompt"],
        reference=_events(first["reference"]),
        answers=tuple(
            ShownAnswer(row, _said(record), record["readable"], _events(record["events"]), record.get("scores", {}))
            for row, record in of_row.items()
        ),
    )


def _said(record: Mapping[str, Any]) -> str:
    """The text of an answer; of a vote, those of all that were voted over, and of a recording, of all its windows."""
    if record.get("windows"):
        return "\n\n".join(f"{one['start_s']:.2f} s: {_said(one)}" for one in record["windows"])
    return "\n\n".join(one["text"] for one in record["voters"]) if record.get("voters") else record["text"]


def _events(rows: Sequence[Sequence[Any]]) -> tuple[Event, ...]:
    """A time that JSON has no number for is null there."""
    times = (([math.inf if time is None else float(time) for time in ends], label) for *ends, label in rows)
    return tuple(Event(onset, offset, label) for (onset, offset), label in times)
