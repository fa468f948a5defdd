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


MOST_IN_A_ROW = 10
"""So many steps in a row that are not finite end a stage. One unlucky batch makes one such step, or with rollouts that
serve several updates a few; with weights that have left the range of numbers no step is ever finite again."""


class NonFiniteSteps:
    """Counts optimiser steps that were left out since their loss or gradient was not finite.

    Args:
        stage: what the stage is called among the settings.
    """

    def __init__(self, stage: str = "stage") -> None:
        self.stage = stage
        self.total = 0
        self.in_a_row = 0

    def note(self, step: int, is_finite: bool) -> None:
        """Count step number `step`, from 1. Raises ValueError where too many in a row were not finite."""
        self.in_a_row = 0 if is_finite else self.in_a_row + 1
        self.total += not is_finite
        if self.in_a_row == MOST_IN_A_ROW:
            raise ValueError(
                f"{self.stage}: losses or gradients of steps {step - MOST_IN_A_ROW + 1} to {step} were not finite, and "
                f"nothing is learnt any more: lower stage.{self.stage}.module.learning_rate, or let "
                "+trainer.detect_anomaly=true show where it begins"
            )

    def state(self) -> dict[str, int]:
        """For `resume`."""
        return {"total": self.total, "in_a_row": self.in_a_row}

    def resume(self, state: dict[str, int]) -> None:
        """Go on counting from a `state`."""
        self.total, self.in_a_row = state["total"], state["in_a_row"]
