from __future__ import annotations

import numpy as np
import pytest

from timepro_lit.data.division import ByRows, ByTokens, pack, smallest_budget
from timepro_lit.data.global_batches import GlobalBatches

RNG = np.random.default_rng(0)
NUM = 4_000
TASKS = RNG.choice(["ag", "sed", "dac"], NUM, p=[0.5, 0.12, 0.38])
LENGTHS = {
    "10 s": np.full(NUM, 500.0) + RNG.integers(60, 400, NUM),
    "1 to 30 s": RNG.uniform(50, 1500, NUM) + RNG.integers(60, 400, NUM),
    "mostly 10 s": np.where(RNG.random(NUM) < 0.8, 500.0, RNG.uniform(50, 1500, NUM)) + RNG.integers(60, 400, NUM),
    "one of 300 s": np.array([15_000.0] + [600.0] * (NUM - 1)),
}


@pytest.mark.parametrize("name", LENGTHS)
def test_the_same_rows_are_divided_among_any_number_of_processes(name: str) -> None:
    lengths = LENGTHS[name]
    steps = GlobalBatches(lengths, TASKS, 64, seed=0)
    epoch = steps.epoch(0)
    for num_processes in (1, 2, 3, 8, 32, 64):
        for division in (ByTokens(lengths, 4096), ByRows(lengths, 4)):
            most = division.num_micro_batches(steps, num_processes)
            padded, shares = 0.0, []
            for rows in epoch:
                divided = division(rows, num_processes, most)
                parts = [part for of_process in divided for part in of_process]
                assert sorted(np.concatenate(parts)) == sorted(rows)
                assert len(divided) == num_processes
                assert all(len(part) for part in parts)
                assert max(len(of_process) for of_process in divided) <= most
                costs = [[len(part) * lengths[part].max() for part in of_process] for of_process in divided]
                padded += sum(map(sum, costs))
                if len(rows) == 64:
                    shares.append(max(map(sum, costs)) / sum(map(sum, costs)) * num_processes)
                if isinstance(division, ByRows):
                    assert max(map(len, parts)) <= 4
                else:
                    assert all(cost <= 4096 or cost == 15_000.0 for of_process in costs for cost in of_process)
            if isinstance(division, ByTokens):
                assert lengths[np.concatenate(epoch)].sum() > 0.95 * padded
                if num_processes <= 8 and name != "one of 300 s":
                    assert np.mean(shares) < 1.15  # the slowest process beside the mean


def test_a_row_over_the_budget_is_a_micro_batch_of_its_own() -> None:
    division = ByTokens([5, 50, 5, 60], max_tokens=10)
    assert sorted(sorted(part) for part in division(np.arange(4), 1, 4)[0]) == [[0, 2], [1], [3]]


def test_few_rows_leave_processes_with_nothing() -> None:
    for division in (ByRows([3.0, 2.0, 1.0], 2), ByTokens([3.0, 2.0, 1.0], 100)):
        assert sorted(len(of_process) for of_process in division(np.arange(3), 4, 1)) == [0, 1, 1, 1]


def test_padding_is_paid_with_more_micro_batches() -> None:
    lengths = np.array([100.0] * 4 + [10.0] * 4)
    together, apart = ByTokens(lengths, 800)(np.arange(8), 1, 1), ByTokens(lengths, 800)(np.arange(8), 1, 2)
    assert [len(part) for part in together[0]] == [8]
    assert [sorted(part) for part in apart[0]] == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_packing_needs_as_few_parts_as_can_be() -> None:
    assert pack(np.array([9.0, 3, 2, 2, 1]), 6) == [1, 3, 5]
    assert pack(np.array([0.0, 0.0]), 6) == [2]
    assert smallest_budget(np.array([4.0] * 4), 100, 2) == 8.0
    assert smallest_budget(np.array([4.0] * 4), 6, 2) == 6


@pytest.mark.parametrize(
    ("make", "says"),
    [(lambda: ByRows([1.0], 0), "micro_batch_size is 0"), (lambda: ByTokens([1.0], 0), "max_tokens is 0")],
)
def test_sizes_that_cannot_work_are_named(make: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()  # type: ignore[operator]
