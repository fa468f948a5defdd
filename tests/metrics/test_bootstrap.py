from __future__ import annotations

import numpy as np
import pytest

from timepro_lit.metrics import bootstrap
from timepro_lit.metrics.base import ratio
from timepro_lit.metrics.bootstrap import resample


def bootstrap_interval(rows, statistic, num_resamples=1000, seed=0, level=0.95):
    trainings = [resample(one, statistic, num_resamples, seed) for one in rows]
    return bootstrap.bootstrap_interval(trainings, seed, level)


def paired_bootstrap_interval(rows, baseline, statistic, same_trainings=False):
    resampled, of_baseline = ([resample(one, statistic) for one in of] for of in (rows, baseline))
    return bootstrap.paired_bootstrap_interval(resampled, of_baseline, same_trainings=same_trainings)


def mean(sums):
    return {"mean": ratio(sums[..., 1], sums[..., 0])}


def rows_of(values):
    return np.stack([np.ones(len(values)), np.asarray(values, dtype=float)], axis=1)


def test_interval_of_a_mean_is_the_normal_one():
    values = np.random.default_rng(0).normal(5.0, 2.0, 400)
    low, high = bootstrap_interval([rows_of(values)], mean, num_resamples=2000)["mean"]
    half = 1.96 * values.std() / 20.0
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)


def test_equals_drawing_clips_one_by_one_for_a_ratio_of_sums():
    rng = np.random.default_rng(1)
    references, hits = rng.integers(1, 6, 80), rng.integers(0, 2, 80)
    rows = np.stack([references, hits], axis=1).astype(float)
    low, high = bootstrap_interval([rows], mean, num_resamples=4000)["mean"]
    draws = rng.integers(0, 80, (4000, 80))
    expected = np.quantile(hits[draws].sum(1) / references[draws].sum(1), [0.025, 0.975])
    assert (low, high) == pytest.approx(tuple(expected), abs=0.006)


def test_about_95_of_100_intervals_hold_the_truth():
    rng = np.random.default_rng(2)
    held = 0
    for seed in range(100):
        low, high = bootstrap_interval([rows_of(rng.normal(1.0, 1.0, 50))], mean, 200, seed)["mean"]
        held += low <= 1.0 <= high
    assert 87 <= held <= 99


def test_pairing_removes_what_both_systems_share():
    rng = np.random.default_rng(3)
    difficulty, gain = rng.normal(0.0, 10.0, 300), rng.normal(1.0, 0.5, 300)
    low, high = paired_bootstrap_interval([rows_of(difficulty + gain)], [rows_of(difficulty)], mean)["mean"]
    assert 0.9 < low < 1.0 < high < 1.1
    same = paired_bootstrap_interval([rows_of(difficulty)], [rows_of(difficulty)], mean)["mean"]
    assert same == (0.0, 0.0)


def test_seed_and_level_matter():
    rows = rows_of(np.random.default_rng(4).normal(0.0, 1.0, 50))
    assert bootstrap_interval([rows], mean, seed=1) == bootstrap_interval([rows], mean, seed=1)
    assert bootstrap_interval([rows], mean, seed=1) != bootstrap_interval([rows], mean, seed=2)
    (low, high), (lower, higher) = (bootstrap_interval([rows], mean, level=level)["mean"] for level in (0.5, 0.99))
    assert lower < low < high < higher


def test_seeds_are_drawn_as_well_and_share_the_drawn_clips():
    """Trainings of one method whose clips never vary differ by their seed alone."""
    constant = [rows_of(np.full(40, value)) for value in (1.0, 2.0, 6.0)]
    low, high = bootstrap_interval(constant, mean, num_resamples=4000, level=0.9)["mean"]
    drawn = np.random.default_rng(7).choice([1.0, 2.0, 6.0], (4000, 3)).mean(axis=1)
    assert (low, high) == pytest.approx(tuple(np.quantile(drawn, [0.05, 0.95])), abs=0.35)
    clips = np.random.default_rng(5).normal(0.0, 1.0, 60)
    alike = bootstrap_interval([rows_of(clips)] * 5, mean)["mean"]
    assert alike == pytest.approx(bootstrap_interval([rows_of(clips)], mean)["mean"])  # nothing but the clips varies


def test_trainings_from_the_same_seeds_are_drawn_together():
    spread = [rows_of(np.full(40, value)) for value in (1.0, 5.0, 9.0)]
    gained = [rows_of(np.full(40, value + 1.0)) for value in (1.0, 5.0, 9.0)]
    together = paired_bootstrap_interval(gained, spread, mean, same_trainings=True)["mean"]
    assert together == pytest.approx((1.0, 1.0))
    low, high = paired_bootstrap_interval(gained, spread, mean)["mean"]
    assert low < -2.0 and high > 4.0


def test_undefined_resamples_are_left_out():
    rows = np.array([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])  # 8 of 27 resamples never draw the only defined clip
    assert bootstrap_interval([rows], mean)["mean"] == (1.0, 1.0)
    assert np.isnan(bootstrap_interval([np.zeros((3, 2))], mean)["mean"]).all()


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="not 0 and 1000"):
        bootstrap_interval([np.zeros((0, 2))], mean)
    with pytest.raises(ValueError, match="needs trainings"):
        bootstrap_interval([], mean)
    with pytest.raises(ValueError, match="between 0 and 1, not at 95"):
        bootstrap_interval([rows_of([1.0, 2.0])], mean, level=95)
