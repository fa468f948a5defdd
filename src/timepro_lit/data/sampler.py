"""Which examples form which batch: decided by seed and epoch alone, never by the number of workers.

Training batches are random and of similar length; evaluation batches are fixed. Both are dealt to the processes of a
distributed run here, so the Trainer's own distributed sampler stays off. `Shard` is asked when batches are first
needed, since a loader may be built before the processes know each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from torch.utils.data import Sampler

Shard = Callable[[], tuple[int, int]]
"""() -> (rank, world_size) of this process."""

POOL_SIZE = 16
"""Global batches that are sorted by length together: long enough to save padding, short enough to mix the tasks."""


class TrainingBatches(Sampler[list[int]]):
    """Batches of indices for one process, other ones each epoch; exact mid-epoch resume under a StatefulDataLoader.

    All processes get equally many batches and no example twice.

    By `batch_size`: `batch_size * world_size` examples make one global batch, the same ones however many processes
    share it. The last one is smaller; fewer than `world_size` examples that remain after it are left out in this epoch.

    By `max_tokens`: a batch holds as many examples of about one length as fit, padding included; one example that
    does not fit is a batch of its own. Batches that processes take at the same time are of similar length.

    Args:
        lengths: (num_examples,) cost of each example; similar ones share a batch. In tokens, for `max_tokens`.
        tasks: (num_examples,) task of each example.
        batch_size: examples per process and batch.
        seed: any integer from 0.
        weights: share of each task in an epoch of unchanged size. A task is then repeated, or a part of it drawn
            anew each epoch. None takes every example once.
        shard: rank and number of processes.
        max_tokens: tokens per process and batch; instead of `batch_size`.

    Raises ValueError for a batch size below 1, for weights that do not fit the tasks, and, once batches are asked for,
    for fewer examples than processes.
    """

    def __init__(
        self,
        lengths: Sequence[float] | np.ndarray,
        tasks: Sequence[str] | np.ndarray,
        batch_size: int | None,
        seed: int,
        weights: Mapping[str, float] | None = None,
        shard: Shard = lambda: (0, 1),
        max_tokens: int | None = None,
    ) -> None:
        if (batch_size is None) == (max_tokens is None):
            raise ValueError(f"give either batch_size or max_tokens, not {batch_size} and {max_tokens}")
        _check_batch_size(max_tokens if batch_size is None else batch_size)
        self.lengths = np.asarray(lengths, dtype=np.float64)
        self.batch_size = batch_size
        self.max_tokens = max_tokens
        self.seed = seed
        self.shard = shard
        self.epoch = 0
        self.window, self.times, self.only_whole = 1, 1, False
        self._num_batches: dict[int, int] = {}
        names = np.asarray(tasks, dtype=object)
        self._members = {name: np.flatnonzero(names == name) for name in sorted(set(tasks))}
        self._counts = {name: len(members) for name, members in self._members.items()}
        if weights is not None:
            self._counts = apportion(len(self.lengths), weights, tasks=self._counts)

    @property
    def sampler(self) -> TrainingBatches:
        """Itself: Lightning calls `set_epoch` on `batch_sampler.sampler`."""
        return self

    def repeat(self, window: int, times: int, only_whole: bool = False) -> None:
        """Bring every `window` batches `times` times over before the next ones.

        With `only_whole`, and always where a window comes several times, what fills no window is left out of an epoch.
        """
        self.window, self.times, self.only_whole = window, times, only_whole or times > 1

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration runs through."""
        self.epoch = epoch

    def __len__(self) -> int:
        num_batches = self._num_different()
        return num_batches // self.window * self.window * self.times if self.only_whole else num_batches

    def _num_different(self) -> int:
        _, world_size = self.shard()
        if self.batch_size is None:
            if world_size not in self._num_batches:
                self._num_batches[world_size] = len(self._global_batches_of_tokens(0, world_size))
            return self._num_batches[world_size]
        num_full, num_left = divmod(len(self.lengths), self.batch_size * world_size)
        if num_full == 0 and num_left < world_size:
            raise ValueError(f"{num_left} training examples cannot feed {world_size} processes")
        return num_full + (num_left >= world_size)

    def __iter__(self) -> TrainingEpoch:
        return TrainingEpoch(self, self.epoch)

    def batches(self, epoch: int) -> list[np.ndarray]:
        """This process's batches of an epoch, in order."""
        different = self._different(epoch)
        if not self.only_whole:
            return different
        windows = [different[i : i + self.window] for i in range(0, len(different), self.window)]
        return [batch for window in windows if len(window) == self.window for batch in window * self.times]

    def _different(self, epoch: int) -> list[np.ndarray]:
        rank, world_size = self.shard()
        if self.batch_size is None:
            rng = np.random.default_rng((self.seed, epoch, 1))
            of_ranks = self._global_batches_of_tokens(epoch, world_size)[: self._num_different()]
            return [of_ranks[i][rank] for i in rng.permutation(len(of_ranks))]
        rng = np.random.default_rng((self.seed, epoch))
        order = rng.permutation(self._draw(rng))
        size = self.batch_size * world_size
        num_shared = len(order) - len(order) % size
        global_batches: list[np.ndarray] = []
        for start in range(0, num_shared, size * POOL_SIZE):
            pool = order[start : min(start + size * POOL_SIZE, num_shared)]
            global_batches += list(self._by_length(pool).reshape(-1, size))
        shuffled = [global_batches[i] for i in rng.permutation(len(global_batches))]
        if len(order) - num_shared >= world_size:
            shuffled.append(self._by_length(order[num_shared:]))
        return [batch[rank::world_size] for batch in shuffled]

    def _global_batches_of_tokens(self, epoch: int, world_size: int) -> list[list[np.ndarray]]:
        """Batches of an epoch in order of length, `world_size` at a time; as many of them in every epoch."""
        rng = np.random.default_rng((self.seed, epoch))
        order = self._by_length(rng.permutation(self._draw(rng)))  # the shuffle stays among equal lengths
        if len(order) < world_size:
            raise ValueError(f"{len(order)} training examples cannot feed {world_size} processes")
        batches = [order[start:end] for start, end in pairwise(cuts(self.lengths[order], self.max_tokens or 0))]
        while len(batches) % world_size:
            largest = max(range(len(batches)), key=lambda i: len(batches[i]))
            batches[largest : largest + 1] = np.array_split(batches[largest], 2)
        return [batches[start : start + world_size] for start in range(0, len(batches), world_size)]

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        """The epoch's indices, grouped by task: whole passes over a task, then a random part of it."""
        parts = []
        for name, members in self._members.items():
            passes, rest = divmod(self._counts[name], len(members))
            parts += [np.tile(members, passes), rng.permutation(members)[:rest]]
        return np.concatenate(parts)

    def _by_length(self, indices: np.ndarray) -> np.ndarray:
        return indices[np.argsort(self.lengths[indices], kind="stable")]


def cuts(lengths: np.ndarray, max_tokens: int) -> list[int]:
    """Where to cut ascending lengths into parts of at most `max_tokens`, counting each as its longest.

    >>> cuts(np.array([1, 2, 2, 3, 9]), max_tokens=6)
    [0, 3, 4, 5]
    """
    places = [0]
    for place, length in enumerate(lengths.tolist()):
        if place > places[-1] and (place + 1 - places[-1]) * length > max_tokens:
            places.append(place)
    return [*places, len(lengths)]


class TrainingEpoch(Iterator[list[int]]):
    """One epoch of `TrainingBatches`, and how far it has been read: the loader's state in a checkpoint."""

    def __init__(self, source: TrainingBatches, epoch: int) -> None:
        self.source = source
        self.epoch = epoch
        self.num_read = 0
        self._batches = source.batches(epoch)

    def __next__(self) -> list[int]:
        if self.num_read == len(self._batches):
            raise StopIteration
        self.num_read += 1
        batch: list[int] = self._batches[self.num_read - 1].tolist()
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Epoch, batches read, and what the order depends on."""
        return {"epoch": self.epoch, "num_read": self.num_read, **self._order()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where the state was taken; a state at the end of an epoch continues with the next one.

        Raises ValueError where the order would be another one.
        """
        before = {"only_whole": state["times"] > 1} | state  # states of earlier versions do not say it
        for name, value in self._order().items():
            if before[name] != value:
                raise ValueError(f"cannot resume within an epoch: {name} was {before[name]} and is now {value}")
        self.epoch, self.num_read = state["epoch"], state["num_read"]
        self._batches = self.source.batches(self.epoch)
        if self.num_read == len(self._batches):
            self.epoch, self.num_read = self.epoch + 1, 0
            self._batches = self.source.batches(self.epoch)

    def _order(self) -> dict[str, int | None]:
        source = self.source
        return {
            "num_examples": len(source.lengths),
            "batch_size": source.batch_size,
            "max_tokens": source.max_tokens,
            "world_size": source.shard()[1],
            "seed": source.seed,
            "window": source.window,
            "times": source.times,
            "only_whole": source.only_whole,
        }


class EvaluationBatches(Sampler[list[int]]):
    """Fixed batches, longest examples first; over all processes every example comes exactly once.

    Equally many batches per process, but for `batch_size` 1, where the last process may have one less.
    Raises ValueError for fewer examples than processes: a process without a batch would leave the others waiting.
    """

    def __init__(self, lengths: Sequence[float] | np.ndarray, batch_size: int, shard: Shard = lambda: (0, 1)) -> None:
        _check_batch_size(batch_size)
        self.lengths = np.asarray(lengths, dtype=np.float64)
        self.batch_size = batch_size
        self.shard = shard

    def __len__(self) -> int:
        return len(self._batches())

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._batches())

    def _batches(self) -> list[list[int]]:
        rank, world_size = self.shard()
        num_examples = len(self.lengths)
        if num_examples < world_size:
            raise ValueError(f"{num_examples} evaluation examples cannot feed {world_size} processes")
        mine = np.argsort(-self.lengths, kind="stable")[rank::world_size]
        largest_share = -(-num_examples // world_size)
        num_batches = min(-(-largest_share // self.batch_size), len(mine))
        return [part.tolist() for part in np.array_split(mine, num_batches)]


def _check_batch_size(batch_size: int) -> None:
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, it must be at least 1")


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
