"""A trained model put to use: recordings in, events with their times out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor

from timepro_lit.data.audio import AudioError, read_place
from timepro_lit.data.collate import Frontend
from timepro_lit.data.hearing import CollateHearing, same_clip
from timepro_lit.data.streaming import Piece
from timepro_lit.data.waveforms import mono_waveform
from timepro_lit.events.delivery import delivered
from timepro_lit.events.merging import AGREE
from timepro_lit.events.voting import Voting, voting_of
from timepro_lit.files.fragments import with_fragment
from timepro_lit.files.visible_text import visible
from timepro_lit.inference.answering import answer_batch, drawn_by, questions_in_a_row
from timepro_lit.inference.question import Caption, Detect, Ground, Occurrences, Question
from timepro_lit.inference.windowing import Windowing, check_asked, heard_pieces, whole_answer, windowing_of
from timepro_lit.lalm.base import LALM
from timepro_lit.records import Answer, Event, Example, Sample
from timepro_lit.tasks.base import ScoredTask, Task, scored
from timepro_lit.tasks.sound_events import SoundEventDetection

log = logging.getLogger(__name__)

_TOLERANCE_S = 0.1
Samples = Tensor | np.ndarray | Sequence[float]
Audio = str | Path | Samples | tuple[Samples, int]
"""A file; or samples, as `mono_waveform` takes them: of any sampling rate where that is said, or in a pair with it."""


def hear(
    audio: Audio, frontend: Frontend, sampling_rate: int | None = None, max_duration_s: float | None = None
) -> Tensor:
    """(num_samples,) float32 at the sampling rate of a model. Samples come at `sampling_rate`; None = the model's.

    A file may be named with the stretch of it that is meant, `street.wav#t=30,60` (`files.fragments`).
    It lasts at most `max_duration_s`; None = what the model hears at once.
    Raises AudioError for a file that cannot be read, for samples that are none, and for what is too long or too short.
    """
    to_rate = frontend.sampling_rate
    max_duration_s = frontend.max_duration_s if max_duration_s is None else max_duration_s
    if isinstance(audio, str | Path):
        if sampling_rate is not None:
            raise ValueError(f"sampling_rate: {audio} says its own")
        waveform, name = read_place(str(audio), to_rate, max_duration_s), str(audio)
    else:
        waveform, name = mono_waveform(audio, sampling_rate, to_rate, max_duration_s), "array"
    if frontend.num_frames(len(waveform)) < 1:
        raise AudioError(f"{name}: {len(waveform)} samples at {to_rate} Hz are too short to be heard", "empty")
    return waveform


def events_of(answer: Answer) -> tuple[Event, ...]:
    """An answer's events as a user gets them: cut to the recording, those that make no sense with a flag."""
    return delivered(answer.prediction.events, round(answer.example.duration_s, 3))


class How(TypedDict, total=False):
    """As `Listener.ask` takes them."""

    sampling_rate: int | None
    vote: int | None
    vote_temperature: float
    seed: int
    window_s: float | None
    hop_s: float | None
    merge_iou: float


class Listener:
    """A model with the tasks it was trained on, asked about one recording at a time or about many in batches.

    A batch is `batch_size` recordings with up to 16 questions about each; one that is asked more counts several times.
    `autocast` is the precision of the run's trainer: bfloat16, or None for the weights' own. `longest_s` is how long
    the recordings were that it was trained on, None where that is not known; the first longer one is warned of. Raises
    ValueError for a `batch_size` below 1.
    """

    def __init__(
        self,
        lalm: LALM,
        tasks: Mapping[str, Task],
        autocast: torch.dtype | None,
        device: str,
        batch_size: int = 8,
        longest_s: float | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size: must be at least 1, not {batch_size}")
        self.lalm = lalm.to(device).eval()
        self.tasks = scored(tasks)
        self.autocast = autocast
        self.device = device
        self.batch_size = batch_size
        self.longest_s = self.trained_s = longest_s

    def ask(
        self,
        audio: Audio,
        questions: Iterable[Question],
        *,
        sampling_rate: int | None = None,
        vote: int | None = None,
        vote_temperature: float = 1.0,
        seed: int = 0,
        window_s: float | None = None,
        hop_s: float | None = None,
        merge_iou: float = AGREE,
    ) -> list[tuple[Event, ...]]:
        """The events that answer each question about one recording, which is heard once for all of them.

        Of samples, `sampling_rate` is in Hz; None = the model's.
        Events are cut to the recording; `Event.flag` names those that lie outside it or end before they begin.
        With `vote`, so many answers are sampled at `vote_temperature`, by `seed`: the events are what most of them
        hold, `Event.score` is the share that does (`events.voting.vote`). None = the greedy answer, without scores.
        A recording that is longer than the model hears at once, or than `window_s`, is heard in windows of `window_s`
        seconds, one every `hop_s`, whose events are put together (`events.merging`), those of two windows from
        `merge_iou` on; None = as long as what the model was trained on, and half of that. `Event.score` is then what
        the windows gave it in the mean, of greedy answers the share that holds it. One occurrence takes votes.
        """
        voting, windowing = voting_of(vote, vote_temperature, seed), self.windowing(window_s, hop_s, merge_iou)
        names, own = _named(questions := list(questions))
        asked, length_s = self.tasks | own, 0.0

        def samples() -> Iterator[Sample]:
            nonlocal length_s
            for piece in heard_pieces(audio, self.lalm.frontend, windowing, sampling_rate):
                length_s = piece.recording_s or 0.0
                for name, question in zip(names, questions, strict=True):
                    sample = self.question_about(piece, question.task, question.query)
                    check_asked("the recording", piece, asked[name], voting)
                    yield sample if name not in own else _renamed(sample, name)

        answers = list(self.answers(samples(), own, voting))
        return [
            events_of(whole_answer(answers[n :: len(names)], "", length_s, asked[name], merge_iou))
            for n, name in enumerate(names)
        ]

    def ground(
        self, audio: Audio, query: str, *, occurrences: Occurrences = "one", **how: Unpack[How]
    ) -> tuple[Event, ...]:
        """What `ask` answers to a `Ground`, and `how`; several queries take less time together, by `ask`."""
        return self.ask(audio, [Ground(query, occurrences)], **how)[0]

    def detect(self, audio: Audio, classes: Sequence[str] | None = None, **how: Unpack[How]) -> tuple[Event, ...]:
        """What `ask` answers to a `Detect`."""
        return self.ask(audio, [Detect(classes)], **how)[0]

    def caption(self, audio: Audio, **how: Unpack[How]) -> tuple[Event, ...]:
        """What `ask` answers to a `Caption`."""
        return self.ask(audio, [Caption()], **how)[0]

    def waveform(self, audio: Audio, sampling_rate: int | None = None, max_duration_s: float | None = None) -> Tensor:
        """(num_samples,) float32 at the model's sampling rate, as `hear` makes it."""
        return hear(audio, self.lalm.frontend, sampling_rate, max_duration_s)

    def question(self, task: str, waveform: Tensor, query: str | None = None, audio: str = "", id_: str = "") -> Sample:
        """A sample that asks `task` about a waveform. Raises ValueError for a task that the model does not know."""
        if task not in self.tasks:
            raise ValueError(f"the model answers {', '.join(sorted(self.tasks))}, not {task}")
        duration_s = len(waveform) / self.lalm.frontend.sampling_rate
        if self.longest_s is not None and duration_s > self.longest_s + _TOLERANCE_S:
            log.warning(
                f"{visible(audio) or 'the recording'} is {duration_s:.1f} s long, and the model was trained on "
                f"recordings of up to {self.longest_s:.1f} s: times beyond that are guesses (said once)"
            )
            self.longest_s = None
        return Sample(Example(id_, task, audio, duration_s, events=(), query=query), waveform)

    def windowing(
        self, window_s: float | None = None, hop_s: float | None = None, merge_iou: float = AGREE
    ) -> Windowing:
        """How recordings that are longer than the model hears at once, or than `window_s`, are cut into windows."""
        return windowing_of(window_s, hop_s, self.trained_s, self.lalm.frontend.max_duration_s, merge_iou)

    def pieces(self, audio: Audio, windowing: Windowing, first: int = 0) -> Iterator[Piece]:
        """A file as it is heard: in one piece, or in windows, from the number `first` on."""
        return heard_pieces(audio, self.lalm.frontend, windowing, first=first)

    def question_about(
        self, piece: Piece, task: str, query: str | None = None, audio: str = "", id_: str = ""
    ) -> Sample:
        """As `question`, about a recording or about a window of it, which has a name of its own among the windows."""
        sample = self.question(task, piece.waveform, query, audio, id_)
        if piece.is_whole:
            return sample
        own = with_fragment(id_ or f"{query or task}", piece.start_s, sample.example.duration_s)
        return Sample(replace(sample.example, id=own, start_s=piece.start_s), piece.waveform)

    def answers(
        self,
        questions: Iterable[Sample],
        tasks: Mapping[str, ScoredTask] | None = None,
        voting: Voting | None = None,
    ) -> Iterator[Answer]:
        """Greedy answers, or votes, in the order of the questions; those that follow upon each other share a hearing.

        They do where they are about one clip, by their waveforms.
        """
        return chain.from_iterable(self.batches(questions, tasks, voting))

    def batches(
        self,
        questions: Iterable[Sample],
        tasks: Mapping[str, ScoredTask] | None = None,
        voting: Voting | None = None,
    ) -> Iterator[list[Answer]]:
        """The same, as many at a time as are decoded together."""
        asked = self.tasks | dict(tasks or {})
        collate = CollateHearing(self.lalm.frontend, asked)
        for part in in_batches(questions, self.batch_size, questions_in_a_row(voting)):
            hearing = collate(part).to(self.device)
            with self.precision():
                yield answer_batch(self.lalm, asked, hearing, voting=voting)

    def precision(self) -> Any:
        kind = torch.device(self.device).type
        return nullcontext() if self.autocast is None else torch.autocast(kind, dtype=self.autocast)


def in_batches(questions: Iterable[Sample], num_rows: int, width: int) -> Iterator[list[Sample]]:
    """The questions in their order, as many at a time as fill `num_rows`, each with at most `width` about one clip."""
    batch: list[Sample] = []
    rows = in_row = 0
    for question in questions:
        if batch and in_row < width and same_clip(batch[-1], question):
            in_row += 1
        else:
            if rows == num_rows:
                yield batch
                batch, rows = [], 0
            rows, in_row = rows + 1, 1
        batch.append(question)
    if batch:
        yield batch


def _renamed(sample: Sample, task: str) -> Sample:
    """The same question by another name of its task; its votes are drawn as before."""
    return replace(sample, example=replace(sample.example, id=drawn_by(sample.example), task=task))


def _named(questions: Sequence[Question]) -> tuple[list[str], dict[str, ScoredTask]]:
    """What the task of each question is called, and tasks of classes of their own: others may have other ones."""
    names, own = [], {}
    for number, question in enumerate(questions):
        if not isinstance(question, Ground | Detect | Caption):
            raise ValueError(f"questions: takes Ground, Detect and Caption, not {question!r}")
        names.append(question.task)
        if isinstance(question, Detect) and question.classes is not None:
            names[-1] = f"{question.task} {number}"
            own[names[-1]] = SoundEventDetection(question.classes)
    return names, own
