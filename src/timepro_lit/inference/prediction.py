"""Questions about files on disk: find the recordings, ask, write what was answered."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.progress import track

from timepro_lit.data.audio import AUDIO_SUFFIXES, AudioError
from timepro_lit.data.collate import Frontend
from timepro_lit.data.media import MEDIA_SUFFIXES
from timepro_lit.data.streaming import blocks_of
from timepro_lit.events.labels import Format
from timepro_lit.events.voting import Voting
from timepro_lit.figures.clips import Clip, ShownAnswer, ShownQuestion, ShownTask
from timepro_lit.figures.page import recording_page
from timepro_lit.figures.spectrogram import long_log_mel
from timepro_lit.figures.timeline import clip_figure
from timepro_lit.files.atomic import replacing, write_atomically
from timepro_lit.files.holding import held
from timepro_lit.inference.answer_table import table
from timepro_lit.inference.asking import Asking
from timepro_lit.inference.journal import journal
from timepro_lit.inference.labelling import LABELS, file_name, labels_of, left_out_of, write_labels
from timepro_lit.inference.listener import Listener, events_of
from timepro_lit.inference.queries import Queries, Query, matched, read_queries
from timepro_lit.inference.searching import passed_over, recordings_below
from timepro_lit.inference.windowing import Windowing, check_asked, heard_pieces
from timepro_lit.records import Answer, Event
from timepro_lit.tasks.base import ScoredTask, Task, scored
from timepro_lit.tasks.merged import said_in
from timepro_lit.tasks.sound_events import SoundEventDetection

PREDICTIONS, LEFT_OUT = "predictions.jsonl", "left_out.jsonl"
PART, FIGURES = "predictions.part", "figures"
"""What was answered so far, as `inference.journal` keeps it; gone once all was."""
Submit = Callable[[Sequence[tuple[int | str, Answer]]], str]
"""Takes all answers, each with what its question is called, and says where it left them."""


def recordings(path: Path) -> list[Path]:
    """The file itself, or all that is called like one below a folder. Raises ValueError where there is none."""
    if path.is_dir():
        found = recordings_below(path)
        if not found:
            suffixes = ", ".join((*AUDIO_SUFFIXES, *MEDIA_SUFFIXES))
            raise ValueError(f"audio: no file below {path} ends in {suffixes}")
        return found
    if not path.exists():
        raise FileNotFoundError(f"audio: {path} does not exist")
    return [path]


def check_heard(
    files: Sequence[Path],
    frontend: Frontend,
    windowing: Windowing,
    task: ScoredTask | None = None,
    voting: Voting | None = None,
) -> None:
    """Raises AudioError where none of the recordings can be heard, which needs no weights to be known.

    Nor, where it is given, be asked this task.
    """
    faults = []
    for file in files:
        try:
            piece = next(heard_pieces(file, frontend, windowing))
            if task is not None:
                check_asked(str(file), piece, task, voting)
            return
        except (AudioError, OSError) as error:
            faults.append(str(error))
    raise AudioError(_none_of(faults))


def asked_task(tasks: Mapping[str, Task], name: str, classes: Sequence[str]) -> ScoredTask:
    """The task of a model that is asked, for `classes` of its own choice where some are given.

    Raises ValueError for a task that the model does not answer, or that takes no classes.
    """
    answered = scored(tasks)
    if name not in answered:
        raise ValueError(f"the model answers {', '.join(sorted(answered))}, not {name}")
    task = answered[name]
    if not classes:
        return task
    if not isinstance(task, SoundEventDetection):
        raise ValueError(f"classes: task={name} does not ask for any")
    return SoundEventDetection(classes, name)


def queries_of(task: ScoredTask, query: str | None, file: Path | None) -> Sequence[str | None] | Queries:
    """What each recording is asked for: one query, those of a file, or [None] where none belongs.

    Raises ValueError where the task asks for a query and there is none, or there is one and it does not, and as
    `read_queries`.
    """
    if not task.takes_query:
        if query is not None or file is not None:
            key = "query" if file is None else "queries"
            raise ValueError(f"{key}: task={task.name} asks for none")
        return [None]
    if (query is None) == (file is None):
        raise ValueError(f'task={task.name} needs a query: give either query="..." or queries=FILE, one query a line')
    if file is None:
        if query is None or not query.strip():
            raise ValueError("query: needs words")
        return [query.strip()]
    return read_queries(file)


def new_answers(output_dir: Path) -> Path:
    """The file of the answers. Raises FileExistsError rather than write it over, or beside labels of others."""
    path = output_dir / PREDICTIONS
    theirs = [] if (output_dir / PART).exists() else [output_dir / LABELS, output_dir / FIGURES]
    for earlier in (path, *theirs):
        if earlier.exists():
            said = "is of earlier answers; choose another folder, or remove this one"
            raise FileExistsError(f"output_dir: {earlier} {said}")
    return path


def predict(
    listener: Listener,
    audio: Path,
    task: ScoredTask,
    queries: Sequence[str | None] | Queries,
    output_dir: Path,
    figures: bool,
    formats: Mapping[str, Format] | None = None,
    voting: Voting | None = None,
    submit: Submit | None = None,
    windowing: Windowing | None = None,
    call: str = "",
) -> str:
    """Ask about every recording; write predictions.jsonl and, if asked to, figures/ and labels/; returns the table.

    Each recording is asked all `queries`, or its own. One batch of clips is held at a time: a recording that is longer
    than the model hears at once is heard in windows, as `windowing` says. A recording that cannot be read is left out,
    named in the table and in left_out.jsonl. Called again after it was killed, with the same `call`, this goes on
    behind what was answered. Raises AudioError where no recording is left, FileExistsError rather than write over
    earlier answers, ValueError where another process is at work in the folder.
    """
    files, root = recordings(audio), audio if audio.is_dir() else audio.parent
    path, part = new_answers(output_dir), output_dir / PART
    asked_of, unasked = _asked(queries, files)
    asking = Asking(listener, task, asked_of, root, windowing or listener.windowing(), voting)
    with held(output_dir):
        new_answers(output_dir)  # of a process that was at work here until now
        with journal(part, call, task, voting is not None) as kept:
            asking.ask(kept)
            answers = asking.answers(kept)
        faults = asking.faults
        if not answers:
            part.unlink()
            raise AudioError(_none_of(list(faults.values())))
        _write_left_out(output_dir / LEFT_OUT, faults)
        if figures:
            _draw(listener, answers, root, output_dir / FIGURES)
        labelled = _label(answers, formats or {}, output_dir / LABELS)
        submitted = submit(_with_qids(answers, asked_of)) if submit else ""
        with replacing(path) as rows:  # last: the answers that are there say that all is there
            rows.writelines(_line(_record(answer, voting)) for answer in answers)
        part.unlink()
    counted = table(answers, faults, len(asked_of), path, path.with_name(LEFT_OUT), voting)
    told = counted + labelled + submitted + unasked
    return told + (passed_over(audio) if audio.is_dir() else "")


def _asked(
    queries: Sequence[str | None] | Queries, files: Sequence[Path]
) -> tuple[Mapping[Path, Sequence[Query]], str]:
    if isinstance(queries, Mapping):
        return matched(files, queries)
    return {file: [Query(query) for query in queries] for file in files}, ""


def _with_qids(answers: Sequence[Answer], asked_of: Mapping[Path, Sequence[Query]]) -> list[tuple[int | str, Answer]]:
    """What each question was called; where that is nothing, its number."""
    qids = {str(one.qid): one.qid for queries in asked_of.values() for one in queries if one.qid is not None}
    return [(qids.get(answer.example.id, number), answer) for number, answer in enumerate(answers, start=1)]


def _write_left_out(path: Path, faults: Mapping[str, str]) -> None:
    path.unlink(missing_ok=True)  # of a call that got no further
    if faults:
        with replacing(path) as lines:
            lines.writelines(_line({"audio": name, "why": why}) for name, why in faults.items())


def _line(record: Mapping[str, Any]) -> bytes:
    r"""As JSON; of a name that is not UTF-8, a byte ff stands as \udcff, as Python calls such a file."""
    return (json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def _none_of(faults: Sequence[str]) -> str:
    return faults[0] if len(faults) == 1 else f"none of {len(faults)} recordings can be read, {faults[0]}"


def _record(answer: Answer, voting: Voting | None) -> dict[str, Any]:
    example, prediction = answer.example, answer.prediction
    return {
        **({"qid": example.id} if example.id else {}),
        "audio": example.audio,
        "task": example.task,
        "query": example.query,
        "duration_s": round(example.duration_s, 3),
        "events": [cells(event) for event in events_of(answer)],
        "readable": prediction.readable,
        "truncated": answer.truncated,
        "text": answer.text if voting is None and not answer.windows else None,
        **({} if voting is None else {"vote": asdict(voting), **_sure(answer)}),
        **({} if voting is None or answer.windows else _votes(answer)),
        **({"windows": [_window(window) for window in answer.windows]} if answer.windows else {}),
    }


def _window(answer: Answer) -> dict[str, Any]:
    """What was said of a window, in its own time."""
    return {
        "start_s": answer.example.start_s,
        "duration_s": round(answer.example.duration_s, 3),
        "events": [cells(event) for event in events_of(answer)],
        "readable": answer.prediction.readable,
        "truncated": answer.truncated,
        "text": None if answer.voters else answer.text,
        **({**_sure(answer), **_votes(answer)} if answer.voters else {}),
    }


def _sure(answer: Answer) -> dict[str, Any]:
    """How sure a vote is of each event, and of any at all."""
    scores = [event.score for event in events_of(answer)]
    return {"scores": scores, "presence": answer.prediction.presence}


def _votes(answer: Answer) -> dict[str, Any]:
    """Who said what."""
    return {
        "voters": [
            {
                "text": voter.text,
                "truncated": voter.truncated,
                "readable": voter.prediction.readable,
                "events": [cells(event) for event in voter.prediction.events],
            }
            for voter in answer.voters
        ],
    }


def cells(event: Event) -> list[Any]:
    """Onset, offset and label; a fourth says what is wrong with the event, where something is."""
    times = [time if math.isfinite(time) else None for time in (event.onset, event.offset)]
    return [*times, event.label, *([] if event.flag is None else [event.flag])]


def _draw(listener: Listener, answers: Sequence[Answer], root: Path, folder: Path) -> None:
    """One picture a recording, with a timeline for each question about it; of a long one a page to scroll through."""
    by_audio: dict[str, list[Answer]] = {}
    for answer in answers:
        by_audio.setdefault(answer.example.audio, []).append(answer)
    for name, of_audio in track(by_audio.items(), "drawing"):
        if of_audio[0].windows:
            page = recording_page(_clip(name, of_audio, listener.tasks, root / name))
            write_atomically(folder / file_name(name, ".html"), page)
            continue
        timelines = {answer.example.query or answer.example.task: events_of(answer) for answer in of_audio}
        figure = clip_figure(listener.waveform(root / name), timelines, name)
        with replacing(folder / file_name(name, ".png")) as file:
            figure.savefig(file, dpi=150, format="png")


def _clip(name: str, answers: Sequence[Answer], tasks: Mapping[str, ScoredTask], file: Path) -> Clip:
    """A long recording and what was answered about it, as a page shows them."""
    duration_s = answers[0].example.duration_s
    questions = []
    for number, answer in enumerate(answers):
        task = tasks[answer.example.task]
        look = ShownTask(task.title, "", task.classes, number, task.takes_query)
        said = "\n\n".join(f"{w.example.start_s:.2f} s: {text}" for w in answer.windows for text, _ in said_in(w))
        shown = ShownAnswer("Answer", said, answer.prediction.readable, events_of(answer), {})
        questions.append(ShownQuestion(look, answer.example.query, answer.prompt, None, (shown,)))
    return Clip(name, duration_s, tuple(questions), mel=long_log_mel(blocks_of(str(file)), duration_s))


def _label(answers: Sequence[Answer], formats: Mapping[str, Format], folder: Path) -> str:
    """Write label files; what is said of them."""
    if not formats:
        return ""
    labels = labels_of(answers)
    write_labels(labels, formats, folder)
    left_out = left_out_of(labels, formats)
    return (f"{left_out} (predictions.jsonl has them)\n" if left_out else "") + f"labels: {folder}\n"
