from __future__ import annotations

import itertools
import math
import random
import warnings

import numpy as np
import pytest

from tests.hangs import at_most
from timepro_lit.events.intervals import iou, union_iou
from timepro_lit.metrics.soda import SodaC, _ious, best_in_order
from timepro_lit.metrics.suite import score
from timepro_lit.records import Event, Example, Prediction

Triple = tuple[float, float, str]


class Equal:
    """1 for equal texts and 0.5 for others; remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[str, str]]] = []

    def score(self, pairs):
        self.calls.append(list(pairs))
        return [1.0 if hypothesis == reference else 0.5 for hypothesis, reference in pairs]


def example(*events: Triple, id_: str = "a") -> Example:
    return Example(id_, "dac", f"{id_}.wav", 10.0, tuple(Event(*e) for e in events))


def answer(*events: Triple, readable: bool = True) -> Prediction:
    return Prediction(tuple(Event(*e) for e in events), readable)


def test_words_count_as_far_as_times_overlap() -> None:
    scorer = Equal()
    found = answer((0.0, 2.0, "a dog"), (4.0, 5.0, "a bird"), (8.0, 9.0, "wind"))
    reference = example((0.0, 2.0, "a dog"), (4.0, 6.0, "birds sing"))
    # IoU 1 x 1, and IoU 0.5 x 0.5; 3 captions against 2
    assert score([SodaC(scorer)], [(found, reference)]).values["SODA_c"] == pytest.approx(100 * 2 * 1.25 / 5)
    assert scorer.calls[0] == [("a dog", "a dog"), ("a bird", "birds sing")]


def test_overlaps_are_those_of_two_intervals_to_the_last_bit() -> None:
    odd = [math.nan, math.inf, -math.inf, 1.7e308, -1.7e308, 0.0, 5e-324]
    draws = random.Random(7)

    def times() -> float:
        return draws.choice(odd) if draws.random() < 0.2 else draws.uniform(0.0, 10.0)

    events = [Event(times(), times(), "x") for _ in range(120)] + [Event(n, n + 3.3, "x") for n in range(8)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = _ious(events, events[::-1])
    for r, of_r in zip(events, found, strict=True):
        for a, of_pair in zip(events[::-1], of_r, strict=True):
            both = (r.onset, r.offset), (a.onset, a.offset)
            assert of_pair == iou(*both) == union_iou(both[:1], both[1:])
    assert (found > 0).sum() > 500


def test_pairs_that_say_the_same_are_scored_once_and_many_are_fast() -> None:
    scorer = Equal()
    many = [(n / 10, n / 10 + 2.0, f"caption {n % 5}") for n in range(1_500)]
    with at_most():
        rows = SodaC(scorer).rows([answer(*many)], [example(*many)])
    assert rows.tolist() == [[1.0, 1.0]]
    assert len(scorer.calls[0]) == 25


def test_one_call_for_all_clips_and_sums_over_clips() -> None:
    scorer = Equal()
    pairs = [
        (answer((0.0, 1.0, "a dog")), example((0.0, 1.0, "a dog"), id_="a")),
        (answer((0.0, 1.0, "wind"), (0.5, 1.0, "a bell")), example((0.0, 1.0, "rain"), (2.0, 3.0, "a car"), id_="b")),
        (answer((0.0, 1.0, "a dog"), readable=False), example((0.0, 1.0, "a dog"), id_="c")),
        (answer(), example(id_="d")),
    ]
    metric = SodaC(scorer)
    rows = metric.rows(*zip(*pairs, strict=True))
    assert rows.tolist() == [[1.0, 1.0], [1.0, 0.25], [1.0, 0.0], [0.0, 0.0]]
    assert len(scorer.calls) == 1
    assert score([metric], pairs).values["SODA_c"] == pytest.approx(100 * (1 + 0.25 + 0) / 3)
    assert [own["SODA_c"] for own in score([metric], pairs).examples] == [100.0, 25.0, 0.0, 100.0]


def test_a_clip_of_many_captions_weighs_as_one_of_a_single_caption() -> None:
    # as SODA's own program: 0.5 of these two, where the F1 of the sums over clips is 0.1
    nine = example(*((n, n + 1.0, "a dog") for n in range(9)), id_="nine")
    pairs = [
        (answer((0.0, 1.0, "a dog")), example((0.0, 1.0, "a dog"), id_="one")),
        (answer(*((n + 20.0, n + 21.0, "a dog") for n in range(9))), nine),
    ]
    assert score([SodaC(Equal())], pairs).values["SODA_c"] == 50.0
    silent = [(answer((0.0, 1.0, "a dog")), example(id_="silent")), (answer(), example((0.0, 1.0, "a"), id_="missed"))]
    assert score([SodaC(Equal())], [*pairs, *silent]).values["SODA_c"] == 25.0
    assert math.isnan(score([SodaC(Equal())], [(answer(), example(id_="none"))]).values["SODA_c"])


def test_pairs_do_not_cross() -> None:
    # in order of onset, a pair of the second caption with the first reference leaves nothing for the other two
    assert best_in_order(np.array([[0.2, 0.9], [0.8, 0.1]])) == 0.9
    reference = example((0.0, 6.0, "one"), (1.0, 2.0, "two"))
    found = answer((1.0, 2.0, "two"), (0.0, 6.0, "one"))  # in any order of the answer
    assert SodaC(Equal()).clip_scores(found, reference) == {"SODA_c": 100.0}


def test_the_sum_is_the_greatest_of_all_ways() -> None:
    rng = random.Random(0)
    for _ in range(100):
        worth = np.array([[rng.random() for _ in range(4)] for _ in range(3)])
        ways = [
            sum(worth[i, j] for i, j in zip(rows, columns, strict=True))
            for size in range(4)
            for rows in itertools.combinations(range(3), size)
            for columns in itertools.combinations(range(4), size)
        ]
        assert best_in_order(worth) == pytest.approx(max(ways))
    assert best_in_order(np.zeros((0, 3))) == best_in_order(np.zeros((3, 0))) == 0.0


def test_times_that_are_none_are_worth_nothing() -> None:
    scorer = Equal()
    found = answer((math.nan, 1.0, "a dog"), (1.0, 0.0, "a dog"), (0.0, math.inf, "a dog"))
    assert SodaC(scorer).clip_scores(found, example((0.0, 1.0, "a dog"))) == {"SODA_c": 0.0}
    assert scorer.calls == [[]]
