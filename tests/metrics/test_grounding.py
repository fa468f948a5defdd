from __future__ import annotations

import math

import pytest

from timepro_lit.metrics.grounding import GroundingIoU, clip_iou
from timepro_lit.metrics.summed import Summed
from timepro_lit.records import Event, Example, Prediction


def answer(*times: tuple[float, float], readable: bool = True) -> Prediction:
    return Prediction(events=tuple(Event(on, off, "any key") for on, off in times), readable=readable)


def example(*times: tuple[float, float]) -> Example:
    events = tuple(Event(on, off, "a dog barks") for on, off in times)
    return Example(id="x", task="ag", audio="x.flac", duration_s=10.0, events=events, query="a dog barks")


def test_values_by_hand():
    metric = Summed(GroundingIoU())
    metric.update([answer((1.0, 3.0)), answer((1.0, 2.0))], [example((1.0, 3.0))] * 2)  # 1, 0.5
    metric.update([answer((0.0, 8.0)), answer(readable=False)], [example((0.0, 10.0))] * 2)  # 0.8, 0
    scores = {name: float(value) for name, value in metric.compute().items()}
    assert scores == pytest.approx({"mIoU": 57.5, "R@0.5": 75.0, "R@0.7": 50.0, "R@0.9": 25.0})


def test_all_segments_of_an_answer_count():
    assert clip_iou(answer((0.0, 1.0), (2.0, 4.0)), example((0.0, 1.0), (2.0, 3.0))) == pytest.approx(2 / 3)
    assert clip_iou(answer((0.0, 1.0), (5.0, 2.0), (math.nan, 1.0)), example((0.0, 1.0))) == 1.0


def test_clip_scores_are_percent():
    assert GroundingIoU().clip_scores(answer((1.0, 2.0)), example((1.0, 3.0))) == {"IoU": 50.0}


def test_predictions_and_examples_must_pair_up():
    with pytest.raises(ValueError, match="zip"):
        GroundingIoU().rows([answer((1.0, 2.0))], [example((1.0, 2.0))] * 2)
