"""An optimiser step as one whole, however micro-batches and processes divide it.

Gradient accumulation averages micro-batches, and data parallelism averages processes, as if all of them held equally
much. With token budgets, answers of uneven length or recordings left out they do not. So each micro-batch
back-propagates a sum, and the step's gradient is scaled once, when it is known how much all of them hold. What a step
logs is a mean over all of it in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from timepro_lit.lit.processes import gathered

Sums = dict[str, tuple[float, float]]
"""name -> (sum, what it runs over)"""
WEIGHT, SKIPPED = "", "skipped"
"""Names of what the loss is a mean over (tokens, answers, ...), and of what is counted beside it."""


@dataclass(frozen=True)
class Step:
    """What an optimiser step holds, over all processes."""

    weight: float
    """What its loss is a mean over; 0 where every recording was left out."""
    num_processes: int
    means: dict[str, float]
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

    def end_micro_batch(self, weight: float) -> None:
        """Count a micro-batch whose loss is a mean over `weight`."""
        self.num_micro_batches += 1
        self._notes.append((WEIGHT, 1.0, weight))

    def note(self, name: str, mean: Tensor | float, weight: float) -> None:
        """Remember a mean over `weight`, to be logged with the step; where nothing was averaged there is none."""
        if weight > 0:
            self._notes.append((name, mean.detach() if isinstance(mean, Tensor) else mean, weight))

    def close(self, num_skipped: int = 0) -> Step:
        """End the step, with what this process has skipped so far; every process has to, and gets the same."""
        on_device = [mean for _, mean, _ in self._notes if isinstance(mean, Tensor)]
        read = iter(torch.stack([mean.double() for mean in on_device]).tolist() if on_device else ())  # one transfer
        sums: Sums = {SKIPPED: (float(num_skipped), 1.0)}
        for name, mean, weight in self._notes:
            total, over = sums.get(name, (0.0, 0.0))
            sums[name] = total + (next(read) if isinstance(mean, Tensor) else mean) * weight, over + weight
        self._notes, self.num_micro_batches = [], 0
        of_processes = self.gather(sums)
        totals: Sums = {}
        for one in of_processes:
            for name, (total, over) in one.items():
                before = totals.get(name, (0.0, 0.0))
                totals[name] = before[0] + total, before[1] + over
        _, weight = totals.pop(WEIGHT, (0.0, 0.0))
        skipped, _ = totals.pop(SKIPPED)
        means = {name: total / over for name, (total, over) in sorted(totals.items())}
        return Step(weight, len(of_processes), means, skipped)
