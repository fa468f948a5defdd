"""Weights that are not finite, and never stored."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def non_finite(module: nn.Module) -> list[str]:
    """Names of the trained weights in which a number is infinite or none."""
    trained = {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
    if not trained:
        return []
    is_finite = torch.stack([weight.isfinite().all() for weight in trained.values()]).tolist()  # one transfer
    return [name for name, finite in zip(trained, is_finite, strict=True) if not finite]


def refuse_non_finite(module: nn.Module) -> None:
    """Raise ValueError where a trained weight is not finite: a file of it would be taken for a result."""
    if names := non_finite(module):
        raise ValueError(
            f"{len(names)} trained weights hold numbers that are not finite, {names[0]} first, and are not stored: "
            "lower the learning rate"
        )
