from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from timepro_lit.data.global_batches import GlobalBatches, apportion, limit_per_task

LENGTHS = [float(length) for length in np.random.default_rng(0).integers(10, 750, 103)]
TASKS = ["ag"] * 60 + ["sed"] * 33 + ["dac"] * 10


def drawn(epoch: int = 0, seed: int = 0, weights: dict[str, float] | None = None) -> list[list[int]]:
    return [rows.tolist() for rows in GlobalBatches(LENGTHS, TASKS, 8, seed, weights).epoch(epoch)]


def flat(steps: list[list[int]]) -> list[int]:
    return [row for rows in steps for row in rows]


def test_an_epoch_takes_every_row_once_in_steps_of_exactly_the_batch_size() -> None:
    steps = drawn()
    assert sorted(flat(steps)) == list(range(103))
    assert [len(rows) for rows in steps] == [8] * 12 + [7]
    assert len(GlobalBatches(LENGTHS, TASKS, 8, 0)) == 13
    assert steps == drawn()
    assert steps not in (drawn(epoch=1), drawn(seed=1))
    assert sorted(flat(drawn(epoch=1))) == list(range(103))


def test_the_mix_of_each_step_is_that_of_a_random_draw() -> None:
    """Also where every task has lengths of its own, which sorting by length would keep apart."""
    num = {"ag": 5_000, "dac": 3_800, "sed": 1_200}
    tasks = [name for name, count in num.items() for _ in range(count)]
    rng = np.random.default_rng(1)
    means = {"ag": 600.0, "dac": 800.0, "sed": 700.0}
    lengths = np.array([means[name] for name in tasks]) + rng.integers(0, 60, len(tasks))
    steps = GlobalBatches(lengths, tasks, 64, seed=0).epoch(0)[:-1]
    num_sed = np.array([sum(tasks[row] == "sed" for row in rows) for rows in steps])
    spread = np.sqrt(64 * 0.12 * 0.88)  # of a binomial draw
    assert num_sed.mean() == pytest.approx(64 * 0.12, abs=0.1)
    assert 0.85 * spread < num_sed.std() < 1.15 * spread
    assert (num_sed == 0).mean() < 0.01
    assert abs(np.corrcoef(num_sed, range(len(steps)))[0, 1]) < 0.25


def test_clips_of_a_step_are_about_equally_long_and_steps_come_in_random_order() -> None:
    lengths = [float(length) for length in np.random.default_rng(1).permutation(640)]
    steps = [[lengths[row] for row in rows] for rows in GlobalBatches(lengths, ["ag"] * 640, 8, seed=0).epoch(0)]
    assert np.mean([max(rows) - min(rows) for rows in steps]) < 640 / 8  # eight random ones spread over 498
    means = [np.mean(rows) for rows in steps]
    assert abs(np.corrcoef(means, range(len(means)))[0, 1]) < 0.5


def test_weights_set_the_share_of_a_task_and_rotate_through_it() -> None:
    weights = {"ag": 1.0, "sed": 1.0, "dac": 2.0}
    assert GlobalBatches(LENGTHS, TASKS, 8, 0, weights).most_often.max() == 6
    seen: Counter[int] = Counter()
    for epoch in range(10):
        rows = flat(drawn(epoch, weights=weights))
        assert Counter(TASKS[row] for row in rows) == {"dac": 51, "sed": 26, "ag": 26}
        counts = Counter(rows)
        assert {counts[row] for row in range(93, 103)} == {5, 6}  # 51 draws of 10 examples
        assert {counts[row] for row in range(60)} == {0, 1}
        seen += counts
    assert all(seen[row] > 0 for row in range(103))


def test_a_repeated_row_comes_once_a_step() -> None:
    batches = GlobalBatches(range(80), ["ag"] * 60 + ["dac"] * 20, 8, 0, {"ag": 1.0, "dac": 1.0})
    steps = [rows.tolist() for epoch in range(20) for rows in batches.epoch(epoch)]
    assert [rows for rows in steps if len(set(rows)) < 8] == []


def test_apportioning_is_exact() -> None:
    assert apportion(10, {"a": 1, "b": 1, "c": 1}, {"a": 5, "b": 3, "c": 2}) == {"a": 4, "b": 3, "c": 3}
    assert apportion(7, {"a": 3, "b": 0.5}, {"a": 5, "b": 2}) == {"a": 6, "b": 1}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: GlobalBatches(LENGTHS, TASKS, 0, 0), "batch_size is 0"),
        (lambda: GlobalBatches([], [], 8, 0), "there are no training examples"),
        (lambda: drawn(weights={"ag": 1, "sed": 1}), r"weights are given for \['ag', 'sed'\]"),
        (lambda: drawn(weights={"ag": 1, "sed": 1, "dac": 0}), r"weights\.dac is 0"),
        (lambda: drawn(weights={"ag": 1, "sed": 1, "dac": float("nan")}), r"weights\.dac is nan"),
    ],
)
def test_settings_that_cannot_work_are_named(make: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()  # type: ignore[operator]


def test_a_limit_keeps_order_and_nests_and_minds_its_own_task() -> None:
    ids = [f"{task}-{i}" for i, task in enumerate(TASKS)]
    small, large = limit_per_task(ids, TASKS, 5, seed=0).tolist(), limit_per_task(ids, TASKS, 20, seed=0).tolist()
    assert Counter(TASKS[place] for place in small) == {"ag": 5, "sed": 5, "dac": 5}
    assert Counter(TASKS[place] for place in large) == {"ag": 20, "sed": 20, "dac": 10}
    assert small == sorted(small)
    assert set(small) < set(large)
    assert [place + 60 for place in limit_per_task(ids[60:], TASKS[60:], 5, seed=0)] == small[5:]
    assert limit_per_task(ids, TASKS, 5, seed=1).tolist() != small
