"""The batches of one process, as a DataLoader asks for them: training for a whole stage, and evaluation.

They are decided by seed, rank and number of processes alone, never by the number of workers, and dealt to the processes
here, so the Trainer's own distributed sampler stays off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Sampler

from timepro_lit.data.dataset import Clips
from timepro_lit.data.division import Division
from timepro_lit.data.global_batches import GlobalBatches


class TrainingBatches(Sampler[list[int]]):
    """All micro-batches that one process takes in a stage, epoch after epoch; exact resume under a StatefulDataLoader.

    Every optimiser step has `num_micro_batches` of them on every process; where a step or a process needs fewer, the
    last ones are empty.

    Args:
        steps: the rows of each step of an epoch.
        division: how they become micro-batches.
        num_steps: optimiser steps of the stage; an epoch is begun again as often as they need.
        rank, world_size: of this process.
        times: optimiser steps in a row that take the same rows.

    Raises ValueError for more processes than rows in a step.
    """

    def __init__(
        self,
        steps: GlobalBatches,
        division: Division,
        num_steps: int,
        rank: int = 0,
        world_size: int = 1,
        times: int = 1,
    ) -> None:
        if world_size > steps.batch_size:
            raise ValueError(
                f"{steps.batch_size} rows to a step (batch_size) cannot be shared by {world_size} processes: "
                f"take at most {steps.batch_size}"
            )
        self.steps = steps
        self.division = division
        self.num_steps = num_steps
        self.rank, self.world_size = rank, world_size
        self.times = times
        self.num_micro_batches = division.num_micro_batches(steps, world_size)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in which every row has come, each of them `times` times."""
        return len(self.steps) * self.times

    def __len__(self) -> int:
        return self.num_steps * self.num_micro_batches

    def __iter__(self) -> TrainingPass:
        return TrainingPass(self)

    def micro_batches(self, rows: np.ndarray) -> list[list[int]]:
        """Those of this process in a step of these rows."""
        mine = self.division(rows, self.world_size, self.num_micro_batches)[self.rank]
        return [part.tolist() for part in mine] + [[]] * (self.num_micro_batches - len(mine))


class TrainingPass(Iterator[list[int]]):
    """One pass through `TrainingBatches`, and how far it has got: the loader's state in a checkpoint."""

    def __init__(self, source: TrainingBatches) -> None:
        self.source = source
        self.num_read = 0
        self._epoch: tuple[int, list[np.ndarray]] = (-1, [])
        self._step: tuple[int, list[list[int]]] = (-1, [])

    def __next__(self) -> list[int]:
        if self.num_read == len(self.source):
            raise StopIteration
        step, place = divmod(self.num_read, self.source.num_micro_batches)
        self.num_read += 1
        return self._micro_batches(step)[place]

    def _micro_batches(self, step: int) -> list[list[int]]:
        if step != self._step[0]:
            epoch, place = divmod(step // self.source.times, len(self.source.steps))
            if epoch != self._epoch[0]:
                self._epoch = epoch, self.source.steps.epoch(epoch)
            self._step = step, self.source.micro_batches(self._epoch[1][place])
        return self._step[1]

    def state_dict(self) -> dict[str, Any]:
        """Batches read, and what the order depends on."""
        return {"num_read": self.num_read, **self._order()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where the state was taken. Raises ValueError where the order would be another one."""
        for name, value in self._order().items():
            if state.get(name) != value:
                raise ValueError(f"cannot resume within a stage: {name} was {state.get(name)} and is now {value}")
        self.num_read = state["num_read"]

    def _order(self) -> dict[str, int]:
        source = self.source
        return {
            "num_examples": len(source.steps.lengths),
            "batch_size": source.steps.batch_size,
            "seed": source.steps.seed,
            "times": source.times,
            "world_size": source.world_size,
            "num_micro_batches": source.num_micro_batches,
        }


class EvaluationBatches(Sampler[list[int]]):
    """Fixed batches, longest examples first; over all processes every example comes exactly once.

    Examples of one clip stand side by side in one batch, as far as `batch_size` of them fit into it. Every process has
    equally many batches, empty ones where there are too few examples, and about equally many examples.

    `clip_of` is equal where two examples have one clip, None where no two have. Raises ValueError for a size below 1.
    """

    def __init__(
        self,
        lengths: Sequence[float] | np.ndarray,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        clip_of: np.ndarray | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, it must be at least 1")
        parts = _of_one_clip(np.asarray(lengths, dtype=np.float64), batch_size, clip_of)
        dealt: list[list[list[int]]] = [[[]] for _ in range(world_size)]
        counts = [0] * world_size
        for part in parts:
            place = counts.index(min(counts))
            counts[place] += len(part)
            batches = dealt[place]
            if len(batches[-1]) + len(part) > batch_size:
                batches.append([])
            batches[-1] += part
        num_batches = max(map(len, dealt))
        self.batches = dealt[rank] + [[]] * (num_batches - len(dealt[rank]))

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)


def _of_one_clip(lengths: np.ndarray, at_most: int, clip_of: np.ndarray | None) -> list[list[int]]:
    """The examples of each clip, `at_most` to a part, the longest clips first."""
    clips = Clips(np.arange(len(lengths)) if clip_of is None else clip_of)
    parts = []
    for clip in np.argsort(-lengths[clips.firsts], kind="stable"):
        of_clip = clips[clip]
        parts += [of_clip[start : start + at_most] for start in range(0, len(of_clip), at_most)]
    return parts
