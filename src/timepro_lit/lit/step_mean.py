"""The gradient of an optimiser step as one mean, however micro-batches and processes divide what it is taken over.

Gradient accumulation averages micro-batches, and data parallelism averages processes, as if all of them held equally
much. With token budgets, answers of uneven length or recordings left out they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import nn

MeanOverProcesses = Callable[[float], float]


class StepMean:
    """Weighs each micro-batch by what it holds, and says what the finished gradient has to be multiplied with.

    With M micro-batches of means m and weights w, accumulation gives sum(m * share(w)) / M; times `close(M)` this is
    sum(m * w) / sum(w). What the last step held on average is expected of the next, so that the correction is near 1
    and losses keep their size.
    """

    def __init__(self, mean_over_processes: MeanOverProcesses) -> None:
        self._mean = mean_over_processes
        self.expected = 0.0
        """Of a micro-batch: the mean weight in the step before."""
        self._weights: list[float] = []

    @property
    def num_micro_batches(self) -> int:
        """So many since the last step."""
        return len(self._weights)

    def share(self, weight: float) -> float:
        """The factor on the mean loss of a micro-batch that holds `weight` tokens or answers, on every process."""
        if not self.expected:
            self.expected = self._mean(weight)
        self._weights.append(weight)
        return weight / self.expected if self.expected else 0.0

    def close(self, accumulation: int) -> float:
        """The factor on a step's gradient, which is the sum over its micro-batches divided by `accumulation`."""
        total = self._mean(sum(self._weights))
        factor = self.expected * accumulation / total if total else 1.0
        self.expected = total / max(1, len(self._weights))
        self._weights = []
        return factor


def scale_gradients(weights: Iterable[nn.Parameter], factor: float, sharded_by_deepspeed: bool) -> None:
    """Multiply the gradients of all weights that have one; every process has to call it with the same factor."""
    if not sharded_by_deepspeed:
        for weight in weights:
            if weight.grad is not None:
                weight.grad.mul_(factor)
    elif factor != 1:  # each gradient is gathered, which takes a message
        from deepspeed.utils import safe_get_full_grad, safe_set_full_grad

        for weight in weights:
            if weight.requires_grad and (gradient := safe_get_full_grad(weight)) is not None:
                safe_set_full_grad(weight, gradient * factor)
