"""Questions about files on disk: find the recordings, ask, write what was answered."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from timepro_lit.answering import Answer
from timepro_lit.data.audio import AudioError
from timepro_lit.figures.layout import visible
from timepro_lit.figures.timeline import clip_figure
from timepro_lit.listener import Listener
from timepro_lit.records import Sample
from timepro_lit.tasks.sound_events import SoundEventDetection

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf")
PREDICTIONS = "predictions.jsonl"


@dataclass(frozen=True)
class Outcome:
    """What came of all questions."""

    samples: Sequence[Sample]
    answers: Sequence[Answer]
    faults: Sequence[str]
    """A sentence for every recording that could not be asked about."""


def recordings(path: Path) -> list[Path]:
    """The file itself, or every audio file below a folder, in order. Raises ValueError where there is none."""
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file())
        if not found:
            raise ValueError(f"audio: no file below {path} ends in {', '.join(AUDIO_SUFFIXES)}")
        return found
    if not path.exists():
        raise FileNotFoundError(f"audio: {path} does not exist")
    return [path]


def queries_of(task: str, query: str | None, file: Path | None) -> list[str | None]:
    """What each recording is asked for: one query, those of a file with one a line, or [None] where none belongs.

    Raises ValueError where a grounding question has no query, or another question has one.
    """
    if task != "ag":
        if query is not None or file is not None:
            raise ValueError(f"a query belongs to task=ag, not to task={task}")
        return [None]
    if (query is None) == (file is None):
        raise ValueError('task=ag needs a query: give either query="..." or queries=FILE with one query a line')
    if file is None:
        return [query]
    lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    if not any(lines):
        raise ValueError(f"queries: {file} is empty")
    return [line for line in lines if line]


def predict(
    listener: Listener,
    audio: Path,
    task: str,
    queries: Sequence[str | None],
    classes: Sequence[str],
    output_dir: Path,
    figures: bool,
) -> str:
    """Ask about every recording; write predictions.jsonl and, if asked to, figures/; returns the table.

    A recording that cannot be read is named and left out. Raises AudioError where that leaves none.
    """
    files, root = recordings(audio), audio if audio.is_dir() else audio.parent
    tasks = {"sed": SoundEventDetection(classes)} if classes else {}
    if classes and task != "sed":
        raise ValueError(f"classes belong to task=sed, not to task={task}")
    samples, faults = [], []
    for file in files:
        try:
            waveform = listener.waveform(file)
        except AudioError as error:
            faults.append(str(error))
            continue
        name = file.relative_to(root).as_posix()
        for query in queries:
            samples.append(listener.question(task, waveform, query, audio=name, id_=str(len(samples))))
    if not samples:
        raise AudioError(f"none of {len(files)} recordings can be read, {faults[0]}")
    answers = list(track(listener.answers(samples, tasks), "answering", total=len(samples)))
    outcome = Outcome(samples, answers, faults)
    output_dir.mkdir(parents=True, exist_ok=True)
    rows = [json.dumps(_record(answer), ensure_ascii=False) for answer in answers]
    (output_dir / PREDICTIONS).write_text("\n".join(rows) + "\n", encoding="utf-8")
    if figures:
        _draw(outcome, output_dir / "figures")
    return _table(outcome, output_dir)


def _record(answer: Answer) -> dict[str, Any]:
    example, prediction = answer.example, answer.prediction
    return {
        "audio": example.audio,
        "task": example.task,
        "query": example.query,
        "duration_s": round(example.duration_s, 3),
        "events": [[event.onset, event.offset, event.label] for event in prediction.events],
        "readable": prediction.readable,
        "truncated": answer.truncated,
        "text": answer.text,
    }


def _draw(outcome: Outcome, folder: Path) -> None:
    """One picture a recording, with a timeline for each question about it."""
    by_audio: dict[str, list[tuple[Sample, Answer]]] = {}
    for sample, answer in zip(outcome.samples, outcome.answers, strict=True):
        by_audio.setdefault(answer.example.audio, []).append((sample, answer))
    for name, pairs in track(by_audio.items(), "drawing"):
        timelines = {answer.example.query or answer.example.task: answer.prediction.events for _, answer in pairs}
        figure = clip_figure(pairs[0][0].waveform, timelines, name)
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)


def _table(outcome: Outcome, output_dir: Path) -> str:
    table = Table(box=box.SIMPLE_HEAD)
    columns = ["recording", "query", "onset", "offset", "sound"]
    asked = any(answer.example.query for answer in outcome.answers)
    for column in columns if asked else [column for column in columns if column != "query"]:
        table.add_column(column, justify="right" if column in ("onset", "offset") else "left")
    for answer in outcome.answers:
        head = [answer.example.audio] + ([answer.example.query or ""] if asked else [])
        for event in answer.prediction.events:
            cells = [*head, f"{event.onset:.2f}", f"{event.offset:.2f}", visible(event.label, 60)]
            table.add_row(*(Text(cell) for cell in cells))
            head = [""] * len(head)
        if not answer.prediction.events:
            said = "nothing" if answer.prediction.readable else f"unreadable: {visible(answer.text, 60)}"
            table.add_row(*(Text(cell) for cell in [*head, "", "", said]))
    text = io.StringIO()
    console = Console(file=text, width=110)
    console.print(table)
    for fault in outcome.faults:
        console.print(Text(f"left out: {fault}"))
    console.print(Text(f"answers: {output_dir / PREDICTIONS}"), soft_wrap=True)
    return text.getvalue()
