from __future__ import annotations

import pytest

from timepro_lit.lit.step_mean import StepMean


def accumulated(step_mean: StepMean, means: list[float], weights: list[int]) -> float:
    """The gradient that one process has at the end of a step."""
    for weight in weights:
        step_mean.add(weight)
    return sum(m * w for m, w in zip(means, weights, strict=True)) / len(weights)


def test_micro_batches_weigh_what_they_hold() -> None:
    step_mean = StepMean(lambda value: value)
    for means, weights in (([1.0, 5.0, 3.0], [10, 2, 4]), ([2.0, 0.5], [1, 7]), ([0.0, 4.0], [0, 5])):
        gradient = accumulated(step_mean, means, weights)
        of_all = sum(m * w for m, w in zip(means, weights, strict=True)) / sum(weights)
        assert gradient * step_mean.close(len(weights)) == pytest.approx(of_all)


def test_a_step_of_fewer_micro_batches_than_it_is_divided_by() -> None:
    step_mean = StepMean(lambda value: value)
    step_mean.add(4)
    assert 2.5 * 4 / 3 * step_mean.close(3) == pytest.approx(2.5)


def test_processes_that_hold_unequally_much() -> None:
    """Data parallelism averages over processes what each has divided by its number of micro-batches."""
    means, weights = ([1.0, 2.0], [3.0, 0.0]), ([3, 1], [8, 0])
    step_mean = StepMean(lambda value: (4 + 8) / 2)
    gradients = [accumulated(step_mean, m, w) for m, w in zip(means, weights, strict=True)]
    assert sum(gradients) / 2 * step_mean.close(2) == pytest.approx((3 * 1 + 1 * 2 + 8 * 3) / 12)


def test_a_step_without_anything_changes_nothing() -> None:
    step_mean = StepMean(lambda value: value)
    step_mean.add(0)
    assert step_mean.num_micro_batches == 1
    assert step_mean.close(1) == 1.0
    assert step_mean.num_micro_batches == 0
