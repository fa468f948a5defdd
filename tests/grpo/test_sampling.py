from __future__ import annotations

import pytest
import torch

from timepro_lit.grpo.sampling import draw, uniforms

PROBS = torch.tensor([0.5, 0.0, 0.3, 0.2])


def test_draw_inverts_the_cumulative_distribution() -> None:
    uniform = torch.tensor([0.0, 0.49, 0.51, 0.79, 0.81, 1 - 2**-52], dtype=torch.float64)
    tokens = draw(PROBS.log().expand(6, 4), uniform)
    assert tokens.tolist() == [0, 0, 2, 2, 3, 3]


def test_draw_never_takes_a_token_of_probability_zero() -> None:
    never = float("-inf")
    exactly = torch.tensor([0.0, 0.5], dtype=torch.float64)  # on the steps of both cumulative distributions
    assert draw(torch.tensor([[0.0, never, 0.0]] * 2), exactly).tolist() == [0, 2]
    assert draw(torch.tensor([[never, 0.0, 0.0]] * 2), exactly).tolist() == [1, 2]


def test_uniforms_belong_to_seed_key_and_sample() -> None:
    both = uniforms(7, ["a", "b"], group_size=2, num_tokens=5)
    assert torch.equal(uniforms(7, ["b"], group_size=2, num_tokens=5)[0], both[1])
    assert torch.equal(uniforms(7, ["a"], group_size=3, num_tokens=2)[0, :2], both[0, :, :2])
    assert both.unique().numel() == 20
    assert not torch.equal(uniforms(8, ["a", "b"], group_size=2, num_tokens=5), both)


def test_uniforms_are_uniform() -> None:
    values = uniforms(0, [str(i) for i in range(50)], group_size=4, num_tokens=100).flatten()
    assert values.min() >= 0
    assert values.max() < 1
    assert values.mean().item() == pytest.approx(0.5, abs=0.01)
    assert values.histc(10, 0, 1).tolist() == pytest.approx([2000] * 10, rel=0.1)
