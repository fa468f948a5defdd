from __future__ import annotations

import pytest

from timepro_lit.records import Example, Prediction
from timepro_lit.rewards.adaptive import AdaptiveReward, GroupReward, adaptive, diagnostics, is_flat

EXAMPLE = Example(id="x", task="ag", audio="x.flac", duration_s=10.0, events=())
GROUP = [Prediction(events=(), readable=True)] * 4


class Fixed:
    def __init__(self, *rewards: float) -> None:
        self.rewards = list(rewards)
        self.calls = 0

    def __call__(self, predictions, example):
        self.calls += 1
        return self.rewards


def test_eq_2_by_hand():
    assert adaptive([0.5, 0.5, 0.5, 0.5], [0.2, 0.4, 0.6, 1.0]) == [0.1, 0.2, 0.3, 0.5]
    assert adaptive([1.0, 1.0, 1.0, 1.0], [0.2, 0.4, 0.6, 1.0]) == [0.2, 0.4, 0.6, 1.0]
    assert adaptive([0.0, 0.0, 0.0, 0.0], [0.2, 0.4, 0.6, 1.0]) == [0.0, 0.0, 0.0, 0.0]
    assert adaptive([0.5, 0.5, 0.5, 0.6], [0.2, 0.4, 0.6, 1.0]) == [0.5, 0.5, 0.5, 0.6]


def test_rescue_ranks_groups_without_any_main_reward_alone():
    assert adaptive([0.0, 0.0], [0.2, 0.8], rescue=0.1) == pytest.approx([0.02, 0.08])
    assert adaptive([0.5, 0.5], [0.2, 0.8], rescue=0.1) == [0.1, 0.4]
    with pytest.raises(ValueError, match=r"rescue must lie in \[0, 1\], but is 2"):
        AdaptiveReward(lambda p, e: [], None, rescue=2.0)


def test_flatness_is_population_variance_below_the_threshold():
    # (a, a + d): population variance d^2 / 4, sample variance d^2 / 2
    assert is_flat([0.5, 0.5 + 0.0019])  # 9.0e-7; the sample variance 1.8e-6 would not be flat
    assert not is_flat([0.5, 0.5 + 0.0021])  # 1.1e-6
    assert not is_flat([0.5, 0.5], threshold=0.0)  # strictly below
    assert is_flat([0.1, 0.1, 0.1])  # rounding of the mean is no variance


def test_auxiliary_is_asked_for_flat_groups_only():
    auxiliary = Fixed(0.2, 0.4, 0.6, 1.0)
    varied = AdaptiveReward(Fixed(0.0, 1.0, 0.5, 0.5), auxiliary).score(GROUP, EXAMPLE)
    assert varied == GroupReward(total=[0.0, 1.0, 0.5, 0.5], main=[0.0, 1.0, 0.5, 0.5], auxiliary=None, switched=False)
    assert auxiliary.calls == 0
    reward = AdaptiveReward(Fixed(0.5, 0.5, 0.5, 0.5), auxiliary)
    assert reward(GROUP, EXAMPLE) == [0.1, 0.2, 0.3, 0.5]
    assert auxiliary.calls == 1
    assert reward.score(GROUP, EXAMPLE).switched


def test_without_auxiliary_the_main_reward_stands():
    group = AdaptiveReward(Fixed(0.5, 0.5, 0.5, 0.5), None).score(GROUP, EXAMPLE)
    assert group == GroupReward(total=[0.5] * 4, main=[0.5] * 4, auxiliary=None, switched=False)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.1, 1.1])
def test_rewards_outside_the_unit_interval_are_refused(bad):
    with pytest.raises(ValueError, match=r"main reward of an answer to 'x' is .*, outside \[0, 1\]"):
        AdaptiveReward(Fixed(0.5, 0.5, 0.5, bad), None)(GROUP, EXAMPLE)
    with pytest.raises(ValueError, match="auxiliary reward"):
        AdaptiveReward(Fixed(0.5, 0.5, 0.5, 0.5), Fixed(0.5, 0.5, 0.5, bad))(GROUP, EXAMPLE)


def test_wrong_number_of_rewards_is_refused():
    with pytest.raises(ValueError, match="main reward gave 3 values for 4 answers"):
        AdaptiveReward(Fixed(0.5, 0.5, 0.5), None)(GROUP, EXAMPLE)


def test_diagnostics_by_hand():
    groups = [
        GroupReward(total=[0.0, 1.0], main=[0.0, 1.0], auxiliary=None, switched=False),
        GroupReward(total=[0.1, 0.3], main=[0.5, 0.5], auxiliary=[0.2, 0.6], switched=True),
        GroupReward(total=[0.0, 0.0], main=[0.0, 0.0], auxiliary=[0.3, 0.9], switched=True),
        GroupReward(total=[1.0, 1.0], main=[1.0, 1.0], auxiliary=None, switched=False),
    ]
    assert diagnostics(groups) == pytest.approx(
        {
            "reward": 3.4 / 8,
            "reward_main": 4.0 / 8,
            "reward_std": 0.15,  # (0.5 + 0.1 + 0 + 0) / 4
            "flat": 0.75,
            "all_zero": 0.25,
            "switched": 0.5,
            "no_signal": 0.5,
            "reward_auxiliary": 0.5,  # (0.2 + 0.6 + 0.3 + 0.9) / 4
            "switched_std": 0.05,  # (0.1 + 0) / 2
        }
    )
    assert "switched_std" not in diagnostics(groups[:1])  # nothing to take a mean of
