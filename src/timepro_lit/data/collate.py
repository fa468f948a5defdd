"""Samples -> `Batch`, prompts to be answered; or -> `Interviews`, prompts with their reference answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from timepro_lit.records import Batch, Interviews, Sample, Skipped

if TYPE_CHECKING:
    from timepro_lit.tasks.base import Task


ROW_MULTIPLE = 64
"""Token rows are padded to a multiple of this. With a length of its own for every batch, the kernels and memory blocks
kept for later use fit no later batch, and a process grows to several times what it needs."""
BUDGET_MULTIPLE = 16
"""The same for batches by a token budget, whose rows are hundreds of tokens long: finer, because it is padding too."""


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

    Where every sample was skipped, the batch is empty. Raises ValueError where a sample is of a task that is not in
    `tasks`, or too short for a single audio frame.
    """

    def __init__(self, frontend: Frontend, tasks: Mapping[str, Task], multiple: int = ROW_MULTIPLE) -> None:
        self.frontend = frontend
        self.tasks = tasks
        self.multiple = multiple

    def __call__(self, loaded: Sequence[Sample | Skipped]) -> Batch:
        samples = [one for one in loaded if isinstance(one, Sample)]
        skipped = tuple(one for one in loaded if isinstance(one, Skipped))
        if not samples:
            return Batch((), *_nothing(), *_nothing(), skipped)
        prompts = [question(sample, self.frontend, self.tasks) for sample in samples]
        features, feature_mask = self.frontend.features([sample.waveform.numpy() for sample in samples])
        prompt_ids, prompt_mask = pad(prompts, self.frontend.pad_id, "left", self.multiple)
        return Batch(
            examples=tuple(sample.example for sample in samples),
            features=features,
            feature_mask=feature_mask,
            prompt_ids=prompt_ids,
            prompt_mask=prompt_mask,
            skipped=skipped,
        )


class CollateInterviews:
    """Callable for a DataLoader: clips, each as its samples, which share one waveform -> `Interviews`.

    Raises ValueError as `Collate` does.
    """

    def __init__(self, frontend: Frontend, tasks: Mapping[str, Task], multiple: int = ROW_MULTIPLE) -> None:
        self.frontend = frontend
        self.tasks = tasks
        self.multiple = multiple

    def __call__(self, loaded: Sequence[Sequence[Sample] | Skipped]) -> Interviews:
        clips = [one for one in loaded if not isinstance(one, Skipped)]
        skipped = tuple(one for one in loaded if isinstance(one, Skipped))
        if not clips:
            return Interviews((), *_nothing(), *_nothing(), *_nothing(), skipped)
        rows = [interview([dialogue(sample, self.frontend, self.tasks) for sample in samples]) for samples in clips]
        features, feature_mask = self.frontend.features([samples[0].waveform.numpy() for samples in clips])
        ids, branch, depth, is_answer = (
            pad([row[column] for row in rows], filler, "right", self.multiple)[0]
            for column, filler in enumerate((self.frontend.pad_id, -1, 0, 0))
        )
        examples = tuple(tuple(sample.example for sample in samples) for samples in clips)
        return Interviews(examples, features, feature_mask, ids, branch, depth, is_answer.bool(), skipped)


def _nothing() -> tuple[Tensor, Tensor]:
    return torch.zeros(0, 0), torch.zeros(0, 0, dtype=torch.bool)


def question(sample: Sample, frontend: Frontend, tasks: Mapping[str, Task]) -> list[int]:
    """Token ids of a sample's prompt, audio placeholders included."""
    example = sample.example
    if example.task not in tasks:
        raise ValueError(f"example {example.id!r} is of task {example.task!r}, not of {sorted(tasks)}")
    num_frames = frontend.num_frames(len(sample.waveform))
    if num_frames < 1:
        raise ValueError(f"example {example.id!r} is too short: {len(sample.waveform)} samples make no frame")
    return frontend.prompt_ids(tasks[example.task].prompt(example), num_frames)


def dialogue(sample: Sample, frontend: Frontend, tasks: Mapping[str, Task]) -> tuple[list[int], list[int]]:
    """Token ids of a sample's prompt and of its reference answer."""
    prompt = question(sample, frontend, tasks)
    return prompt, frontend.answer_ids(tasks[sample.example.task].target(sample.example))


def interview(dialogues: Sequence[tuple[list[int], list[int]]]) -> tuple[list[int], list[int], list[int], list[int]]:
    """One row of ids, branches, depths and is_answer (0 or 1), as in `Interviews`, from (prompt, answer) pairs.

    The shared part is as long as the prompts agree, but leaves each a token of its own to predict its answer from.

    >>> interview([([7, 7, 1], [4]), ([7, 7, 2], [5, 6])])
    ([7, 7, 1, 4, 2, 5, 6], [0, 0, 1, 1, 2, 2, 2], [0, 1, 0, 1, 0, 1, 2], [0, 0, 0, 1, 0, 1, 1])
    """
    end = num_shared([prompt for prompt, _ in dialogues])
    ids, branch = dialogues[0][0][:end], [0] * end
    depth, is_answer = list(range(end)), [0] * end
    for question, (prompt, answer) in enumerate(dialogues, start=1):
        own = prompt[end:]
        ids += own + answer
        branch += [question] * (len(own) + len(answer))
        depth += range(len(own) + len(answer))
        is_answer += [0] * len(own) + [1] * len(answer)
    return ids, branch, depth, is_answer


def num_shared(prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with alike, short of the last token of any.

    >>> num_shared([[7, 7, 1], [7, 7, 2, 3]]), num_shared([[7, 7, 1]])
    (2, 2)
    """
    columns = zip(*(prompt[:-1] for prompt in prompts), strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def pad(
    rows: Sequence[Sequence[int]], pad_id: int, side: Literal["left", "right"], multiple: int = 1
) -> tuple[Tensor, Tensor]:
    """Rows of token ids -> (B, L) int64 ids and (B, L) bool mask, padded on one side to a multiple of `multiple`.

    >>> pad([[1, 2], [3]], pad_id=0, side="left", multiple=3)[0].tolist()
    [[0, 1, 2], [0, 0, 3]]
    """
    length = -(-max(len(row) for row in rows) // multiple) * multiple
    ids = torch.full((len(rows), length), pad_id, dtype=torch.int64)
    mask = torch.zeros(len(rows), length, dtype=torch.bool)
    for i, row in enumerate(rows):
        columns = slice(length - len(row), length) if side == "left" else slice(0, len(row))
        ids[i, columns] = torch.tensor(row, dtype=torch.int64)
        mask[i, columns] = True
    return ids, mask
