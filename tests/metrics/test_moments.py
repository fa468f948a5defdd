from __future__ import annotations

import pytest

from timepro_lit.metrics.moments import THRESHOLDS, Moments, average_precisions, first_hits, overlaps, windows_of
from timepro_lit.metrics.suite import score
from timepro_lit.records import Event, Example, Prediction

MOMENTS = ((0.0, 10.0), (20.0, 30.0))


def query(*moments: tuple[float, float], id_: str = "q") -> Example:
    return Example(id_, "ag", f"{id_}.wav", 60.0, tuple(Event(*moment, "a dog") for moment in moments), "a dog")


def answer(*windows: tuple[float, ...]) -> Prediction:
    return Prediction(tuple(Event(w[0], w[1], "", score=w[2] if len(w) > 2 else None) for w in windows), True)


def values(prediction: Prediction, example: Example) -> dict[str, float]:
    return score([Moments()], [(prediction, example)]).values


def test_a_window_is_compared_with_its_best_moment_and_not_with_all_of_them() -> None:
    found = values(answer((20.0, 28.0, 0.9)), query(*MOMENTS))
    assert found["R1@0.5"] == found["R1@0.7"] == 100.0
    assert found["mAP@0.5"] == found["mAP@0.75"] == 50.0  # one of two moments is found
    assert found["mAP"] == pytest.approx(50.0 * 7 / 10)  # an IoU of 0.8 reaches seven of ten thresholds


def test_the_first_window_counts_for_r1_and_the_best_score_for_map() -> None:
    found = values(answer((50.0, 60.0, 0.1), (0.0, 10.0, 0.9), (20.0, 30.0, 0.8)), query(*MOMENTS))
    assert found["R1@0.5"] == 0.0
    assert found["mAP"] == 100.0


def test_precision_is_interpolated() -> None:
    # wrong, right, wrong, right: precision 1/2 at recall 1/2, and 2/4 at recall 1
    ranked = answer((50.0, 60.0, 0.9), (0.0, 10.0, 0.8), (51.0, 60.0, 0.7), (20.0, 30.0, 0.6))
    assert values(ranked, query(*MOMENTS))["mAP"] == 50.0
    # wrong, right, right: 1/2, then 2/3, which also stands for the recall before
    ranked = answer((50.0, 60.0, 0.9), (0.0, 10.0, 0.8), (20.0, 30.0, 0.6))
    assert values(ranked, query(*MOMENTS))["mAP"] == pytest.approx(200 / 3)


def test_a_moment_is_found_once_and_a_later_window_takes_the_next_best() -> None:
    twice = answer((0.0, 10.0, 0.9), (0.0, 10.0, 0.8))
    assert values(twice, query(MOMENTS[0]))["mAP"] == 100.0
    assert values(twice, query(*MOMENTS))["mAP"] == 50.0
    overlapping = query((0.0, 10.0), (1.0, 11.0))
    assert values(twice, overlapping)["mAP@0.75"] == 100.0  # the second takes the other moment, with an IoU of 0.82


def test_ties_and_windows_without_a_score_keep_the_order_of_the_answer() -> None:
    assert windows_of(answer((1.0, 2.0), (3.0, 4.0, 0.5)))[:, 2].tolist() == [1.0, 0.5]
    wrong_first, right_first = answer((50.0, 60.0), (0.0, 10.0)), answer((0.0, 10.0), (50.0, 60.0))
    assert values(wrong_first, query(MOMENTS[0]))["mAP"] == 50.0
    assert values(right_first, query(MOMENTS[0]))["mAP"] == 100.0


def test_no_more_than_ten_windows_count() -> None:
    late = answer(*((50.0, 60.0, 0.1),) * 10, (0.0, 10.0, 0.99))
    assert values(late, query(MOMENTS[0]))["mAP"] == 0.0


@pytest.mark.parametrize(
    ("prediction", "example"),
    [
        (answer(), query(*MOMENTS)),
        (answer((0.0, 10.0)), query()),
        (answer((5.0, 5.0)), query((5.0, 5.0))),
        (Prediction((Event(0.0, 10.0, ""),), readable=False), query(MOMENTS[0])),
    ],
)
def test_nothing_found_is_wrong(prediction: Prediction, example: Example) -> None:
    assert set(values(prediction, example).values()) == {0.0}


def test_queries_have_equal_weight() -> None:
    pairs = [(answer((0.0, 10.0)), query(MOMENTS[0], id_="a")), (answer(), query(*MOMENTS, id_="b"))]
    assert score([Moments()], pairs).values["mAP"] == 50.0
    assert score([Moments()], pairs).examples[0] == {"AP": 100.0}


def test_an_overlap_at_the_threshold_counts() -> None:
    windows, moments = windows_of(answer((0.0, 5.0))), windows_of(answer((0.0, 10.0)))[:, :2]
    assert overlaps(windows, moments).tolist() == [[0.5]]
    assert first_hits(windows, moments).tolist() == [1.0] + [0.0] * 9
    assert average_precisions(windows, moments).tolist() == [1.0] + [0.0] * 9
    assert len(THRESHOLDS) == 10 and THRESHOLDS[-1] == 0.95


def test_queries_that_do_not_occur_are_wrong_or_left_out() -> None:
    pairs = [(answer((0.0, 10.0)), query(MOMENTS[0], id_="a")), (answer(), query(id_="b"))]
    assert score([Moments()], pairs).values["mAP"] == score([Moments()], pairs).values["R1@0.7"] == 50.0
    scores = score([Moments(of_present=True)], pairs)
    assert scores.values["mAP"] == scores.values["R1@0.7"] == 100.0
    assert scores.examples == ({"AP": 100.0}, {})
