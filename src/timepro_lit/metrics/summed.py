"""A metric of sums as a torchmetrics metric: over batches and over processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import Module
from torchmetrics import Metric

from timepro_lit.metrics.base import SumMetric
from timepro_lit.records import Example, Prediction


class Summed(Metric):
    """Adds up what a `SumMetric` says of each example, in one (K,) float64 vector.

    Raises ValueError for one that looks at all answers at once.
    """

    full_state_update = False
    higher_is_better = True
    sums: Tensor

    def __init__(self, metric: SumMetric) -> None:
        super().__init__()
        if metric.all_at_once:
            raise ValueError(f"{type(metric).__name__} looks at all answers at once: use metrics.suite.score")
        self.metric = metric
        self.add_state("sums", torch.zeros(metric.num_sums, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> None:
        """Add the answers `predictions` to the questions `examples`, pairwise."""
        rows = self.metric.rows(predictions, examples)
        self.sums = self.sums + torch.from_numpy(rows.sum(axis=0)).to(self.sums.device)

    def compute(self) -> dict[str, Tensor]:
        """Values in percent over everything added so far, scalar float32 tensors; NaN where undefined."""
        values = self.metric.values(self.sums.cpu().numpy())
        return {
            name: torch.tensor(float(value), dtype=torch.float32, device=self.sums.device)
            for name, value in values.items()
        }

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = "") -> Module:
        # A model that is cast takes its metrics along. Sums move with it, but stay exact, and alike on all processes.
        return super()._apply(lambda tensor: tensor.to(fn(tensor.new_empty(0)).device), exclude_state)
