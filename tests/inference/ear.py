"""A listener without a model, who hears exactly where a clip is loud."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import soundfile
import torch

from timepro_lit.events.voting import Voting
from timepro_lit.inference.listener import Listener
from timepro_lit.records import Answer, Event, Sample, Voter
from timepro_lit.tasks.base import ScoredTask
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.voted import voted

FRONTEND = SimpleNamespace(sampling_rate=16_000, max_duration_s=4.0, num_frames=lambda num_samples: num_samples // 640)


class Ear(Listener):
    """Hears at most 4 s at once. `lasts` is after how many answers it breaks down; None = never."""

    def __init__(self, batch_size: int = 8, lasts: int | None = None, longest_s: float | None = None) -> None:
        lalm = SimpleNamespace(frontend=FRONTEND)
        lalm.to = lalm.eval = lambda *_: lalm
        tasks = {"moments": Grounding("moments", "any"), "ag": Grounding()}
        super().__init__(lalm, tasks, None, "cpu", batch_size, longest_s)
        self.lasts = lasts
        self.asked: list[tuple[str, float, float]] = []
        """(recording, start, length) of all that it was asked about."""

    def batches(
        self,
        questions: Iterable[Sample],
        tasks: Mapping[str, ScoredTask] | None = None,
        voting: Voting | None = None,
    ) -> Iterator[list[Answer]]:
        left = iter(questions)
        while part := list(islice(left, self.batch_size)):
            yield [self._answer(sample, self.tasks | dict(tasks or {}), voting) for sample in part]

    def _answer(self, sample: Sample, tasks: Mapping[str, ScoredTask], voting: Voting | None) -> Answer:
        example = sample.example
        if self.lasts is not None and len(self.asked) >= self.lasts:
            raise KeyboardInterrupt
        self.asked.append((example.audio, example.start_s, example.duration_s))
        task = tasks[example.task]
        text = task.target(replace(example, events=loud(sample.waveform) or self._guess(task)))
        if voting is None:
            return Answer(example, task.prompt(example), text, task.parse(text), truncated=False)
        said = Voter(text, task.parse(text), truncated=False)
        silent = Voter("{}", task.parse("{}"), truncated=False)
        return voted(example, task, "", (said, said if loud(sample.waveform) else silent))

    def _guess(self, task: ScoredTask) -> tuple[Event, ...]:
        return (Event(0.5, 1.0, ""),) if task.name == "ag" else ()


def loud(waveform: torch.Tensor) -> tuple[Event, ...]:
    """Where a waveform is loud, in hundredths of a second."""
    is_loud = torch.nn.functional.max_pool1d(waveform.abs()[None], 160, 160, ceil_mode=True)[0] > 0.2
    edges = torch.nn.functional.pad(is_loud, (1, 1)).int().diff().nonzero().squeeze(1).reshape(-1, 2)
    end_s = len(waveform) / 16_000
    return tuple(Event(a / 100, min(b / 100, round(end_s, 2)), "") for a, b in edges.tolist())


def record(path: Path, duration_s: float, events: list[tuple[float, float]], rate: int = 16_000) -> None:
    """A quiet recording that is loud here and there."""
    samples = np.full(round(duration_s * rate), 0.01)
    for onset, offset in events:
        samples[round(onset * rate) : round(offset * rate)] = 0.5
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)
