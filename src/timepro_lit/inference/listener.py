"""A trained model put to use: recordings in, events with their times out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from timepro_lit.data.audio import AudioError, decode_window, open_audio, read_audio
from timepro_lit.data.collate import Collate, Frontend
from timepro_lit.data.streaming import Piece
from timepro_lit.data.waveforms import check_length, mono_waveform
from timepro_lit.events.delivery import delivered
from timepro_lit.events.voting import Voting, voting_of
from timepro_lit.files.fragments import with_fragment, without_fragment
from timepro_lit.files.visible_text import visible
from timepro_lit.inference.answering import answer_batch
from timepro_lit.inference.windowing import Windowing, check_asked, heard_pieces, windowing_of
from timepro_lit.lalm.base import LALM
from timepro_lit.records import Answer, Event, Example, Sample
from timepro_lit.tasks.base import ScoredTask, Task, scored
from timepro_lit.tasks.merged import merged
from timepro_lit.tasks.sound_events import SoundEventDetection

log = logging.getLogger(__name__)

_TOLERANCE_S = 0.1
Samples = Tensor | np.ndarray | Sequence[float]
Audio = str | Path | Samples | tuple[Samples, int]
"""A file; or samples, as `mono_waveform` takes them: of any sampling rate where that is said, or in a pair with it."""


def hear(audio: Audio, frontend: Frontend, sampling_rate: int | None = None) -> Tensor:
    """(num_samples,) float32 at the sampling rate of a model. Samples come at `sampling_rate`; None = the model's.

    A file may be named with the stretch of it that is meant, `street.wav#t=30,60` (`files.fragments`).
    Raises AudioError for a file that cannot be read, for samples that are none, and for what is too long or too short.
    """
    to_rate, max_duration_s = frontend.sampling_rate, frontend.max_duration_s
    if isinstance(audio, str | Path):
        if sampling_rate is not None:
            raise ValueError(f"sampling_rate: {audio} says its own")
        waveform, name = _read(str(audio), to_rate, max_duration_s), str(audio)
    else:
        waveform, name = mono_waveform(audio, sampling_rate, to_rate, max_duration_s), "array"
    if frontend.num_frames(len(waveform)) < 1:
        raise AudioError(f"{name}: {len(waveform)} samples at {to_rate} Hz are too short to be heard", "empty")
    return waveform


def _read(audio: str, sampling_rate: int, max_duration_s: float) -> Tensor:
    path, window = (audio, None) if Path(audio).exists() else without_fragment(audio)
    if window is None:
        return read_audio(audio, sampling_rate, max_duration_s)
    start_s, length_s = window[0], window[1] - window[0]
    check_length(audio, length_s, max_duration_s)
    with open_audio(path) as stream:
        return decode_window(stream, audio, sampling_rate, start_s, length_s)


def events_of(answer: Answer) -> tuple[Event, ...]:
    """An answer's events as a user gets them: cut to the recording, those that make no sense with a flag."""
    return delivered(answer.prediction.events, round(answer.example.duration_s, 3))


class Listener:
    """A model with the tasks it was trained on, asked one recording at a time or many in batches.

    `autocast` is the precision of the run's trainer: bfloat16, or None for the weights' own. `longest_s` is how long
    the recordings were that it was trained on, None where that is not known; the first longer one is warned of.
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
        self.lalm = lalm.to(device).eval()
        self.tasks = scored(tasks)
        self.autocast = autocast
        self.device = device
        self.batch_size = batch_size
        self.longest_s = self.trained_s = longest_s

    def ground(
        self,
        audio: Audio,
        query: str,
        *,
        occurrences: Literal["one", "any"] = "one",
        sampling_rate: int | None = None,
        vote: int | None = None,
        temperature: float = 1.0,
        seed: int = 0,
        window_s: float | None = None,
        hop_s: float | None = None,
    ) -> tuple[Event, ...]:
        """When the described sound happens; with `any` occurrences, each time that it does, if at all.

        Of samples, `sampling_rate` is in Hz; None = the model's.
        Events are cut to the recording; `Event.flag` names those that lie outside it or end before they begin.
        With `vote`, so many answers are sampled at `temperature`, by `seed`: the events are what most of them hold,
        `Event.score` is the share that does (`events.voting.vote`). None = the greedy answer, without scores.
        A recording that is longer than the model hears at once, or than `window_s`, is heard in windows of `window_s`
        seconds, one every `hop_s`, whose events are put together (`events.merging`); None = as long as what the model
        was trained on, and half of that. For `one` occurrence that takes votes.
        """
        task, asked = "ag" if occurrences == "one" else "moments", (audio, sampling_rate)
        return self._events(task, query, asked, voting_of(vote, temperature, seed), self.windowing(window_s, hop_s))

    def detect(
        self,
        audio: Audio,
        classes: Sequence[str] | None = None,
        *,
        sampling_rate: int | None = None,
        vote: int | None = None,
        temperature: float = 1.0,
        seed: int = 0,
        window_s: float | None = None,
        hop_s: float | None = None,
    ) -> tuple[Event, ...]:
        """All events of `classes`; of those the model was trained on, where None are given. The rest is as `ground`."""
        own = {} if classes is None else {"sed": SoundEventDetection(classes)}
        asked, windowing = (audio, sampling_rate), self.windowing(window_s, hop_s)
        return self._events("sed", None, asked, voting_of(vote, temperature, seed), windowing, own)

    def caption(
        self,
        audio: Audio,
        *,
        sampling_rate: int | None = None,
        vote: int | None = None,
        temperature: float = 1.0,
        seed: int = 0,
        window_s: float | None = None,
        hop_s: float | None = None,
    ) -> tuple[Event, ...]:
        """Every event with a description. The rest is as `ground`."""
        asked, windowing = (audio, sampling_rate), self.windowing(window_s, hop_s)
        return self._events("dac", None, asked, voting_of(vote, temperature, seed), windowing)

    def waveform(self, audio: Audio, sampling_rate: int | None = None) -> Tensor:
        """(num_samples,) float32 at the model's sampling rate, as `hear` makes it."""
        return hear(audio, self.lalm.frontend, sampling_rate)

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

    def windowing(self, window_s: float | None = None, hop_s: float | None = None) -> Windowing:
        """How recordings that are longer than the model hears at once, or than `window_s`, are cut into windows."""
        return windowing_of(window_s, hop_s, self.trained_s, self.lalm.frontend.max_duration_s)

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
        own = with_fragment(id_ or f"{audio} {query or task}", piece.start_s, sample.example.duration_s)
        return Sample(replace(sample.example, id=own, start_s=piece.start_s), piece.waveform)

    def answers(
        self,
        questions: Iterable[Sample],
        tasks: Mapping[str, ScoredTask] | None = None,
        voting: Voting | None = None,
    ) -> Iterator[Answer]:
        """Greedy answers, or votes, in the order of the questions, which are taken `batch_size` at a time."""
        asked = self.tasks | dict(tasks or {})
        collate = Collate(self.lalm.frontend, asked)
        left = iter(questions)
        while part := list(islice(left, self.batch_size)):
            batch = collate(part).to(self.device)
            with self.precision():
                yield from answer_batch(self.lalm, asked, batch, voting=voting)

    def _events(
        self,
        task: str,
        query: str | None,
        audio: tuple[Audio, int | None],
        voting: Voting | None,
        windowing: Windowing,
        tasks: Mapping[str, ScoredTask] | None = None,
    ) -> tuple[Event, ...]:
        """The events of one question about a recording, given with its sampling rate."""
        asked, length = self.tasks | dict(tasks or {}), [0.0]

        def questions() -> Iterator[Sample]:
            for piece in heard_pieces(audio[0], self.lalm.frontend, windowing, audio[1]):
                sample = self.question_about(piece, task, query)
                check_asked("the recording", piece, asked[task], voting)
                length[0] = piece.recording_s or 0.0
                yield sample

        answers = list(self.answers(questions(), tasks, voting))
        if len(answers) > 1:
            recording = Example("", task, "", length[0], events=(), query=query)
            answers = [merged(recording, asked[task], answers)]
        return events_of(answers[0])

    def precision(self) -> Any:
        kind = torch.device(self.device).type
        return nullcontext() if self.autocast is None else torch.autocast(kind, dtype=self.autocast)
