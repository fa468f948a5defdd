from __future__ import annotations

import pytest
import torch

from timepro_lit.grpo.advantage import group_advantages, has_signal


def test_advantages_by_hand() -> None:
    # mean 0.5, population std 0.5: (1 - 0.5) / (0.5 + 0.0001)
    advantages = group_advantages(torch.tensor([[1.0, 0.0, 0.0, 1.0]]))
    assert advantages.tolist() == [pytest.approx([0.9998, -0.9998, -0.9998, 0.9998], abs=1e-6)]


def test_population_std_and_one_group_at_a_time() -> None:
    # [0.2, 0.4, 0.6, 0.8]: std sqrt(0.05) = 0.223607
    advantages = group_advantages(torch.tensor([[0.2, 0.4, 0.6, 0.8], [0.0, 0.0, 0.0, 1.0]]), eps=0.0)
    assert advantages[0].tolist() == pytest.approx([-1.341641, -0.447214, 0.447214, 1.341641], abs=1e-5)
    assert advantages[1].tolist() == pytest.approx([-0.577350, -0.577350, -0.577350, 1.732051], abs=1e-5)


def test_without_scaling_only_the_mean_goes() -> None:
    advantages = group_advantages(torch.tensor([[0.2, 0.4, 0.6, 0.8]]), scale="none")
    assert advantages[0].tolist() == pytest.approx([-0.3, -0.1, 0.1, 0.3])


@pytest.mark.parametrize("scale", ["std", "none"])
def test_flat_groups_are_exactly_zero_in_spite_of_rounding(scale: str) -> None:
    almost = torch.tensor([[0.1 + 0.2, 0.3, 0.3], [1 / 3, 1 - 2 / 3, 1 / 3]], dtype=torch.float64)
    assert almost[0].unique().numel() == 2  # the rewards do differ in the last bit
    assert torch.equal(group_advantages(almost, scale=scale), torch.zeros(2, 3))


def test_small_true_differences_are_kept() -> None:
    assert group_advantages(torch.tensor([[0.5, 0.5001]])).abs().min() > 0.1


def test_has_signal_names_the_prompts_to_forward() -> None:
    advantages = group_advantages(torch.tensor([[0.3, 0.3], [0.0, 1.0], [0.0, 0.0]]))
    assert has_signal(advantages).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("rewards", "scale", "message"),
    [
        ([[1.0]], "std", "at least 2 answers"),
        ([[1.0, float("nan")]], "std", "finite"),
        ([[1.0, 0.0]], "variance", '"variance"'),
    ],
)
def test_refusals(rewards: list[list[float]], scale: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        group_advantages(torch.tensor(rewards), scale=scale)
