"""What the page does, without the page: a clip and a question in, a picture, rows, sounds and label files out."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from timepro_lit.data.audio import AudioError
from timepro_lit.events.labels import FORMATS, Labels, label_of
from timepro_lit.events.voting import Voting
from timepro_lit.figures.timeline import clip_figure
from timepro_lit.files.visible_text import visible
from timepro_lit.inference.labelling import labels_of, write_labels
from timepro_lit.inference.listener import Listener
from timepro_lit.inference.windowing import whole_answer
from timepro_lit.records import Answer, Event
from timepro_lit.tasks.base import ScoredTask
from timepro_lit.tasks.grounding import takes_one_event

COLUMNS = ("start", "end", "sound", "note")
"""Of the table, in seconds."""
VOTES = 8
"""On each window of a long recording, where a task is always answered by one event: they tell which is right."""
_QUERY_CHARS = 300
_CELL_CHARS = 400


@dataclass(frozen=True)
class Model:
    """One that can be asked."""

    name: str
    listener: Listener
    longest_s: float | None
    """How long the recordings were that it was trained on; None = not known."""


@dataclass(frozen=True)
class Limits:
    """What is taken."""

    max_seconds: float
    """Of a recording; of more than a model hears at once, windows are heard."""
    max_queries: int


@dataclass(frozen=True)
class Asked:
    """A model's answers about a clip."""

    waveform: Tensor
    """(n,) float32 in [-1, 1]."""
    sampling_rate: int
    title: str
    """Of the task, in words."""
    labels: Labels
    notes: tuple[str, ...]
    """Sentences for whoever asked."""


def model_names(asked: Sequence[tuple[str, str | None]]) -> list[str]:
    """What models are called on the page, each given as a folder and a row: by the folder's name where that will do.

    >>> model_names([("outputs/demo", None), ("outputs/demo", "sft")])
    ['demo', 'demo, sft']
    >>> model_names([("a/demo", None), ("b/demo", None)])
    ['a/demo', 'b/demo']
    """
    names = [_named(Path(folder).resolve().name, row) for folder, row in asked]
    return names if len(set(names)) == len(names) else [_named(folder, row) for folder, row in asked]


def queries_in(task: ScoredTask, text: str, max_queries: int) -> list[str | None]:
    """One query a line, each once; [None] where the task asks for none. Raises ValueError for none, or too many."""
    if not task.takes_query:
        return [None]
    lines = list(dict.fromkeys(" ".join(line.split()) for line in (text or "").splitlines() if line.strip()))
    if not lines:
        raise ValueError("Write what to listen for, one sound a line.")
    if len(lines) > max_queries:
        raise ValueError(f"At most {max_queries} queries are asked at once, not {len(lines)}.")
    if max(map(len, lines)) > _QUERY_CHARS:
        raise ValueError(f"A query has at most {_QUERY_CHARS} characters.")
    return [*lines]


def ask(model: Model, task: str, path: Path | None, text: str, limits: Limits) -> Asked:
    """Answers to every query about a recording.

    Raises ValueError or OSError, with a sentence for whoever asked, where there is none or it cannot be used.
    """
    if path is None:
        raise ValueError("Choose a recording, or record one.")
    listener = model.listener
    if task not in listener.tasks:
        raise ValueError(f"This model answers {', '.join(sorted(listener.tasks))}, not {visible(str(task), 40)}.")
    queries = queries_in(listener.tasks[task], text, limits.max_queries)
    try:
        waveform = listener.waveform(path, max_duration_s=limits.max_seconds)
    except AudioError as error:
        if error.kind != "too_long":
            raise
        raise ValueError(f"{path.name} is longer than the {limits.max_seconds:g} s that are taken here.") from None
    answers, remark = _answers(model, task, waveform, path.name, queries)
    (labels,) = labels_of(answers)
    notes = [_unreadable(answer.query) for answer in labels.answers if not answer.readable]
    rate = listener.lalm.frontend.sampling_rate
    return Asked(waveform, rate, listener.tasks[task].title, labels, (*notes, *remark))


def _answers(
    model: Model, task: str, waveform: Tensor, name: str, queries: Sequence[str | None]
) -> tuple[list[Answer], list[str]]:
    """One to each query, and what should be known of how the recording was heard, in sentences."""
    listener, asked = model.listener, model.listener.tasks[task]
    windowing = listener.windowing()
    pieces = [*listener.pieces(waveform, windowing)]
    voting = Voting(VOTES) if len(pieces) > 1 and takes_one_event(asked) else None
    questions = [listener.question_about(piece, task, query, audio=name) for piece in pieces for query in queries]
    said = list(listener.answers(questions, voting=voting))
    duration_s = len(waveform) / listener.lalm.frontend.sampling_rate
    answers = [whole_answer(said[n :: len(queries)], "", duration_s, asked) for n in range(len(queries))]
    if len(pieces) > 1:
        votes, cut = f", each by {VOTES} votes" if voting else "", windowing.cut
        return answers, [f"Heard in {len(pieces)} windows of {cut.window_s:g} s, one every {cut.hop_s:g} s{votes}."]
    if model.longest_s is not None and duration_s > model.longest_s + 0.1:
        return answers, [f"It was trained on clips of up to {model.longest_s:.1f} s: times beyond that are guesses."]
    return answers, []


def sentence(error: Exception, path: Path | None) -> str:
    """An error in words, the recording called by its name and not by where its copy lies."""
    said = str(error) if path is None else str(error).replace(str(path), path.name)
    return visible(" ".join(said.split()), 500)


def rows(asked: Asked) -> list[list[str]]:
    """A row of `COLUMNS` for each event, and one for each answer without any."""
    return [row for row, _ in _rows(asked)]


def segment(asked: Asked, row: int) -> tuple[int, NDArray[np.int16]]:
    """Sampling rate and samples of the event in a row. Raises ValueError where the row has none that can be heard."""
    events = [event for _, event in _rows(asked)]
    event = events[row] if 0 <= row < len(events) else None
    if event is None or event.flag is not None:
        raise ValueError("There is nothing to hear in this row: it holds no time within the recording.")
    start, end = int(event.onset * asked.sampling_rate), round(event.offset * asked.sampling_rate)
    samples = asked.waveform[start : max(end, start + 1)].clamp(-1, 1)
    return asked.sampling_rate, (samples * 32767).numpy().astype(np.int16)


def write_files(asked: Asked, folder: Path) -> list[Path]:
    """The picture, then labels in every format, in a new folder below `folder`."""
    own = Path(tempfile.mkdtemp(dir=folder))
    timelines = {answered.query or asked.title: answered.events for answered in asked.labels.answers}
    picture = own / "timeline.png"
    clip_figure(asked.waveform, timelines, asked.labels.audio).savefig(picture, dpi=150)
    return [picture, *write_labels([asked.labels], FORMATS, own)]


def heard_text(asked: Asked, row: int) -> str:
    """What the player of a segment is called."""
    onset, offset, sound, _ = rows(asked)[row]
    return f"{onset} to {offset} s: {sound}"


def _rows(asked: Asked) -> list[tuple[list[str], Event | None]]:
    found: list[tuple[list[str], Event | None]] = []
    for answered in asked.labels.answers:
        for event in answered.events:
            times = [f"{event.onset:.2f}", f"{event.offset:.2f}"]
            found.append(([*times, _shown(label_of(answered, event)), event.flag or ""], event))
        if not answered.events:
            note = "not heard" if answered.query is not None else "nothing heard"
            found.append((["", "", _shown(answered.query or ""), note if answered.readable else "unreadable"], None))
    return found


def _unreadable(query: str | None) -> str:
    return "The answer could not be read." if query is None else f"The answer to “{query}” could not be read."


def _shown(text: str) -> str:
    return " ".join(visible(text, _CELL_CHARS).split())


def notes_of(named: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Sentences about the models, on lines; what is not said of all has the model's name.

    >>> notes_of([("one", ["Too long.", "Unread."]), ("two", ["Too long."])])
    'Too long.\\none: Unread.'
    """
    of_all = [note for note in named[0][1] if all(note in notes for _, notes in named)]
    return "\n".join([*of_all, *(f"{name}: {note}" for name, notes in named for note in notes if note not in of_all)])


def _named(name: str, row: str | None) -> str:
    return visible(name if row is None else f"{name}, {row}", 100)
