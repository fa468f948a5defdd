from __future__ import annotations

import math
import random

import pytest
import sed_eval

from timepro_lit.metrics.segment_based_f1 import segment_based_f1
from timepro_lit.metrics.suite import score
from timepro_lit.records import Event, Example, Prediction

LABELS = ["bell", "dog", "speech", "unheard"]
Triple = tuple[float, float, str]


def example(*events: Triple, id_: str = "a", duration_s: float = 10.0) -> Example:
    return Example(id_, "sed", f"{id_}.wav", duration_s, tuple(Event(*e) for e in events))


def answer(*events: Triple, readable: bool = True) -> Prediction:
    return Prediction(tuple(Event(*e) for e in events), readable)


def values(prediction: Prediction, reference: Example) -> dict[str, float]:
    return score([segment_based_f1(LABELS)], [(prediction, reference)]).values


def test_segments_that_are_touched_count() -> None:
    # dog: 0, 1, 2 against 2, 3; bell: 5 against nothing
    found = values(answer((2.0, 4.0, "dog")), example((0.9, 2.1, "dog"), (5.0, 6.0, "bell")))
    assert found["Sb-F1"] == pytest.approx(100 * (2 / 5 + 0) / 2)
    assert found["Sb-F1/micro"] == pytest.approx(100 * 2 / 6)


def test_labels_outside_the_classes_count_in_micro_alone() -> None:
    found = values(answer((0.0, 1.0, "dog"), (0.0, 1.0, "wolf")), example((0.0, 1.0, "dog")))
    assert found == {"Sb-F1": 100.0, "Sb-F1/micro": pytest.approx(200 / 3)}


@pytest.mark.parametrize(
    "event", [(math.nan, 1.0), (0.0, math.nan), (1.0, 0.0), (0.5, 0.5), (-3.0, -1.0), (-math.inf, 0.0)]
)
def test_what_is_no_time_in_the_clip_touches_nothing(event: tuple[float, float]) -> None:
    assert values(answer((*event, "dog"), (0.0, 1.0, "dog")), example((0.0, 1.0, "dog")))["Sb-F1"] == 100.0


@pytest.mark.parametrize("event", [(0.0, 1e300), (0.0, math.inf), (-1e300, 70.0)])
def test_an_endless_event_is_seventy_segments_of_a_clip_of_ten_seconds(event: tuple[float, float]) -> None:
    assert values(answer((*event, "dog")), example((0.0, 10.0, "dog")))["Sb-F1"] == pytest.approx(100 * 20 / 80)


def test_what_begins_past_all_segments_is_a_false_alarm() -> None:
    found = values(answer((0.0, 1.0, "dog"), (1e9, 1e9 + 1, "dog")), example((0.0, 1.0, "dog")))
    assert found["Sb-F1"] == pytest.approx(100 * 2 / 3)


def test_one_clip() -> None:
    metric = segment_based_f1(LABELS)
    assert metric.clip_scores(answer(), example()) == {"Sb-F1": 100.0}
    assert metric.clip_scores(answer(readable=False), example()) == {"Sb-F1": 0.0}
    assert metric.clip_scores(answer((0.0, 1.0, "dog")), example((0.0, 3.0, "dog"))) == {"Sb-F1": 50.0}


def random_events(rng: random.Random, labels: list[str]) -> list[Triple]:
    times = [sorted((round(rng.uniform(0, 12), 2), round(rng.uniform(0, 12), 2))) for _ in range(rng.randint(0, 6))]
    return [(onset, offset, rng.choice(labels)) for onset, offset in times if onset < offset]


def test_counts_equal_sed_evals() -> None:
    rng = random.Random(0)
    references = [random_events(rng, LABELS[:3]) for _ in range(60)]
    answers = [random_events(rng, [LABELS[1], *LABELS[1:]]) for _ in references]  # bell is never answered
    theirs = sed_eval.sound_event.SegmentBasedMetrics(LABELS, time_resolution=1.0)
    theirs.empty_system_output_handling = "zero_score"

    def listed(events: list[Triple]) -> list[dict]:
        return [{"filename": "a", "onset": on, "offset": off, "event_label": label} for on, off, label in events]

    for reference, estimate in zip(references, answers, strict=True):
        if reference or estimate:
            theirs.evaluate(listed(reference), listed(estimate))
    pairs = [
        (answer(*estimate), example(*reference, id_=str(n)))
        for n, (reference, estimate) in enumerate(zip(references, answers, strict=True))
    ]
    ours = score([segment_based_f1(LABELS)], pairs).values
    assert ours["Sb-F1/micro"] == pytest.approx(100 * theirs.results_overall_metrics()["f_measure"]["f_measure"])
    macro = theirs.results_class_wise_average_metrics()["f_measure"]["f_measure"]
    assert ours["Sb-F1"] == pytest.approx(100 * macro)
    assert 20 < ours["Sb-F1"] < 60
