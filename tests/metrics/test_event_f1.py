from __future__ import annotations

import math
import random

import pytest
import sed_eval

from timepro_lit.metrics.event_f1 import EventF1
from timepro_lit.metrics.summed import Summed
from timepro_lit.records import Event, Example, Prediction

LABELS = ["bell", "dog", "speech", "unheard"]


def example(name: str, *events: tuple[float, float, str]) -> Example:
    return Example(id=name, task="sed", audio=f"{name}.flac", duration_s=10.0, events=tuple(Event(*e) for e in events))


def answer(*events: tuple[float, float, str], readable: bool = True) -> Prediction:
    return Prediction(events=tuple(Event(*e) for e in events), readable=readable)


def compute(metric: EventF1, answers: list[Prediction], examples: list[Example]) -> dict[str, float]:
    return {name: float(value) for name, value in metric.values(metric.rows(answers, examples).sum(axis=0)).items()}


def test_macro_is_a_ratio_of_sums_per_class():
    examples = [example("a", (1.0, 2.0, "dog"), (5.0, 6.0, "dog")), example("b", (1.0, 2.0, "dog"), (3.0, 4.0, "bell"))]
    answers = [answer((1.0, 2.0, "dog")), answer((1.0, 2.0, "dog"), (7.0, 8.0, "dog"))]
    scores = compute(EventF1(classes=["bell", "dog"]), answers, examples)
    # dog: 2 hits of 3 references and 3 estimates; bell: never answered, counts 0
    assert scores["Eb-F1"] == pytest.approx(100 * (2 / 3 + 0) / 2)
    assert scores["Eb-F1/micro"] == pytest.approx(100 * 4 / 7)


def test_class_without_reference_is_left_out_of_macro_but_not_of_micro():
    scores = compute(
        EventF1(classes=["bell", "dog"]),
        [answer((1.0, 2.0, "dog"), (1.0, 2.0, "bell"), (1.0, 2.0, "no such class"))],
        [example("a", (1.0, 2.0, "dog"))],
    )
    assert scores["Eb-F1"] == 100.0
    assert scores["Eb-F1/micro"] == 50.0


def test_collar_rates_beside_the_headline():
    scores = compute(
        EventF1(classes=["dog"]),
        [answer((0.0, 9.0, "dog")), answer((0.0, 6.0, "dog")), answer((0.0, 10.0, "dog"))],
        [example(name, (0.0, 10.0, "dog")) for name in "abc"],
    )
    assert scores["Eb-F1/p0"] == pytest.approx(100 / 3)
    assert scores["Eb-F1"] == pytest.approx(200 / 3)
    assert scores["Eb-F1/p0.5"] == scores["Eb-F1/micro/p0.5"] == 100.0


def test_without_classes_labels_are_ignored():
    scores = compute(EventF1(), [answer((1.0, 2.0, "a hound"))], [example("a", (1.0, 2.0, "a dog barks"))])
    assert scores == {"Eb-F1": 100.0, "Eb-F1/p0": 100.0, "Eb-F1/p0.5": 100.0}


def test_unreadable_answers_hold_no_events():
    examples = [example("a", (1.0, 2.0, "dog")), example("b", (1.0, 2.0, "dog"))]
    scores = compute(EventF1(classes=["dog"]), [answer((1.0, 2.0, "dog")), answer(readable=False)], examples)
    assert scores["Eb-F1"] == pytest.approx(100 * 2 / 3)
    assert EventF1().clip_scores(answer(readable=False), examples[0]) == {"Eb-F1": 0.0}


def test_nothing_to_average_is_nan():
    assert math.isnan(compute(EventF1(classes=["dog"]), [answer()], [example("a")])["Eb-F1"])


@pytest.mark.parametrize("classes", [[], ["dog", "dog"]])
def test_bad_classes_are_refused(classes):
    with pytest.raises(ValueError, match="non-empty list of distinct names"):
        EventF1(classes=classes)


def random_events(rng: random.Random) -> list[Event]:
    onsets = [rng.randint(0, 60) / 10 for _ in range(rng.choice([0, 1, 2, 4]))]
    return [Event(on, on + rng.randint(1, 30) / 10, rng.choice(LABELS[:3])) for on in onsets]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("rate", "suffix"), [(0.2, ""), (0.0, "/p0"), (0.5, "/p0.5")])
def test_data_set_scores_equal_sed_eval(rate, suffix):
    rng = random.Random(3)
    oracle = sed_eval.sound_event.EventBasedMetrics(
        LABELS, t_collar=0.2, percentage_of_length=rate, empty_system_output_handling="zero_score"
    )
    metric = Summed(EventF1(classes=LABELS))
    for clip in range(60):
        reference = random_events(rng)
        estimate = [
            Event(max(0.0, e.onset + rng.choice([-1, 0, 0, 3]) / 10), e.offset + rng.choice([0, 0, 2, 9]) / 10, e.label)
            for e in reference
        ] + random_events(rng)[:1]
        rows = [
            [{"filename": "a", "onset": e.onset, "offset": e.offset, "event_label": e.label} for e in events]
            or [{"filename": "a"}]
            for events in (reference, estimate)
        ]
        oracle.evaluate(*rows)
        metric.update([Prediction(tuple(estimate), True)], [example(str(clip), *(_triple(e) for e in reference))])
    scores = metric.compute()
    macro = oracle.results_class_wise_average_metrics()["f_measure"]["f_measure"]
    micro = oracle.results_overall_metrics()["f_measure"]["f_measure"]
    assert 0.1 < macro < 0.9
    assert float(scores["Eb-F1" + suffix]) == pytest.approx(100 * macro)
    assert float(scores["Eb-F1/micro" + suffix]) == pytest.approx(100 * micro)


def _triple(event: Event) -> tuple[float, float, str]:
    return event.onset, event.offset, event.label


def crowded_events(rng: random.Random) -> list[Event]:
    """0 to 20 events on a grid of tenths, so that collars are met exactly; many overlap, labels may be absent."""
    labels = rng.sample(LABELS, rng.randint(1, len(LABELS)))
    onsets = [rng.randint(0, 90) / 10 for _ in range(rng.choice([0, 1, 2, 4, 8, 20]))]
    return [Event(on, on + rng.randint(1, 40) / 10, rng.choice(labels)) for on in onsets]


def answered(reference: list[Event], rng: random.Random) -> list[Event]:
    """Events near those of the reference, some of another label, some missing, some invented; or all invented."""
    if rng.random() < 0.2:
        return crowded_events(rng)
    near = []
    for e in reference:
        onset = max(0.0, e.onset + rng.choice([-0.3, -0.2, 0.0, 0.0, 0.1, 0.2]))
        offset = max(onset + 0.1, e.offset + rng.choice([-0.4, -0.2, 0.0, 0.0, 0.2, 0.5]))
        near += [Event(onset, offset, e.label if rng.random() < 0.8 else rng.choice(LABELS))] * rng.choice([0, 1, 1, 2])
    return near + crowded_events(rng)[: rng.randint(0, 2)]


@pytest.mark.filterwarnings("ignore")
def test_five_thousand_random_clips_count_as_in_sed_eval():
    rng = random.Random(11)
    for _ in range(50):
        sizes = {"t_collar": 0.2, "empty_system_output_handling": "zero_score"}
        oracles = {
            suffix: sed_eval.sound_event.EventBasedMetrics(LABELS, percentage_of_length=rate, **sizes)
            for suffix, rate in (("", 0.2), ("/p0", 0.0), ("/p0.5", 0.5))
        }
        metric = Summed(EventF1(classes=LABELS))
        for clip in range(100):
            reference = crowded_events(rng)
            estimate = answered(reference, rng)
            rows = [
                [{"filename": "a", "onset": e.onset, "offset": e.offset, "event_label": e.label} for e in events]
                or [{"filename": "a"}]
                for events in (reference, estimate)
            ]
            for oracle in oracles.values():
                oracle.evaluate(*rows)
            metric.update([Prediction(tuple(estimate), True)], [example(str(clip), *(_triple(e) for e in reference))])
        counts = metric.sums.reshape(len(LABELS) + 1, -1).tolist()
        values = metric.metric.values(metric.sums.numpy())
        for column, (suffix, oracle) in enumerate(oracles.items(), start=2):
            for label, row in zip(LABELS, counts, strict=False):
                theirs = oracle.class_wise[label]
                false = (row[1] - row[column], row[0] - row[column])  # positives, negatives
                assert (row[column], *false) == (theirs["Ntp"], theirs["Nfp"], theirs["Nfn"])
            macro = oracle.results_class_wise_average_metrics()["f_measure"]["f_measure"]
            micro = oracle.results_overall_metrics()["f_measure"]["f_measure"]
            assert float(values["Eb-F1" + suffix]) == pytest.approx(100 * macro, abs=1e-9)
            assert float(values["Eb-F1/micro" + suffix]) == pytest.approx(100 * micro, abs=1e-9)


def test_shards_add_up_to_the_whole():
    rng = random.Random(4)
    answers = [Prediction(tuple(random_events(rng)), True) for _ in range(21)]
    examples = [example(str(k), *(_triple(e) for e in random_events(rng))) for k in range(21)]
    whole, first, second = (Summed(EventF1(classes=LABELS)) for _ in range(3))
    whole.update(answers, examples)
    first.update(answers[:5], examples[:5])
    second.update(answers[5:], examples[5:])
    second.merge_state(first)
    assert second.sums.tolist() == whole.sums.tolist()
    assert second.compute()["Eb-F1/micro"] == whole.compute()["Eb-F1/micro"]
