"""Weights that are not finite are named."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from timepro_lit.lit.finite import non_finite, refuse_non_finite


def test_the_trained_weights_that_are_not_finite_are_named() -> None:
    module = nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 1), nn.Linear(1, 1))
    module[2].requires_grad_(False)
    refuse_non_finite(module)
    with torch.no_grad():
        module[0].weight[0, 1] = math.nan
        module[1].bias[0] = -math.inf
        module[2].bias[0] = math.nan  # frozen, so it is in no file
    assert non_finite(module) == ["0.weight", "1.bias"]
    with pytest.raises(ValueError, match=r"2 trained weights hold .* not finite, 0\.weight first, and are not stored"):
        refuse_non_finite(module)
