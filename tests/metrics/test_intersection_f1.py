from __future__ import annotations

import math

import pytest

from timepro_lit.metrics.intersection_f1 import intersection_counts, intersection_f1
from timepro_lit.metrics.suite import score
from timepro_lit.records import Event, Example, Prediction

Triple = tuple[float, float, str]


def example(*events: Triple, id_: str = "a") -> Example:
    return Example(id_, "sed", f"{id_}.wav", 10.0, tuple(Event(*e) for e in events))


def answer(*events: Triple, readable: bool = True) -> Prediction:
    return Prediction(tuple(Event(*e) for e in events), readable)


@pytest.mark.parametrize(
    ("reference", "answered", "counts"),
    [
        ([(0.0, 1.0)], [(0.0, 0.7)], (1, 1, 1)),
        ([(1.1, 2.1)], [(1.1, 1.8)], (1, 1, 1)),  # 1.8 - 1.1 is less than 0.7 in float64
        ([(0.0, 1.0)], [(0.0, 0.69)], (1, 0, 0)),  # all of it is relevant, but it covers too little
        ([(0.0, 1.0)], [(0.0, 1.5)], (1, 1, 0)),  # too much beside it: a false positive
        ([(0.0, 4.0)], [(0.0, 1.5), (2.0, 4.0)], (1, 1, 1)),  # two together find one
        ([(0.0, 1.0), (1.2, 2.0)], [(0.0, 2.0)], (2, 2, 2)),  # one finds two
        ([(0.0, 1.0), (0.5, 2.0)], [(0.0, 2.0), (1.0, 2.0)], (1, 1, 1)),  # what overlaps is one event
        ([(0.0, 1.0)], [(5.0, 6.0)], (1, 1, 0)),
        ([], [(5.0, 6.0)], (0, 1, 0)),
        ([(0.0, 1.0)], [], (1, 0, 0)),
        ([(0.0, 1.0)], [(math.nan, 1.0), (1.0, 0.0), (0.0, math.inf)], (1, 3, 0)),
        ([], [], (0, 0, 0)),
    ],
)
def test_counts_of_one_class(reference, answered, counts) -> None:
    assert intersection_counts(reference, answered) == counts


def test_macro_and_micro() -> None:
    pairs = [
        (answer((0.0, 1.0, "dog"), (5.0, 6.0, "wolf")), example((0.0, 1.0, "dog"), (2.0, 3.0, "bell"), id_="a")),
        (answer((0.0, 1.0, "dog"), readable=False), example((0.0, 1.0, "dog"), id_="b")),
    ]
    found = score([intersection_f1(["bell", "dog", "unheard"])], pairs)
    assert found.values["Ib-F1"] == pytest.approx(100 * (2 / 3 + 0) / 2)
    assert found.values["Ib-F1/micro"] == pytest.approx(100 * 2 / (3 + 2))
    assert [own["Ib-F1"] for own in found.examples] == [50.0, 0.0]
    assert intersection_f1(["dog"]).clip_scores(answer(), example()) == {"Ib-F1": 100.0}
    assert intersection_f1(["dog"]).clip_scores(answer(readable=False), example()) == {"Ib-F1": 0.0}
