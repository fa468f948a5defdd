"""How the rows of an optimiser step are divided among processes, and by each process into micro-batches.

This changes speed and memory alone: which rows a step learns from is decided before, by `GlobalBatches`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from timepro_lit.data.global_batches import GlobalBatches

MAX_PADDING = 0.04
"""Share of a step's tokens that may be padding; a step with more of it is divided further."""
_SAMPLED = 64
"""Steps that are divided beforehand, to learn how far they have to be."""


class Division(Protocol):
    """A rule by which steps are divided."""

    def num_micro_batches(self, steps: GlobalBatches, num_processes: int) -> int:
        """Micro-batches to a step that every process takes, some of them empty where a step needs fewer."""
        ...

    def __call__(self, rows: np.ndarray, num_processes: int, at_most: int) -> list[list[np.ndarray]]:
        """The micro-batches of each process, at most so many and none of them empty."""
        ...


class ByRows:
    """Micro-batches of at most `micro_batch_size` rows. Raises ValueError for a size below 1."""

    def __init__(self, lengths: Sequence[float] | np.ndarray, micro_batch_size: int) -> None:
        if micro_batch_size < 1:
            raise ValueError(f"micro_batch_size is {micro_batch_size}, it must be at least 1")
        self.lengths = np.asarray(lengths, dtype=np.float64)
        self.micro_batch_size = micro_batch_size

    def num_micro_batches(self, steps: GlobalBatches, num_processes: int) -> int:
        """As in `Division`."""
        return -(-steps.batch_size // (self.micro_batch_size * num_processes))

    def __call__(self, rows: np.ndarray, num_processes: int, at_most: int) -> list[list[np.ndarray]]:
        """As in `Division`."""
        ordered = rows[np.argsort(-self.lengths[rows], kind="stable")]
        num_parts = num_processes * -(-len(rows) // (self.micro_batch_size * num_processes))
        parts = [part for part in np.array_split(ordered, num_parts) if len(part)]
        return deal(parts, [self.lengths[part].max() * len(part) for part in parts], num_processes)


class ByTokens:
    """Micro-batches of at most `max_tokens`, padding included; a row that alone has more is one by itself.

    A step takes as few of them as the budget allows, then more until at most `MAX_PADDING` of its tokens are padding.
    Its rows are spread so that all micro-batches hold about the same, however many the processes.

    `lengths` are (num_rows,) tokens. Raises ValueError for a budget below 1.
    """

    def __init__(self, lengths: Sequence[float] | np.ndarray, max_tokens: int) -> None:
        if max_tokens < 1:
            raise ValueError(f"max_tokens is {max_tokens}, it must be at least 1")
        self.lengths = np.asarray(lengths, dtype=np.float64)
        self.max_tokens = max_tokens

    def num_micro_batches(self, steps: GlobalBatches, num_processes: int) -> int:
        """As in `Division`: enough for the longest rows in one step, and for the padding of most steps."""
        longest = -np.sort(-np.repeat(self.lengths, steps.most_often))[: steps.batch_size]
        needed = -(-len(pack(longest, self.max_tokens)) // num_processes)
        epoch = steps.epoch(0)
        for place in np.unique(np.linspace(0, len(epoch) - 1, _SAMPLED).astype(np.int64)):
            divided = self(epoch[place], num_processes, at_most=steps.batch_size)
            needed = max(needed, *(len(of_process) for of_process in divided))
        return needed

    def __call__(self, rows: np.ndarray, num_processes: int, at_most: int) -> list[list[np.ndarray]]:
        """As in `Division`."""
        ordered = rows[np.argsort(-self.lengths[rows], kind="stable")]
        lengths = self.lengths[ordered]
        each = -(-len(pack(lengths, self.max_tokens)) // num_processes)
        while True:
            ends = pack(lengths, smallest_budget(lengths, self.max_tokens, each * num_processes))
            starts = [0, *ends[:-1]]
            costs = [(end - start) * lengths[start] for start, end in zip(starts, ends, strict=True)]
            is_tight = lengths.sum() >= (1.0 - MAX_PADDING) * sum(costs)
            if is_tight or each >= at_most or len(ends) == len(rows):
                parts = [ordered[start:end] for start, end in zip(starts, ends, strict=True)]
                return deal(parts, costs, num_processes)
            each += 1


def pack(lengths: np.ndarray, max_tokens: float) -> list[int]:
    """Where parts of descending lengths end, each as large as `max_tokens` allows, padding included.

    No division of the same lengths has fewer parts, and none of shorter ones needs more.

    >>> pack(np.array([9, 3, 2, 2, 1]), max_tokens=6)
    [1, 3, 5]
    """
    ends: list[int] = []
    start = 0
    while start < len(lengths):
        start += max(1, int(max_tokens // lengths[start])) if lengths[start] > 0 else len(lengths)
        ends.append(min(start, len(lengths)))
    return ends


def smallest_budget(lengths: np.ndarray, max_tokens: float, num_parts: int) -> float:
    """The smallest budget at which descending lengths still fit into `num_parts`, to a token.

    >>> smallest_budget(np.array([4, 4, 4, 4]), max_tokens=16, num_parts=2)
    8.0
    """
    low, high = float(lengths.sum()) / num_parts, float(max_tokens)
    if low >= high or len(pack(lengths, low)) <= num_parts:
        return min(low, high)
    while high - low > 1.0:
        middle = (low + high) // 2
        if len(pack(lengths, middle)) <= num_parts:
            high = middle
        else:
            low = middle
    return high


def deal(parts: Sequence[np.ndarray], costs: Sequence[float], num_processes: int) -> list[list[np.ndarray]]:
    """Parts to processes, the dearest first, each round in the other direction: equally many, at about equal cost."""
    dealt: list[list[np.ndarray]] = [[] for _ in range(num_processes)]
    for place, part in enumerate(np.argsort(-np.asarray(costs), kind="stable")):
        turn, seat = divmod(place, num_processes)
        dealt[seat if turn % 2 == 0 else num_processes - 1 - seat].append(parts[part])
    return dealt
