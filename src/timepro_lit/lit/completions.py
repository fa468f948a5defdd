"""What a dashboard shows of single answers: question, answer, reference, what it is worth, the sound and a picture."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from timepro_lit.data.dataset import ClipDataset
from timepro_lit.data.global_batches import limit_per_task
from timepro_lit.data.store import AudioStore
from timepro_lit.figures.player import smaller_wav
from timepro_lit.figures.timeline import clip_figure
from timepro_lit.metrics.suite import score
from timepro_lit.records import Answer, Event, Example, Sample
from timepro_lit.tasks.base import ScoredTask

ON_VALIDATION, ROLLOUTS, ON_TEST = "completions/val", "completions/rollouts", "completions/test"
"""What the tables are called."""
LONGEST_SHOWN_S = 60.0
"""A longer recording stands in a table without its sound and picture."""
MAX_AUDIO_BYTES = 250_000
"""Of a clip in a table; a longer one is sampled at a lower rate."""
TEXTS = ("id", "task", "query", "prompt", "answer", "reference")
_DPI = 80


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer, and what it is worth."""

    answer: Answer
    worth: Mapping[str, float | None]
    """By name: the score of the clip in percent, or parts of the reward and the advantage."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One row of a table."""

    texts: tuple[str, ...]
    """In the order of `TEXTS`."""
    worth: Mapping[str, float | None]
    audio: bytes | None
    """The clip as a WAV file; with the first of its answers alone, as the picture."""
    timeline: bytes | None
    """Spectrogram, reference and answers as a PNG file."""


def chosen(ids: Sequence[str] | np.ndarray, tasks: Sequence[str] | np.ndarray, limit: int) -> list[int]:
    """Places of at most `limit` examples of each task, ascending: the same ones whenever the examples are the same.

    >>> chosen(["a", "b", "c"], ["ag", "ag", "sed"], 1)
    [0, 2]
    """
    return [int(place) for place in limit_per_task(ids, tasks, limit, seed=0)]


def scored_alone(answers: Sequence[Answer], tasks: Mapping[str, ScoredTask]) -> list[Judged]:
    """Each answer with its own score."""
    judged = []
    for answer in answers:
        task = tasks[answer.example.task]
        [own] = score(task.metrics(), [(answer.prediction, answer.example)]).examples
        judged.append(Judged(answer, worth_of(own, task)))
    return judged


def worth_of(own: Mapping[str, float], task: ScoredTask) -> dict[str, float | None]:
    """Of an answer's scores the one that stands beside it."""
    return {"score": own.get(task.clip_score)}


def completions(
    judged: Sequence[Judged], tasks: Mapping[str, ScoredTask], sound: Callable[[Example], Tensor | None]
) -> list[Completion]:
    """The rows of a table; answers to one question stand together, and the first has its sound and its picture.

    Args:
        sound: the waveform of an example, (n,) float32, 16 kHz; None where it cannot be used.
    """
    of_example: dict[str, list[Judged]] = {}
    for one in judged:
        of_example.setdefault(one.answer.example.id, []).append(one)
    return [row for group in of_example.values() for row in _rows(group, tasks, sound)]


def _rows(
    group: Sequence[Judged], tasks: Mapping[str, ScoredTask], sound: Callable[[Example], Tensor | None]
) -> list[Completion]:
    example = group[0].answer.example
    waveform, audio, picture = sound(example), None, None
    if waveform is not None:
        audio = smaller_wav(waveform, MAX_AUDIO_BYTES)
        picture = _picture(waveform, example, group)
    reference = tasks[example.task].target(example)
    rows = []
    for place, one in enumerate(group):
        answer = one.answer
        texts = (example.id, example.task, example.query or "", answer.prompt, answer.text, reference)
        media = (audio, picture) if place == 0 else (None, None)
        rows.append(Completion(texts, one.worth, *media))
    return rows


def _picture(waveform: Tensor, example: Example, group: Sequence[Judged]) -> bytes:
    timelines: dict[str, Sequence[Event]] = {"reference": example.events}
    for number, one in enumerate(group, start=1):
        timelines["answer" if len(group) == 1 else f"answer {number}"] = one.answer.prediction.events
    content = io.BytesIO()
    clip_figure(waveform, timelines, example.query or "").savefig(content, format="png", dpi=_DPI)
    return content.getvalue()


def sound_in(store: AudioStore) -> Callable[[Example], Tensor | None]:
    """What reads the sound of an example."""

    def sound(example: Example) -> Tensor | None:
        if example.duration_s > LONGEST_SHOWN_S:
            return None
        sample = ClipDataset([example], store, max_duration_s=example.duration_s)[0]
        return sample.waveform if isinstance(sample, Sample) else None

    return sound


def table(
    rows: Sequence[Completion], audio: Callable[[bytes], Any], image: Callable[[bytes], Any]
) -> tuple[list[str], list[list[Any]]]:
    """Names of columns and rows of cells, as the libraries of dashboards take them.

    Args:
        audio, image: make a cell of a WAV file's and of a PNG file's content.
    """
    worth = list(dict.fromkeys(name for row in rows for name in row.worth))
    cells = [
        [
            *row.texts,
            *(row.worth.get(name) for name in worth),
            None if row.audio is None else audio(row.audio),
            None if row.timeline is None else image(row.timeline),
        ]
        for row in rows
    ]
    return [*TEXTS, *worth, "audio", "timeline"], cells


@contextmanager
def sound_files() -> Iterator[Callable[[bytes], Path]]:
    """What makes a WAV file of its content, the same one for the same sound; they last as long as the context."""
    with tempfile.TemporaryDirectory() as folder:

        def file(content: bytes) -> Path:
            path = Path(folder) / f"{hashlib.sha256(content).hexdigest()[:16]}.wav"
            path.write_bytes(content)
            return path

        yield file
