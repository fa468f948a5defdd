from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
import sed_eval

from tests.hangs import at_most
from timepro_lit.events.intervals import iou
from timepro_lit.events.matching import count_matches, hits, match_by_iou
from timepro_lit.records import Event

LABELS = ["bell", "dog", "speech"]


def dogs(*times: tuple[float, float]) -> list[Event]:
    return [Event(onset, offset, "dog") for onset, offset in times]


def test_collars_by_hand():
    reference = Event(1.0, 2.0, "dog")
    assert hits(reference, Event(1.2, 2.0, "dog"))  # exactly on the collar, and representable so
    assert not hits(reference, Event(1.21, 2.0, "dog"))
    assert hits(reference, Event(0.8, 1.8, "dog"))
    assert not hits(reference, Event(1.0, 2.21, "dog"))


def test_offset_collar_grows_with_the_reference_alone():
    long, shorter = Event(0.0, 10.0, "dog"), Event(0.0, 8.1, "dog")
    assert hits(long, shorter)  # 1.9 <= 0.2 * 10
    assert not hits(shorter, long)  # 1.9 > 0.2 * 8.1
    assert not hits(long, shorter, offset_collar_rate=0.0)


def test_no_epsilon_on_the_collar():
    assert not hits(Event(4.0, 5.0, "dog"), Event(4.2, 5.0, "dog"))  # 4.2 - 4.0 = 0.20000000000000018


@pytest.mark.parametrize("times", [(math.nan, 1.1), (1.0, math.inf), (1.1, 1.0), (1.0, 1.0), (-math.inf, 1.1)])
def test_improper_estimates_hit_nothing(times):
    assert count_matches(dogs((1.0, 1.1)), dogs(times)) == 0


def test_labels_matter_only_when_asked():
    reference, estimate = [Event(1.0, 2.0, "dog")], [Event(1.0, 2.0, "bell")]
    assert count_matches(reference, estimate) == 0
    assert count_matches(reference, estimate, match_labels=False) == 1


def test_matching_is_optimal_not_greedy():
    reference, estimate = dogs((1.0, 2.0), (1.15, 2.15)), dogs((1.10, 2.10), (0.85, 1.90))
    assert count_matches(reference, estimate) == 2


def test_long_chain_of_reassignments():
    # estimate k fits references k and k + 1; only one assignment pairs all, and each step moves the whole chain
    reference = dogs(*((0.3 * k, 0.3 * k + 0.5) for k in range(256)))
    estimate = dogs(*((0.3 * k - 0.15, 0.3 * k + 0.35) for k in range(256)))
    assert count_matches(reference, estimate) == 256
    assert count_matches(reference[::-1], estimate) == 256


def random_events(rng: random.Random) -> list[Event]:
    count = rng.choice([0, 1, 2, 3, 5, 9])
    onsets = [rng.randint(0, 40) / 10 for _ in range(count)]  # a coarse grid, so that collars are met exactly
    return [Event(onset, onset + rng.randint(1, 30) / 10, rng.choice(LABELS)) for onset in onsets]


def sed_eval_counts(reference: list[Event], estimate: list[Event], rate: float) -> dict[str, float]:
    metric = sed_eval.sound_event.EventBasedMetrics(LABELS, t_collar=0.2, percentage_of_length=rate)
    metric.evaluate(
        [{"filename": "a", "onset": e.onset, "offset": e.offset, "event_label": e.label} for e in reference],
        [{"filename": "a", "onset": e.onset, "offset": e.offset, "event_label": e.label} for e in estimate],
    )
    return metric.overall


@pytest.mark.filterwarnings("ignore")
def test_true_positives_equal_sed_eval():
    rng = random.Random(0)
    for case in range(300):
        rate = (0.0, 0.2, 0.5)[case % 3]
        reference, estimate = random_events(rng), random_events(rng)
        if case % 2 and reference:  # near copies, so that many hits compete
            estimate = [
                Event(e.onset + rng.randint(-3, 3) / 10, e.offset + rng.randint(-2, 2) / 10, e.label)
                for e in reference
                for _ in range(rng.randint(0, 2))
            ]
            estimate = [e for e in estimate if e.offset > e.onset]
        if not reference and not estimate:
            continue
        expected = sed_eval_counts(reference, estimate, rate)["Ntp"]
        assert count_matches(reference, estimate, offset_collar_rate=rate) == expected


def test_hostile_number_of_estimates_is_quick():
    with at_most():
        assert count_matches(dogs(*[(1.0, 2.0)] * 20), dogs(*[(1.1, 2.1)] * 256)) == 20
        assert len(match_by_iou(dogs(*[(1.0, 2.0)] * 20), dogs(*[(1.1, 2.1)] * 256))) == 20


def test_match_by_iou_takes_the_greatest_total():
    reference, estimate = dogs((0.0, 10.0), (2.0, 10.0)), dogs((2.0, 9.0), (1.0, 10.0), (20.0, 21.0))
    assert match_by_iou(reference, estimate) == [(0, 1), (1, 0)]  # though (1, 1) is a better pair than (1, 0)
    assert match_by_iou(dogs((0.0, 2.0)), dogs((0.0, 0.9))) == []
    assert match_by_iou([], estimate) == match_by_iou(reference, []) == []


def test_match_by_iou_equals_brute_force():
    rng = random.Random(2)
    for _ in range(150):
        reference, estimate = (
            dogs(*((on, on + rng.uniform(0.5, 2.0)) for on in (rng.uniform(0, 3) for _ in range(rng.randint(1, 5)))))
            for _ in range(2)
        )
        worth = np.array([[iou((r.onset, r.offset), (e.onset, e.offset)) for e in estimate] for r in reference])
        worth[worth < 0.3] = 0.0
        wide = worth if worth.shape[0] <= worth.shape[1] else worth.T
        best = max(
            sum(wide[i, j] for i, j in enumerate(columns))
            for columns in itertools.permutations(range(wide.shape[1]), wide.shape[0])
        )
        pairs = match_by_iou(reference, estimate, min_iou=0.3)
        assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
        assert sum(worth[i, j] for i, j in pairs) == pytest.approx(best)
