from __future__ import annotations

import pytest

from timepro_lit.lit.step_mean import StepMean


def test_micro_batches_weigh_what_they_hold() -> None:
    step_mean = StepMean(lambda value: value)
    for means, weights in (([1.0, 5.0, 3.0], [10, 2, 4]), ([2.0, 0.5], [1, 7]), ([0.0, 4.0], [0, 5])):
        shares = [step_mean.share(weight) for weight in weights]
        gradient = sum(m * share for m, share in zip(means, shares, strict=True)) / 3  # an epoch may end early
        of_all = sum(m * w for m, w in zip(means, weights, strict=True)) / sum(weights)
        assert gradient * step_mean.close(accumulation=3) == pytest.approx(of_all)


def test_what_held_as_much_as_the_step_before_needs_no_correction() -> None:
    step_mean = StepMean(lambda value: value)
    for weight in (4, 4, 6, 2):
        step_mean.share(weight)
    step_mean.close(4)
    for weight in (1, 7, 4, 4):
        step_mean.share(weight)
    assert step_mean.close(4) == 1.0


def test_processes_that_hold_unequally_much() -> None:
    """Data parallelism averages over processes what each has divided by its number of micro-batches."""
    weights, means = ([3, 1], [8, 0]), ([1.0, 2.0], [3.0, 0.0])
    of_both = iter([(3 + 8) / 2, (4 + 8) / 2])  # first weights, sums of weights
    shared = StepMean(lambda value: next(of_both))
    for weight in weights[0]:
        shared.share(weight)
    shares = [[weight / shared.expected for weight in of_process] for of_process in weights]
    gradients = [sum(m * s for m, s in zip(*pair, strict=True)) / 2 for pair in zip(means, shares, strict=True)]
    assert sum(gradients) / 2 * shared.close(accumulation=2) == pytest.approx((3 * 1 + 1 * 2 + 8 * 3) / 12)


def test_a_step_without_anything_changes_nothing() -> None:
    step_mean = StepMean(lambda value: value)
    assert step_mean.share(0) == 0.0
    assert step_mean.close(1) == 1.0
    assert step_mean.share(5) == 1.0
