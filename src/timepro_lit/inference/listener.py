"""A trained model put to use: recordings in, events with their times out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timepro_lit.data.audio import AudioError, read_audio
from timepro_lit.data.collate import Collate
from timepro_lit.inference.answering import answer_batch
from timepro_lit.lalm.base import LALM
from timepro_lit.records import Answer, Event, Example, Sample
from timepro_lit.tasks.base import ScoredTask, Task, scored
from timepro_lit.tasks.sound_events import SoundEventDetection

Audio = str | Path | Tensor | np.ndarray
"""A file, or mono float32 samples within [-1, 1] at the model's sampling rate."""


class Listener:
    """A model with the tasks it was trained on, asked one recording at a time or many in batches.

    `autocast` is the precision of the run's trainer: bfloat16, or None for the weights' own.
    """

    def __init__(
        self, lalm: LALM, tasks: Mapping[str, Task], autocast: torch.dtype | None, device: str, batch_size: int = 8
    ) -> None:
        self.lalm = lalm.to(device).eval()
        self.tasks = scored(tasks)
        self.autocast = autocast
        self.device = device
        self.batch_size = batch_size

    def ground(self, audio: Audio, query: str) -> tuple[Event, ...]:
        """When the described sound happens."""
        return self._one("ag", audio, query)

    def detect(self, audio: Audio, classes: Sequence[str] | None = None) -> tuple[Event, ...]:
        """All events of `classes`; of those the model was trained on, where None are given."""
        return self._one("sed", audio, None, {} if classes is None else {"sed": SoundEventDetection(classes)})

    def caption(self, audio: Audio) -> tuple[Event, ...]:
        """Every event with a description."""
        return self._one("dac", audio, None)

    def waveform(self, audio: Audio) -> Tensor:
        """(num_samples,) float32 at the model's sampling rate.

        Raises AudioError for a file that cannot be read or is too long or too short, ValueError for samples that are.
        """
        frontend = self.lalm.frontend
        if isinstance(audio, str | Path):
            waveform = read_audio(audio, frontend.sampling_rate, frontend.max_duration_s)
            if frontend.num_frames(len(waveform)) < 1:
                raise AudioError(f"{audio}: {len(waveform)} samples are too short to be heard", "empty")
            return waveform
        samples = torch.as_tensor(audio, dtype=torch.float32)
        if samples.ndim != 1 or not 0 < len(samples) <= frontend.max_duration_s * frontend.sampling_rate:
            raise ValueError(
                f"samples must be mono, (num_samples,), and last at most {frontend.max_duration_s:g} s at "
                f"{frontend.sampling_rate} Hz, got {tuple(samples.shape)}"
            )
        if frontend.num_frames(len(samples)) < 1:
            raise ValueError(f"{len(samples)} samples are too short to be heard")
        return samples

    def question(self, task: str, waveform: Tensor, query: str | None = None, audio: str = "", id_: str = "") -> Sample:
        """A sample that asks `task` about a waveform. Raises ValueError for a task that the model does not know."""
        if task not in self.tasks:
            raise ValueError(f"the model answers {', '.join(sorted(self.tasks))}, not {task}")
        duration_s = len(waveform) / self.lalm.frontend.sampling_rate
        return Sample(Example(id_, task, audio, duration_s, events=(), query=query), waveform)

    def answers(self, questions: Iterable[Sample], tasks: Mapping[str, ScoredTask] | None = None) -> Iterator[Answer]:
        """Greedy answers in the order of the questions, which are taken `batch_size` at a time."""
        asked = self.tasks | dict(tasks or {})
        collate = Collate(self.lalm.frontend, asked)
        left = iter(questions)
        while part := list(islice(left, self.batch_size)):
            batch = collate(part).to(self.device)
            with self._precision():
                yield from answer_batch(self.lalm, asked, batch)

    def _one(
        self, task: str, audio: Audio, query: str | None, tasks: Mapping[str, ScoredTask] | None = None
    ) -> tuple[Event, ...]:
        (answer,) = self.answers([self.question(task, self.waveform(audio), query)], tasks)
        return answer.prediction.events

    def _precision(self) -> Any:
        kind = torch.device(self.device).type
        return nullcontext() if self.autocast is None else torch.autocast(kind, dtype=self.autocast)
