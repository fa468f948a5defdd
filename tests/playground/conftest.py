"""A model that says what it is told to, for what the page does with answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from timepro_lit.events.voting import Voting
from timepro_lit.inference.listener import Listener
from timepro_lit.playground.asking import Model
from timepro_lit.records import Answer, Event, Prediction, Sample
from timepro_lit.tasks.base import ScoredTask
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding


class Parrot(Listener):
    """Says the same about every recording; hears as a model does."""

    def __init__(self, said: tuple[Event, ...], readable: bool) -> None:
        frontend = SimpleNamespace(sampling_rate=16_000, max_duration_s=30.0, num_frames=lambda n: n // 640)
        self.lalm = SimpleNamespace(frontend=frontend)
        self.tasks = {"ag": Grounding(), "dac": DenseCaptioning()}
        self.longest_s = self.trained_s = None
        self.said, self.readable = said, readable

    def answers(
        self,
        questions: Iterable[Sample],
        tasks: Mapping[str, ScoredTask] | None = None,
        voting: Voting | None = None,
    ) -> Iterator[Answer]:
        for sample in questions:
            said = Prediction(self.said, self.readable, presence=None if voting is None else 1.0)
            yield Answer(sample.example, "", "as said", said, truncated=False)


@pytest.fixture
def parrot() -> Callable[..., Model]:
    def of(*said: Event, name: str = "parrot", readable: bool = True, longest_s: float | None = None) -> Model:
        return Model(name, Parrot(said, readable), longest_s)

    return of


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds: a quiet one, then a loud one."""
    path = tmp_path / "street.wav"
    samples = np.concatenate([np.full(16_000, 0.1), np.full(16_000, 0.5)])
    soundfile.write(path, samples * np.sign(np.sin(np.arange(32_000))), 16_000)
    return path
