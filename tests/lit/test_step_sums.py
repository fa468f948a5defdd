from __future__ import annotations

import pytest
import torch

from timepro_lit.lit.step_sums import Step, StepSums, Sums


def step_of(weights: list[float], others: list[Sums] | None = None) -> Step:
    """A process's micro-batches, beside the sums of other processes."""
    sums = StepSums(lambda mine: [mine, *(others or [])])
    for weight in weights:
        sums.end_micro_batch(weight)
    assert sums.num_micro_batches == len(weights)
    step = sums.close()
    assert sums.num_micro_batches == 0
    return step


def accumulated(means: list[float], weights: list[float]) -> float:
    """The gradient that one process has at the end of a step."""
    return sum(m * w for m, w in zip(means, weights, strict=True)) / len(weights)


def test_micro_batches_weigh_what_they_hold() -> None:
    for means, weights in (([1.0, 5.0, 3.0], [10, 2, 4]), ([2.0, 0.5], [1, 7]), ([0.0, 4.0], [0, 5])):
        of_all = sum(m * w for m, w in zip(means, weights, strict=True)) / sum(weights)
        assert accumulated(means, weights) * step_of(weights).factor(len(weights)) == pytest.approx(of_all)


def test_processes_that_hold_unequally_much() -> None:
    """Data parallelism averages over processes what each has divided by its number of micro-batches."""
    step = step_of([3, 1], others=[Sums(totals={"": 8.0, "skipped": 3.0})])
    gradients = accumulated([1.0, 2.0], [3, 1]), accumulated([3.0, 0.0], [8, 0])
    assert sum(gradients) / 2 * step.factor(2) == pytest.approx((3 * 1 + 1 * 2 + 8 * 3) / 12)
    assert (step.weight, step.num_processes, step.skipped) == (12, 2, 3)


def test_a_step_without_anything_changes_nothing() -> None:
    assert step_of([0, 0]).factor(2) == 1.0


def test_means_totals_and_peaks_of_all_micro_batches_and_processes() -> None:
    means = {"loss": (30.0, 10.0), "grpo/sed/reward": (1.0, 2.0)}
    other = Sums(means, {"skipped": 0.0, "tokens": 5.0}, {"memory": 3.0})
    sums = StepSums(lambda mine: [mine, other])
    sums.note("loss", torch.tensor(1.0, requires_grad=True), 4)
    sums.note("loss", 2.0, 6)
    sums.note("reward", torch.tensor(0.25), 2)
    sums.note("switched_std", 0.0, 0)  # of nothing
    sums.add("tokens", torch.tensor(7))
    sums.add("tokens", 2)
    for memory in (4.0, 2.0):
        sums.peak("memory", memory)
    sums.end_micro_batch(10)
    sums.read()
    step = sums.close()
    assert step.means == {"grpo/sed/reward": 0.5, "loss": (4 * 1 + 6 * 2 + 30) / 20, "reward": 0.25}
    assert (step.totals, step.peaks, step.weight) == ({"tokens": 14.0}, {"memory": 4.0}, 10)
