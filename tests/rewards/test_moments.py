"""Rewards of all occurrences of a query, or none."""

from __future__ import annotations

import pytest

from timepro_lit.records import Event, Example, Prediction
from timepro_lit.rewards.adaptive import AdaptiveReward, diagnostics
from timepro_lit.rewards.count import CountReward
from timepro_lit.rewards.iou import IoUReward
from timepro_lit.rewards.segment_f1 import SegmentF1Reward

NONE, UNREADABLE = Prediction((), True), Prediction((), False)


def question(*events: tuple[float, float]) -> Example:
    return Example("x", "moments", "x.flac", 10.0, tuple(Event(*event, "a dog") for event in events), "a dog")


def answer(*events: tuple[float, float]) -> Prediction:
    return Prediction(tuple(Event(*event, "") for event in events), True)


def test_segment_f1_sees_misses_and_false_alarms() -> None:
    answers = [
        answer((0.0, 1.0), (2.0, 3.0)),
        answer((0.0, 1.0)),
        answer((0.0, 1.0), (2.0, 3.0), (5.0, 6.0)),
        answer((0.0, 0.81), (2.0, 2.81)),  # right at seven of ten thresholds
        answer((0.0, 3.0)),
        NONE,
        UNREADABLE,
    ]
    found = SegmentF1Reward()(answers, question((0.0, 1.0), (2.0, 3.0)))
    assert found == pytest.approx([1.0, 2 / 3, 0.8, 0.7, 0.0, 0.0, 0.0])
    assert SegmentF1Reward([0.3])(answers[4:5], question((0.0, 1.0), (2.0, 3.0))) == pytest.approx([2 / 3])


def test_an_absent_sound_wants_a_readable_answer_of_none() -> None:
    answers = [NONE, answer((0.0, 1.0)), UNREADABLE]
    for reward in (SegmentF1Reward(), CountReward(), IoUReward(per_class=False)):
        assert reward(answers, question()) == [1.0, 0.0, 0.0]


def test_counts_by_hand() -> None:
    answers = [answer(*[(0.0, 1.0)] * number) for number in (0, 1, 2, 4)]
    assert CountReward()([*answers, UNREADABLE], question((0.0, 1.0), (2.0, 3.0))) == [0.0, 0.5, 1.0, 0.5, 0.0]


def test_eq_2_turns_to_the_auxiliary_reward_where_all_answers_are_as_good() -> None:
    reward = AdaptiveReward(SegmentF1Reward(), IoUReward(per_class=False))
    alike = reward.score([answer((0.0, 1.0)), answer((0.0, 0.99))], question((0.0, 1.0), (2.0, 3.0)))
    assert alike.main == pytest.approx([2 / 3, 2 / 3])
    assert alike.total == pytest.approx([2 / 3 * 0.5, 2 / 3 * 0.495])
    absent = reward.score([NONE, NONE], question())
    assert (absent.total, absent.switched) == ([1.0, 1.0], True)
    assert diagnostics([alike, absent])["no_signal"] == 0.5


@pytest.mark.parametrize("thresholds", [[], [0.0], [1.5], [float("nan")]])
def test_other_thresholds_are_refused(thresholds: list[float]) -> None:
    with pytest.raises(ValueError, match="thresholds must be numbers above 0 and up to 1"):
        SegmentF1Reward(thresholds)
