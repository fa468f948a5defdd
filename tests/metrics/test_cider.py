from __future__ import annotations

import math
import random

import pytest
from pycocoevalcap.cider.cider import Cider

from timepro_lit.metrics.base import SumMetric
from timepro_lit.metrics.cider import CiderD, ciders
from timepro_lit.metrics.suite import intervals, score
from timepro_lit.metrics.summed import Summed
from timepro_lit.records import Event, Example, Prediction
from timepro_lit.tasks.dense_captioning import DenseCaptioning

WORDS = ["a", "the", "dog", "barks", "bird", "chirps", "man", "speaks", "loudly", "then", "car", "idles", "bell"]


def example(id_: str, *captions: str) -> Example:
    events = tuple(Event(n, n + 1.0, caption) for n, caption in enumerate(captions))
    return Example(id_, "dac", f"{id_}.wav", 10.0, events)


def answer(*captions: str, readable: bool = True) -> Prediction:
    return Prediction(tuple(Event(n, n + 1.0, caption) for n, caption in enumerate(captions)), readable)


def test_equal_captions_of_four_words_reach_the_greatest_score() -> None:
    pairs = [
        (answer("A dog barks", "a bell rings!"), example("a", "a dog barks", "a bell rings")),
        (answer("a car"), example("b", "the wind blows in the trees")),
        (answer(readable=False), example("c", "rain falls on a roof")),
        (answer(), example("d", "a man speaks to them")),
        (answer("a dog"), example("silent")),
    ]
    scores = score([CiderD()], pairs)
    assert scores.values == {"CIDEr": pytest.approx(250.0, abs=1e-6)}
    assert scores.rows[:, 0].tolist() == [1.0, 1.0, 1.0, 1.0, 0.0]
    assert scores.examples[0] == {}
    low, high = intervals([scores])["CIDEr"]
    assert low == 0.0 and 250.0 < high <= 1000.0


def test_scores_equal_pycocoevalcaps() -> None:
    rng = random.Random(0)
    texts = [tuple(" ".join(rng.choices(WORDS, k=rng.randint(1, 12))) for _ in range(2)) for _ in range(60)]
    mean, theirs = Cider().compute_score(
        {n: [reference] for n, (_, reference) in enumerate(texts)},
        {n: [hypothesis] for n, (hypothesis, _) in enumerate(texts)},
    )
    assert ciders(texts).tolist() == theirs.tolist()
    pairs = [(answer(hypothesis), example(str(n), reference)) for n, (hypothesis, reference) in enumerate(texts)]
    assert score([CiderD()], pairs).values["CIDEr"] == pytest.approx(100 * mean)


def test_the_last_captions_of_a_long_recording_count() -> None:
    captions = [f"a dog number {n} barks loudly at the old red car" for n in range(60)]
    whole, cut = answer(*captions), answer(*captions[:24])
    others = (answer("a bird"), example("b", "a bird sings outside all day"))
    values = [score([CiderD()], [(given, example("a", *captions)), others]).values["CIDEr"] for given in (whole, cut)]
    assert values[0] > values[1] + 100.0


def test_no_words_are_worth_nothing() -> None:
    assert ciders([("a dog", ""), ("", "?!")]).tolist() == [0.0, 0.0]
    assert ciders([]).tolist() == []
    assert math.isnan(score([CiderD()], [(answer("a dog"), example("a"))]).values["CIDEr"])


def test_answers_are_scored_all_at_once() -> None:
    with pytest.raises(ValueError, match="CiderD looks at all answers at once"):
        Summed(CiderD())


def test_validations_are_spared() -> None:
    task = DenseCaptioning()

    def names(metrics: tuple[SumMetric, ...]) -> set[str]:
        return {type(metric).__name__ for metric in metrics}

    assert names(task.metrics()) == {"MeteorMetric", "EventF1", "ParseRate"}
    assert names(task.test_metrics()) == {"SodaC", "CiderD"}
