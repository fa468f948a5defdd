"""The training batches of a stage, from its examples: which rows there are, what each costs, how they are divided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from timepro_lit.data.collate import Frontend
from timepro_lit.data.costs import Costs, num_frames
from timepro_lit.data.dataset import Clips
from timepro_lit.data.division import ByRows, ByTokens
from timepro_lit.data.global_batches import GlobalBatches, limit_per_task
from timepro_lit.data.sampler import TrainingBatches
from timepro_lit.records import Example

if TYPE_CHECKING:
    from timepro_lit.tasks.base import Task

Rows = Literal["prompt", "question", "clip"]
"""What a row of a training batch holds: see `Stage.rows`."""


class Examples(Protocol):
    """What an `ExampleTable` says of its examples, each array in their order."""

    @property
    def durations_s(self) -> np.ndarray: ...

    @property
    def tasks(self) -> np.ndarray: ...

    @property
    def ids(self) -> np.ndarray: ...

    @property
    def clips(self) -> np.ndarray: ...

    @property
    def text_lengths(self) -> np.ndarray: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Example: ...

    def select(self, places: np.ndarray) -> Any: ...


@dataclass(frozen=True)
class Drawing:
    """How a stage draws its batches; the fields are those of `Stage`."""

    rows: Rows
    batch_size: int
    num_steps: int | None
    num_epochs: int | None
    micro_batch_size: int | None
    micro_batch_tokens: int | None
    times: int = 1
    """Steps in a row that take the same rows."""


def limited(examples: Any, tasks: Iterable[str], examples_per_task: int | None, seed: int) -> Any:
    """So many examples of each task, drawn with the seed; None takes all. Raises ValueError where there are fewer."""
    if examples_per_task is None:
        return examples
    for name in tasks:
        available = int((examples.tasks == name).sum())
        if available < examples_per_task:
            raise ValueError(f"examples_per_task is {examples_per_task}, but {name!r} has {available} examples")
    return examples.select(limit_per_task(examples.ids, examples.tasks, examples_per_task, seed))


def no_longer(examples: Any, tasks: Iterable[str], max_duration_s: float | None) -> Any:
    """The examples whose clips last at most so long; None takes all. Raises ValueError where a task has none."""
    if max_duration_s is None:
        return examples
    short = examples.durations_s <= max_duration_s
    for name in tasks:
        if not short[examples.tasks == name].any():
            raise ValueError(f"max_duration_s is {max_duration_s:g}, and no example of {name!r} is that short")
    return examples.select(np.flatnonzero(short))


def training_batches(
    examples: Examples,
    frontend: Frontend,
    tasks: Mapping[str, Task],
    drawing: Drawing,
    seed: int,
    weights: Mapping[str, float] | None = None,
    rank: int = 0,
    world_size: int = 1,
) -> tuple[TrainingBatches, Clips]:
    """Those of one process, and the examples of each row.

    Steps end after `num_steps` or `num_epochs`, whichever is less, None = no limit. Raises ValueError where the rows
    cannot be shared by so many processes, and for weights of tasks that are asked together.
    """
    clips = Clips(examples.clips if drawing.rows == "clip" else np.arange(len(examples)))
    if weights is not None and (examples.tasks != examples.tasks[clips.firsts][clips.clip_of]).any():
        raise ValueError(
            "data.weights gives each task its share, and all questions about a clip are one row here: set rows=question"
        )
    # Answers do not count in what is mixed: they would bring questions with long ones together.
    lengths = num_frames(frontend, examples.durations_s)[clips.firsts]
    division: ByRows | ByTokens = ByRows(lengths, drawing.micro_batch_size or drawing.batch_size)
    if drawing.micro_batch_tokens is not None:
        costs = Costs(frontend, tasks, examples, with_answers=drawing.rows != "prompt")
        division = ByTokens(costs.of_rows(clips), drawing.micro_batch_tokens)
    steps = GlobalBatches(lengths, examples.tasks[clips.firsts], drawing.batch_size, seed, weights)
    of_epochs = None if drawing.num_epochs is None else drawing.num_epochs * len(steps) * drawing.times
    limits: Sequence[int | None] = (drawing.num_steps, of_epochs)
    until = min((limit for limit in limits if limit is not None), default=len(steps) * drawing.times)
    return TrainingBatches(steps, division, until, rank, world_size, drawing.times), clips
