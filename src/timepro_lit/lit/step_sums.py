"""An optimiser step as one whole, however micro-batches and processes divide it.

Gradient accumulation averages micro-batches, and data parallelism averages processes, as if all of them held equally
much. With token budgets, answers of uneven length or recordings left out they do not. So each micro-batch
back-propagates a sum, and the step's gradient is scaled once, when it is known how much all of them hold. What a step
logs is a mean over all of it in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from timepro_lit.lit.processes import gathered

WEIGHT, SKIPPED = "", "skipped"
"""Names of what the loss is a mean over (tokens, answers, ...), and of what is counted beside it."""


@dataclass
class Sums:
    """What one process holds of a step."""

    means: dict[str, tuple[float, float]] = field(default_factory=dict)
    """name -> (sum, what it runs over)"""
    totals: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """What an optimiser step holds, over all processes."""

    weight: float
    """What its loss is a mean over; 0 where every recording was left out."""
    num_processes: int
    means: dict[str, float]
    totals: dict[str, float]
    peaks: dict[str, float]
    skipped: float = 0.0
    """Examples that processes say they have skipped so far, some of them perhaps twice."""

    def factor(self, divisor: float) -> float:
        """What makes its gradient a mean, where each sum was divided by `divisor` and processes were averaged."""
        return divisor * self.num_processes / self.weight if self.weight else 1.0


class StepSums:
    """Adds up what the micro-batches of an optimiser step hold on this process, and then on all of them.

    `gather` gives the sums of all processes.
    """

    def __init__(self, gather: Callable[[Sums], list[Sums]] = gathered) -> None:
        self.gather = gather
        self.num_micro_batches = 0
        """So many since the last step."""
        self._notes: list[tuple[str, Tensor | float, float]] = []
        self._counts: list[tuple[str, Tensor | float]] = []
        self._peaks: dict[str, float] = {}

    def end_micro_batch(self, weight: float) -> None:
        """Count a micro-batch whose loss is a mean over `weight`."""
        self.num_micro_batches += 1
        self.add(WEIGHT, weight)

    def note(self, name: str, mean: Tensor | float, weight: float) -> None:
        """Remember a mean over `weight`, to be logged with the step; where nothing was averaged there is none."""
        if weight > 0:
            self._notes.append((name, mean.detach() if isinstance(mean, Tensor) else mean, weight))

    def add(self, name: str, amount: Tensor | float) -> None:
        """Remember an amount, of which the step has the total."""
        self._counts.append((name, amount))

    def peak(self, name: str, value: float) -> None:
        """Remember a value, of which the step has the highest."""
        self._peaks[name] = max(value, self._peaks.get(name, value))

    def read(self) -> None:
        """Wait until the device has computed what was noted so far, in one transfer."""
        noted = [mean for _, mean, _ in self._notes] + [amount for _, amount in self._counts]
        on_device = [value for value in noted if isinstance(value, Tensor)]
        found = iter(torch.stack([value.double() for value in on_device]).tolist() if on_device else ())
        values = iter([next(found) if isinstance(value, Tensor) else value for value in noted])
        self._notes = [(name, next(values), weight) for name, _, weight in self._notes]
        self._counts = [(name, next(values)) for name, _ in self._counts]

    def close(self, num_skipped: int = 0) -> Step:
        """End the step, with what this process has skipped so far; every process has to, and gets the same."""
        self.add(SKIPPED, num_skipped)
        self.read()
        mine = Sums(peaks=self._peaks)
        for name, mean, weight in self._notes:
            total, over = mine.means.get(name, (0.0, 0.0))
            mine.means[name] = total + float(mean) * weight, over + weight
        for name, amount in self._counts:
            mine.totals[name] = mine.totals.get(name, 0.0) + float(amount)
        self._notes, self._counts, self._peaks, self.num_micro_batches = [], [], {}, 0
        return _step(self.gather(mine))


def _step(of_processes: list[Sums]) -> Step:
    means: dict[str, tuple[float, float]] = {}
    totals: dict[str, float] = {}
    peaks: dict[str, float] = {}
    for one in of_processes:
        for name, (total, over) in one.means.items():
            before = means.get(name, (0.0, 0.0))
            means[name] = before[0] + total, before[1] + over
        for name, amount in one.totals.items():
            totals[name] = totals.get(name, 0.0) + amount
        for name, value in one.peaks.items():
            peaks[name] = max(value, peaks.get(name, value))
    weight, skipped = totals.pop(WEIGHT, 0.0), totals.pop(SKIPPED)
    in_order = {name: total / over for name, (total, over) in sorted(means.items())}
    return Step(weight, len(of_processes), in_order, totals, peaks, skipped)
