"""The gradient of an optimiser step as one mean, however micro-batches and processes divide what it is taken over.

Gradient accumulation averages micro-batches, and data parallelism averages processes, as if all of them held equally
much. With token budgets, answers of uneven length or recordings left out they do not. So each micro-batch
back-propagates a sum, and the step's gradient is scaled once, when it is known how much all of them hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import nn

MeanOverProcesses = Callable[[float], float]


class StepMean:
    """Counts what the micro-batches of an optimiser step hold: tokens, answers, ...

    A process accumulates the sums of its micro-batches, each divided by `divisor`, and processes are averaged: times
    `close(divisor)` that is the mean over all that the step holds.
    """

    def __init__(self, mean_over_processes: MeanOverProcesses) -> None:
        self._mean = mean_over_processes
        self._weights: list[float] = []

    @property
    def num_micro_batches(self) -> int:
        """So many since the last step."""
        return len(self._weights)

    def add(self, weight: float) -> None:
        """Count a micro-batch that holds `weight`."""
        self._weights.append(weight)

    def close(self, divisor: float) -> float:
        """The factor that makes the step's gradient a mean; 1 for a step that holds nothing. Ends the step."""
        total = self._mean(sum(self._weights))
        self._weights = []
        return divisor / total if total else 1.0


def scale_gradients(weights: Iterable[nn.Parameter], factor: float, sharded_by_deepspeed: bool) -> None:
    """Multiply the gradients of all weights that have one; every process has to call it with the same factor."""
    if not sharded_by_deepspeed:
        for weight in weights:
            if weight.grad is not None:
                weight.grad.mul_(factor)
    else:  # each gradient is gathered, which takes a message
        from deepspeed.utils import safe_get_full_grad, safe_set_full_grad

        for weight in weights:
            if weight.requires_grad and (gradient := safe_get_full_grad(weight)) is not None:
                safe_set_full_grad(weight, gradient * factor)
