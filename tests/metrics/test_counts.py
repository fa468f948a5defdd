from __future__ import annotations

from timepro_lit.metrics.counts import Counting
from timepro_lit.metrics.suite import score
from timepro_lit.records import Event, Example, Prediction


def query(id_: str, count: int) -> Example:
    return Example(id_, "moments", f"{id_}.wav", 60.0, tuple(Event(k, k + 0.5, "a dog") for k in range(count)), "a dog")


def answer(count: int, readable: bool = True) -> Prediction:
    return Prediction(tuple(Event(50.0, 51.0, "") for _ in range(count)), readable)


def test_shares_of_queries() -> None:
    pairs = [
        (answer(2), query("right", 2)),
        (answer(0), query("absent", 0)),
        (answer(1), query("fewer", 3)),
        (answer(0), query("missed", 1)),
        (answer(1), query("invented", 0)),
        (answer(2, readable=False), query("unreadable", 2)),
        (answer(0, readable=False), query("unreadable too", 0)),
        (answer(5), query("more", 4)),
    ]
    scores = score([Counting()], pairs)
    assert scores.values == {"count_accuracy": 25.0, "under_report": 25.0, "over_report": 25.0}
    assert [own["count_accuracy"] for own in scores.examples] == [100.0, 100.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
