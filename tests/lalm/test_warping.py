from __future__ import annotations

import pytest
import torch

from timepro_lit.grpo.sampling import draw
from timepro_lit.lalm.warping import warper

PROBS = torch.tensor([0.5, 0.0, 0.3, 0.2])


def test_draws_follow_temperature_and_top_p() -> None:
    uniform = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000

    def shares(temperature: float, top_p: float) -> list[float]:
        tokens = draw(warper(temperature, top_p)(PROBS.log().expand(10, 100, 4)), uniform.view(10, 100))
        return (tokens.flatten().bincount(minlength=4) / 1000).tolist()

    assert shares(1.0, 1.0) == pytest.approx([0.5, 0.0, 0.3, 0.2], abs=0.002)
    # temperature 0.5 squares the probabilities: 25, 9 and 4 of 38
    assert shares(0.5, 1.0) == pytest.approx([25 / 38, 0.0, 9 / 38, 4 / 38], abs=0.002)
    assert shares(1.0, 0.6) == pytest.approx([5 / 8, 0.0, 3 / 8, 0.0], abs=0.002)
    assert shares(1.0, 0.1) == [1.0, 0.0, 0.0, 0.0]


def test_refusals() -> None:
    with pytest.raises(ValueError, match="strictly positive float"):
        warper(temperature=0)
    with pytest.raises(ValueError, match=r"top_p must be in \(0, 1\], not 0"):
        warper(top_p=0)
