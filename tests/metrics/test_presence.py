from __future__ import annotations

import math

import pytest

from timepro_lit.metrics.presence import Presence
from timepro_lit.metrics.suite import score
from timepro_lit.records import Event, Example, Prediction

SOMEWHERE = (Event(50.0, 51.0, "a dog"),)
SAYS, DENIES = Prediction(SOMEWHERE, True), Prediction((), True)
UNREADABLE = Prediction((), readable=False)


def query(id_: int, occurs: bool) -> Example:
    return Example(f"q{id_}", "moments", f"{id_}.wav", 60.0, (Event(0.0, 1.0, "a dog"),) * occurs, "a dog")


def scores(*said: tuple[Prediction, bool]):
    return score([Presence()], [(prediction, query(n, occurs)) for n, (prediction, occurs) in enumerate(said)])


def test_hits_misses_and_false_alarms() -> None:
    found = scores((SAYS, True), (SAYS, True), (SAYS, True), (DENIES, True), (SAYS, False), (DENIES, False))
    assert found.values == {
        "presence_precision": 75.0,
        "presence_recall": 75.0,
        "presence_F1": 75.0,
        "false_alarm_rate": 50.0,
    }
    assert [own["presence"] for own in found.examples] == [100.0, 100.0, 100.0, 0.0, 0.0, 100.0]


def test_an_unreadable_answer_is_wrong_either_way() -> None:
    found = scores((UNREADABLE, True), (SAYS, True), (UNREADABLE, False), (DENIES, False))
    assert found.values == {
        "presence_precision": 50.0,
        "presence_recall": 50.0,
        "presence_F1": 50.0,
        "false_alarm_rate": 50.0,
    }
    half_read = Prediction(SOMEWHERE, readable=False)
    assert Presence().clip_scores(half_read, query(0, True)) == {"presence": 0.0}
    assert Presence().clip_scores(UNREADABLE, query(0, False)) == {"presence": 0.0}


def test_nothing_to_judge_by_is_nan() -> None:
    assert math.isnan(scores((SAYS, True)).values["false_alarm_rate"])
    assert math.isnan(scores((DENIES, False)).values["presence_F1"])
    assert scores((DENIES, True)).values["presence_F1"] == pytest.approx(0.0)
