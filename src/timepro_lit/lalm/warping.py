"""Temperature and nucleus by transformers' own logits processors, as `grpo.rollout.sample` takes them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper


def warper(temperature: float = 1.0, top_p: float = 1.0) -> Callable[[Tensor], Tensor]:
    """Logits (..., V) -> logits of the distribution that is drawn from.

    Raises ValueError for a temperature that is not positive and a top_p outside of (0, 1].
    """
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p must be in (0, 1], not {top_p}")
    processors = LogitsProcessorList([TemperatureLogitsWarper(float(temperature))])
    if top_p < 1:
        processors.append(TopPLogitsWarper(top_p))
    no_ids = torch.empty(0, dtype=torch.int64)  # neither looks at what was said so far

    def warp(logits: Tensor) -> Tensor:
        return processors(no_ids, logits.reshape(-1, logits.shape[-1])).view_as(logits)

    return warp
