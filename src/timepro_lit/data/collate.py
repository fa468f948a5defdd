"""Samples -> `Batch`: mel features, prompts padded on the left, reference answers padded on the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from timepro_lit.records import Batch, Sample

if TYPE_CHECKING:
    from timepro_lit.tasks.base import Task


class Frontend(Protocol):
    """What collation needs of a backbone: its tokenizer and mel front end, without weights, and picklable."""

    sampling_rate: int
    """In Hz."""
    max_duration_s: float
    """Longest clip that the model hears and can be prompted about, in seconds."""
    pad_id: int

    def num_frames(self, num_samples: int) -> int:
        """Audio frames that the encoder makes of a waveform of `num_samples`."""
        ...

    def features(self, waveforms: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """B float32 waveforms -> (B, M, T) float32 features and their (B, T) bool mask."""
        ...

    def prompt_ids(self, prompt: str, num_frames: int) -> list[int]:
        """The chat prompt around `num_frames` audio placeholders and their timestamps."""
        ...

    def answer_ids(self, text: str) -> list[int]:
        """An answer with its end-of-turn token."""
        ...


class Collate:
    """Callable for a DataLoader: samples -> `Batch`. Runs in worker processes.

    Raises ValueError where a sample is of a task that is not in `tasks`, or too short for a single audio frame.
    """

    def __init__(self, frontend: Frontend, tasks: Mapping[str, Task]) -> None:
        self.frontend = frontend
        self.tasks = tasks

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        prompts, answers = [], []
        for sample in samples:
            example = sample.example
            if example.task not in self.tasks:
                raise ValueError(f"example {example.id!r} is of task {example.task!r}, not of {sorted(self.tasks)}")
            task = self.tasks[example.task]
            num_frames = self.frontend.num_frames(len(sample.waveform))
            if num_frames < 1:
                raise ValueError(f"example {example.id!r} is too short: {len(sample.waveform)} samples make no frame")
            prompts.append(self.frontend.prompt_ids(task.prompt(example), num_frames))
            answers.append(self.frontend.answer_ids(task.target(example)))
        features, feature_mask = self.frontend.features([sample.waveform.numpy() for sample in samples])
        prompt_ids, prompt_mask = pad(prompts, self.frontend.pad_id, side="left")
        answer_ids, answer_mask = pad(answers, self.frontend.pad_id, side="right")
        return Batch(
            examples=tuple(sample.example for sample in samples),
            features=features,
            feature_mask=feature_mask,
            prompt_ids=prompt_ids,
            prompt_mask=prompt_mask,
            answer_ids=answer_ids,
            answer_mask=answer_mask,
        )


def pad(rows: Sequence[Sequence[int]], pad_id: int, side: Literal["left", "right"]) -> tuple[Tensor, Tensor]:
    """Rows of token ids -> (B, L) int64 ids and (B, L) bool mask, padded on one side.

    >>> pad([[1, 2], [3]], pad_id=0, side="left")[0].tolist()
    [[1, 2], [0, 3]]
    """
    length = max(len(row) for row in rows)
    ids = torch.full((len(rows), length), pad_id, dtype=torch.int64)
    mask = torch.zeros(len(rows), length, dtype=torch.bool)
    for i, row in enumerate(rows):
        columns = slice(length - len(row), length) if side == "left" else slice(0, len(row))
        ids[i, columns] = torch.tensor(row, dtype=torch.int64)
        mask[i, columns] = True
    return ids, mask
