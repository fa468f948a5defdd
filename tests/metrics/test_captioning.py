from __future__ import annotations

import math

import pytest

from timepro_lit.metrics.captioning import MeteorMetric
from timepro_lit.metrics.summed import Summed
from timepro_lit.records import Event, Example, Prediction

UNREADABLE = Prediction(events=(), readable=False)


class Recorder:
    """Scores 0.5 for every pair that is not equal, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[str, str]]] = []

    def score(self, pairs):
        self.calls.append(list(pairs))
        return [1.0 if hypothesis == reference else 0.5 for hypothesis, reference in pairs]


def answer(*events: tuple[float, float, str]) -> Prediction:
    return Prediction(events=tuple(Event(*event) for event in events), readable=True)


def example(*events: tuple[float, float, str]) -> Example:
    return Example(id="x", task="dac", audio="x.flac", duration_s=10.0, events=tuple(Event(*event) for event in events))


def test_joined_asks_once_with_captions_in_onset_order():
    scorer = Recorder()
    metric = Summed(MeteorMetric("joined", scorer))
    reference = example((0.0, 1.0, "a dog barks"), (2.0, 3.0, "birds sing"))
    nan_onset = answer((math.nan, 1.0, "late"), (2.0, 3.0, "birds sing"), (0.0, 1.0, "a dog barks"))
    metric.update([answer((5.0, 6.0, "birds sing"), (1.0, 2.0, "a dog barks")), nan_onset], [reference, reference])
    assert scorer.calls == [
        [
            ("a dog barks. birds sing", "a dog barks. birds sing"),
            ("a dog barks. birds sing. late", "a dog barks. birds sing"),
        ]
    ]
    assert float(metric.compute()["METEOR"]) == 75.0


def test_matched_counts_missing_and_superfluous_captions_as_zero():
    metric = MeteorMetric("matched", Recorder())
    reference = example((0.0, 2.0, "a dog barks"), (4.0, 6.0, "birds sing"))
    # one exact pair, one pair at 0.5, one superfluous caption: (1 + 0.5) / 3
    found = answer((4.0, 6.0, "a bird"), (0.0, 1.5, "a dog barks"), (8.0, 9.0, "wind"))
    assert metric.clip_scores(found, reference) == {"METEOR/matched": pytest.approx(50.0)}
    # right words at the wrong time are worth nothing; one caption missing: 1 / 2
    assert metric.clip_scores(answer((0.0, 2.0, "a dog barks")), reference) == {"METEOR/matched": 50.0}
    assert metric.clip_scores(answer((7.0, 8.0, "a dog barks")), reference) == {"METEOR/matched": 0.0}


@pytest.mark.parametrize("variant", ["joined", "matched"])
def test_unreadable_and_empty_answers(variant):
    metric = MeteorMetric(variant, Recorder())
    silent, heard = example(), example((0.0, 1.0, "a dog barks"))
    name = metric.name
    assert metric.clip_scores(UNREADABLE, heard) == {name: 0.0}
    assert metric.clip_scores(answer(), heard) == {name: 0.0}
    assert metric.clip_scores(UNREADABLE, silent) == {name: 0.0}
    assert metric.clip_scores(answer((0.0, 1.0, "a dog barks")), silent) == {name: 0.0}
    assert metric.clip_scores(answer(), silent) == {name: 100.0}


def test_long_captions_are_cut():
    scorer = Recorder()
    MeteorMetric("joined", scorer).clip_scores(answer((0.0, 1.0, "dog " * 500)), example((0.0, 1.0, "a dog")))
    assert len(scorer.calls[0][0][0].split()) == 128


def test_another_variant_is_refused():
    with pytest.raises(ValueError, match="joined or matched, not 'soda'"):
        MeteorMetric("soda", Recorder())
