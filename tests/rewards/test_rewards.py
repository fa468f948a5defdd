from __future__ import annotations

import math
import random

import pytest

from timepro_lit.records import Event, Example, Prediction
from timepro_lit.rewards.base import PerTask
from timepro_lit.rewards.event_f1 import EventF1Reward
from timepro_lit.rewards.iou import IoUReward
from timepro_lit.rewards.meteor import MeteorReward

UNREADABLE = Prediction(events=(), readable=False)
EMPTY = Prediction(events=(), readable=True)


def answer(*events: tuple[float, float, str]) -> Prediction:
    return Prediction(events=tuple(Event(*event) for event in events), readable=True)


def question(task: str, *events: tuple[float, float, str]) -> Example:
    return Example(id="x", task=task, audio="x.flac", duration_s=10.0, events=tuple(Event(*event) for event in events))


class SharedWords:
    """Jaccard index of the words: a scorer that tests can follow by hand."""

    def score(self, pairs):
        return [len(set(h.split()) & set(r.split())) / len(set(h.split()) | set(r.split())) for h, r in pairs]


def test_event_f1_by_hand():
    reward = EventF1Reward(match_labels=True)
    example = question("sed", (1.0, 2.0, "dog"), (3.0, 4.0, "bell"))
    answers = [
        answer((1.0, 2.0, "dog"), (3.0, 4.0, "bell")),
        answer((1.1, 2.1, "dog")),  # 2 * 1 / (2 + 1)
        answer((1.0, 2.0, "bell"), (3.0, 4.0, "dog")),
        answer((1.0, 2.0, "dog"), (3.0, 4.5, "bell"), (5.0, 6.0, "bell")),  # 2 * 1 / (2 + 3)
        EMPTY,
        UNREADABLE,
    ]
    assert reward(answers, example) == pytest.approx([1.0, 2 / 3, 0.0, 0.4, 0.0, 0.0])
    assert EventF1Reward(match_labels=False)(answers[2:3], example) == [1.0]
    assert EventF1Reward(match_labels=True, offset_collar_rate=0.5)(answers[3:4], example) == pytest.approx([0.8])


def test_empty_reference_wants_an_empty_answer():
    example = question("sed")
    answers = [EMPTY, answer((1.0, 2.0, "dog")), UNREADABLE]
    for reward in (EventF1Reward(True), IoUReward(per_class=True), IoUReward(False), MeteorReward(SharedWords())):
        assert reward(answers, example) == [1.0, 0.0, 0.0]


def test_iou_of_grounding_ignores_the_key():
    example = question("ag", (1.0, 3.0, "a dog barks"))
    answers = [answer((1.0, 2.0, "something else")), answer((1.0, 2.0, "a"), (1.5, 3.0, "b")), UNREADABLE, EMPTY]
    assert IoUReward(per_class=False)(answers, example) == [0.5, 1.0, 0.0, 0.0]


def test_iou_of_sound_events_is_the_mean_over_classes_of_either_side():
    example = question("sed", (0.0, 2.0, "dog"), (4.0, 6.0, "dog"), (1.0, 2.0, "bell"))
    answers = [
        answer((0.0, 2.0, "dog"), (1.0, 2.0, "bell")),  # dog 0.5, bell 1
        answer((0.0, 2.0, "dog"), (4.0, 6.0, "dog")),  # dog 1, bell 0
        answer((0.0, 2.0, "dog"), (4.0, 6.0, "dog"), (1.0, 2.0, "bell"), (0.0, 9.0, "cat")),  # a third class at 0
    ]
    assert IoUReward(per_class=True)(answers, example) == pytest.approx([0.75, 0.5, 2 / 3])


def test_meteor_joins_captions_in_onset_order():
    example = question("dac", (1.0, 2.0, "a dog barks"), (3.0, 4.0, "birds"))
    answers = [answer((5.0, 6.0, "birds"), (0.0, 1.0, "a dog barks")), answer((1.0, 2.0, "a dog")), EMPTY, UNREADABLE]
    # joined by ". ": the words are a, dog, barks., birds
    assert MeteorReward(SharedWords())(answers, example) == [1.0, 0.5, 0.0, 0.0]


def test_per_task_chooses_and_names_a_missing_one():
    reward = PerTask({"ag": IoUReward(per_class=False), "sed": EventF1Reward(match_labels=True)})
    assert reward([answer((1.0, 2.0, "x"))], question("ag", (1.0, 3.0, "dog"))) == [0.5]
    assert reward([answer((1.0, 2.0, "x"))], question("sed", (1.0, 2.0, "dog"))) == [0.0]
    with pytest.raises(ValueError, match=r"task 'dac' \(example 'x'\); known tasks: ag, sed"):
        reward([EMPTY], question("dac"))


def test_hostile_answers_score_within_bounds():
    rng = random.Random(0)
    odd = [math.nan, math.inf, -math.inf, -1.0, 0.0, 1.0, 1e308, -1e308, 1e-320, 2.5]
    labels = ["dog", "bell", "", "\n", "|||", "\ud800"]
    example = question("sed", (0.0, 1.0, "dog"), (1.0, 2.5, "bell"))
    answers = [
        answer(*((rng.choice(odd), rng.choice(odd), rng.choice(labels)) for _ in range(rng.choice([1, 3, 256]))))
        for _ in range(100)
    ]
    for reward in (EventF1Reward(True), EventF1Reward(False), IoUReward(True), IoUReward(False)):
        assert all(0.0 <= value <= 1.0 for value in reward(answers, example))
