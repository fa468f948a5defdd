from __future__ import annotations

from timepro_lit.metrics.parse_rate import ParseRate
from timepro_lit.records import Event, Example, Prediction

EXAMPLE = Example("x", "dac", "x.flac", 10.0, ())
READABLE, UNREADABLE = Prediction((), readable=True), Prediction((Event(0.0, 1.0, "x"),), readable=False)


def test_the_share_of_readable_answers() -> None:
    metric = ParseRate()
    rows = metric.rows([READABLE, UNREADABLE, READABLE, READABLE], [EXAMPLE] * 4)
    assert float(metric.values(rows.sum(axis=0))["parse_rate"]) == 75.0
    assert metric.clip_scores(UNREADABLE, EXAMPLE) == {"parse_rate": 0.0}
