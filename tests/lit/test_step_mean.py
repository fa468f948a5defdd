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
    weights, means, gradients = {0: [3, 1], 1: [8, 0]}, {0: [1.0, 2.0], 1: [3.0, 0.0]}, []
    sums = iter([11.0, 2.0])  # of the first weights, and of the processes

    def of_both(value: float) -> float:
        return next(sums, 2.0 if value == 1.0 else 12.0)

    step_mean = StepMean(of_both)
    shares = {0: [step_mean.share(w) for w in weights[0]]}
    shares[1] = [w / (11 / 2) for w in weights[1]]
    gradients = [sum(m * s for m, s in zip(means[rank], shares[rank], strict=True)) / 2 for rank in (0, 1)]
    assert sum(gradients) / 2 * step_mean.close(2) == pytest.approx((3 * 1 + 1 * 2 + 8 * 3) / 12)


def test_a_step_without_anything_changes_nothing() -> None:
    step_mean = StepMean(lambda value: value)
    assert step_mean.share(0) == 0.0
    assert step_mean.close(1) == 1.0
    assert step_mean.share(5) == 1.0
