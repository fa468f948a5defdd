"""Which rows each optimiser step learns from: a function of seed and epoch, whatever the number of processes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

POOL_SIZE = 16
"""Steps whose rows are exchanged within their task until each step's clips are about equally long."""


class GlobalBatches:
    """The rows of each step of an epoch: exactly `batch_size`, but for the last step, which takes what remains.

    Which step asks how often which task is a random draw from the data's own mix. Only then do rows of one task change
    places within a pool of steps, so that clips of similar length meet: that saves padding, and leaves the mix alone.

    Args:
        lengths: (num_rows,) of the clips, in any unit.
        tasks: (num_rows,) task of each row.
        batch_size: rows to an optimiser step, over all processes.
        seed: any integer from 0.
        weights: share of each task in an epoch of unchanged size. A task is then repeated, or a part of it drawn
            anew each epoch. None takes every row once.

    Raises ValueError for a batch size below 1, no rows, and weights that do not fit the tasks.
    """

    def __init__(
        self,
        lengths: Sequence[float] | np.ndarray,
        tasks: Sequence[str] | np.ndarray,
        batch_size: int,
        seed: int,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, it must be at least 1")
        if not len(lengths):
            raise ValueError("there are no training examples")
        self.lengths = np.asarray(lengths, dtype=np.float64)
        self.batch_size = batch_size
        self.seed = seed
        names = np.asarray(tasks, dtype=object)
        self._members = {name: np.flatnonzero(names == name) for name in sorted(set(tasks))}
        self._task_of = np.zeros(len(names), dtype=np.int64)
        for place, members in enumerate(self._members.values()):
            self._task_of[members] = place
        self._counts = {name: len(members) for name, members in self._members.items()}
        if weights is not None:
            self._counts = apportion(len(self.lengths), weights, tasks=self._counts)

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    @property
    def most_often(self) -> np.ndarray:
        """(num_rows,) how often a row may come in one epoch, at most."""
        times = np.zeros(len(self.lengths), dtype=np.int64)
        for name, members in self._members.items():
            times[members] = -(-self._counts[name] // len(members))
        return times

    def epoch(self, epoch: int) -> list[np.ndarray]:
        """The rows of each step."""
        rng = np.random.default_rng((self.seed, epoch))
        order = rng.permutation(self._draw(rng))
        num_pooled = len(order) - len(order) % self.batch_size
        steps: list[np.ndarray] = []
        for start in range(0, num_pooled, self.batch_size * POOL_SIZE):
            pool = order[start : min(start + self.batch_size * POOL_SIZE, num_pooled)]
            steps += list(self._by_length_within_tasks(pool).reshape(-1, self.batch_size))
        steps = [steps[place] for place in rng.permutation(len(steps))]
        return [*steps, order[num_pooled:]] if num_pooled < len(order) else steps

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        """The epoch's rows, grouped by task: whole passes over a task, then a random part of it."""
        parts = []
        for name, members in self._members.items():
            passes, rest = divmod(self._counts[name], len(members))
            parts += [np.tile(members, passes), rng.permutation(members)[:rest]]
        return np.concatenate(parts)

    def _by_length_within_tasks(self, rows: np.ndarray) -> np.ndarray:
        """The same rows, those of each task by length in the places of that task.

        Where a row is repeated, all second copies follow all first ones, lest a step ask one question twice.
        """
        ordered = np.empty_like(rows)
        for task in range(len(self._members)):
            places = np.flatnonzero(self._task_of[rows] == task)
            members = rows[places]
            ordered[places] = members[np.lexsort((self.lengths[members], _copies(members)))]
        return ordered


def _copies(rows: np.ndarray) -> np.ndarray:
    """(n,) how often each row has come before.

    >>> _copies(np.array([5, 3, 5, 5])).tolist()
    [0, 0, 1, 2]
    """
    by_row = np.argsort(rows, kind="stable")
    copies = np.empty_like(rows)
    copies[by_row] = np.arange(len(rows)) - np.searchsorted(rows[by_row], rows[by_row])
    return copies


def apportion(total: int, weights: Mapping[str, float], tasks: Mapping[str, int]) -> dict[str, int]:
    """Split `total` examples among the tasks in proportion to their weights, by largest remainder.

    >>> apportion(10, {"ag": 2, "sed": 1}, tasks={"ag": 5, "sed": 5})
    {'ag': 7, 'sed': 3}
    """
    if weights.keys() != tasks.keys():
        raise ValueError(f"weights are given for {sorted(weights)}, the training examples are of {sorted(tasks)}")
    for name, weight in weights.items():
        if not 0 < weight < float("inf"):
            raise ValueError(f"weights.{name} is {weight}, it must be above 0; leave a task out to train without it")
    exact = {name: total * weights[name] / sum(weights.values()) for name in tasks}
    counts = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: total - sum(counts.values())]:
        counts[name] += 1
    return counts


def limit_per_task(
    ids: Sequence[str] | np.ndarray, tasks: Sequence[str] | np.ndarray, limit: int, seed: int
) -> np.ndarray:
    """Places of at most `limit` examples of each task, ascending, chosen by a hash of seed and id.

    The choice for one task depends on no other task, and a smaller limit chooses a part of a larger one's choice.
    """
    of_task: dict[str, list[int]] = {}
    for place, task in enumerate(tasks):
        of_task.setdefault(task, []).append(place)

    def rank(place: int) -> bytes:
        return hashlib.sha256(f"{seed}:{ids[place]}".encode()).digest()

    return np.array(sorted(place for places in of_task.values() for place in sorted(places, key=rank)[:limit]))
