from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
from torchdata.stateful_dataloader import StatefulDataLoader

from timepro_lit.data.sampler import EvaluationBatches, TrainingBatches, apportion, limit_per_task

LENGTHS = [float(length) for length in np.random.default_rng(0).integers(10, 750, 103)]
TASKS = ["ag"] * 60 + ["sed"] * 33 + ["dac"] * 10


def training(
    rank: int = 0, world_size: int = 1, batch_size: int = 4, seed: int = 0, weights: dict[str, float] | None = None
) -> TrainingBatches:
    return TrainingBatches(LENGTHS, TASKS, batch_size, seed, weights, shard=lambda: (rank, world_size))


def flat(batches: Iterable[list[int]]) -> list[int]:
    return [index for batch in batches for index in batch]


def test_an_epoch_takes_every_example_once_in_an_order_of_seed_and_epoch() -> None:
    batches = training()
    first, again = list(batches), list(batches)
    assert sorted(flat(first)) == list(range(103))
    assert first == again == list(training())
    assert len(first) == len(batches) == 26
    assert [len(batch) for batch in first] == [4] * 25 + [3]
    batches.set_epoch(1)
    assert sorted(flat(batches)) == list(range(103))
    assert list(batches) != first
    assert list(training(seed=1)) != first


def test_processes_share_an_epoch_without_overlap_in_equally_many_batches() -> None:
    for world_size, num_left_out in ((2, 0), (4, 0), (8, 7)):  # 103 = 3 * 32 + 7, and 7 examples cannot feed 8
        shards = [list(training(rank, world_size)) for rank in range(world_size)]
        assert {len(shard) for shard in shards} == {len(training(0, world_size))}
        used = [index for shard in shards for index in flat(shard)]
        assert len(set(used)) == len(used) == 103 - num_left_out
        assert all(1 <= len(batch) <= 4 for shard in shards for batch in shard)


def test_what_one_epoch_leaves_out_another_takes() -> None:
    left_out = []
    for epoch in range(2):
        shards = [training(rank, 8) for rank in range(8)]
        for shard in shards:
            shard.set_epoch(epoch)
        left_out.append(set(range(103)) - {index for shard in shards for index in flat(shard)})
    assert left_out[0].isdisjoint(left_out[1])


def test_global_batches_do_not_depend_on_the_number_of_processes() -> None:
    alone = [set(batch) for batch in training(batch_size=8)]
    shards = [list(training(rank, 4, batch_size=2)) for rank in range(4)]
    assert [set().union(*batches) for batches in zip(*shards, strict=True)] == alone


def test_batches_hold_similar_lengths_and_come_in_random_order() -> None:
    lengths = [float(length) for length in np.random.default_rng(1).permutation(640)]
    batches = [[lengths[i] for i in batch] for batch in TrainingBatches(lengths, ["ag"] * 640, 8, seed=0)]
    spread = np.mean([max(batch) - min(batch) for batch in batches])
    assert spread < 640 / 8  # eight random ones of 640 spread over 498 on average
    means = [np.mean(batch) for batch in batches]
    assert abs(np.corrcoef(means, range(len(means)))[0, 1]) < 0.5


def test_weights_set_the_share_of_a_task_and_rotate_through_it() -> None:
    batches = training(weights={"ag": 1, "sed": 1, "dac": 2})
    drawn: Counter[int] = Counter()
    for epoch in range(10):
        batches.set_epoch(epoch)
        indices = flat(batches)
        assert Counter(TASKS[i] for i in indices) == {"dac": 51, "sed": 26, "ag": 26}
        counts = Counter(indices)
        assert {counts[i] for i in range(93, 103)} == {5, 6}  # 51 draws of 10 examples
        assert {counts[i] for i in range(60)} == {0, 1}
        drawn += counts
    assert all(drawn[i] > 0 for i in range(103))


def test_apportioning_is_exact() -> None:
    assert apportion(10, {"a": 1, "b": 1, "c": 1}, {"a": 5, "b": 3, "c": 2}) == {"a": 4, "b": 3, "c": 3}
    assert apportion(7, {"a": 3, "b": 0.5}, {"a": 5, "b": 2}) == {"a": 6, "b": 1}


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize(("num_read", "epoch", "num_left"), [(0, 1, 26), (9, 1, 17), (26, 2, 26)])
def test_a_loader_resumes_at_the_next_batch_of_its_epoch(
    num_workers: int, num_read: int, epoch: int, num_left: int
) -> None:
    def loader() -> StatefulDataLoader[list[int]]:
        return StatefulDataLoader(range(103), batch_sampler=training(), collate_fn=list, num_workers=num_workers)

    first = loader()
    first.batch_sampler.set_epoch(1)
    iterator = iter(first)
    for _ in range(num_read):
        next(iterator)
    state = first.state_dict()

    resumed = loader()  # its sampler still stands at epoch 0; the state knows better
    resumed.load_state_dict(state)
    expected = [batch.tolist() for batch in training().batches(epoch)[-num_left:]]
    assert list(resumed) == expected


def test_resuming_into_another_order_is_refused() -> None:
    state = iter(training()).state_dict()
    with pytest.raises(ValueError, match="world_size was 1 and is now 2"):
        iter(training(world_size=2)).load_state_dict(state)
    with pytest.raises(ValueError, match="batch_size was 4 and is now 8"):
        iter(training(batch_size=8)).load_state_dict(state)
    with pytest.raises(ValueError, match="seed was 0 and is now 3"):
        iter(training(seed=3)).load_state_dict(state)


@pytest.mark.parametrize(("world_size", "batch_size"), [(1, 4), (2, 4), (3, 4), (8, 16), (4, 1), (103, 1)])
def test_evaluation_takes_every_example_once_longest_first(world_size: int, batch_size: int) -> None:
    shards = [
        EvaluationBatches(LENGTHS, batch_size, lambda rank=rank: (rank, world_size)) for rank in range(world_size)
    ]
    assert sorted(index for shard in shards for index in flat(shard)) == list(range(103))
    for shard in shards:
        batches = list(shard)
        assert len(batches) == len(shard)
        assert batches == list(shard)
        assert all(1 <= len(batch) <= batch_size for batch in batches)
        lengths = [LENGTHS[index] for index in flat(batches)]
        assert lengths == sorted(lengths, reverse=True)
    num_batches = {len(shard) for shard in shards}
    assert len(num_batches) == 1 or batch_size == 1


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: training(batch_size=0), "batch_size is 0"),
        (lambda: training(weights={"ag": 1, "sed": 1}), r"weights are given for \['ag', 'sed'\]"),
        (lambda: training(weights={"ag": 1, "sed": 1, "dac": 0}), r"weights\.dac is 0"),
        (lambda: training(weights={"ag": 1, "sed": 1, "dac": float("nan")}), r"weights\.dac is nan"),
        (lambda: len(training(world_size=104)), "103 training examples cannot feed 104 processes"),
        (lambda: list(EvaluationBatches(LENGTHS, 1, lambda: (0, 104))), "103 evaluation examples cannot feed 104"),
        (lambda: list(EvaluationBatches(LENGTHS, 0)), "batch_size is 0"),
    ],
)
def test_settings_that_cannot_work_are_named(make: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


def test_a_limit_keeps_order_and_nests_and_minds_its_own_task() -> None:
    ids = [f"{task}-{i}" for i, task in enumerate(TASKS)]
    small, large = limit_per_task(ids, TASKS, 5, seed=0).tolist(), limit_per_task(ids, TASKS, 20, seed=0).tolist()
    assert Counter(TASKS[place] for place in small) == {"ag": 5, "sed": 5, "dac": 5}
    assert Counter(TASKS[place] for place in large) == {"ag": 20, "sed": 20, "dac": 10}
    assert small == sorted(small)
    assert set(small) < set(large)
    assert [place + 60 for place in limit_per_task(ids[60:], TASKS[60:], 5, seed=0)] == small[5:]
    assert limit_per_task(ids, TASKS, 5, seed=1).tolist() != small


def by_tokens(
    rank: int = 0, world_size: int = 1, max_tokens: int = 2_000, weights: dict[str, float] | None = None
) -> TrainingBatches:
    return TrainingBatches(LENGTHS, TASKS, None, 0, weights, lambda: (rank, world_size), max_tokens)


def test_a_token_budget_is_kept_and_used() -> None:
    batches = by_tokens()
    first = list(batches)
    assert sorted(flat(first)) == list(range(103))
    assert all(len(batch) * max(LENGTHS[i] for i in batch) <= 2_000 for batch in first)
    assert len(first) == len(batches)
    padded = sum(len(batch) * max(LENGTHS[i] for i in batch) for batch in first)
    assert sum(LENGTHS) / padded > 0.9  # of 103 examples; more of them come closer to each other
    batches.set_epoch(1)
    assert sorted(flat(batches)) == list(range(103))
    assert list(batches) != first


def test_an_example_over_the_budget_is_a_batch_of_its_own() -> None:
    batches = TrainingBatches([5, 50, 5, 60], ["ag"] * 4, None, seed=0, max_tokens=10)
    assert sorted(sorted(batch) for batch in batches) == [[0, 2], [1], [3]]


def test_processes_share_batches_of_tokens_of_similar_length() -> None:
    for world_size in (2, 3, 8):
        shards = [list(by_tokens(rank, world_size)) for rank in range(world_size)]
        assert {len(shard) for shard in shards} == {len(by_tokens(0, world_size))}
        assert sorted(index for shard in shards for index in flat(shard)) == list(range(103))
        longest = [[max(LENGTHS[i] for i in batch) for batch in together] for together in zip(*shards, strict=True)]
        assert np.mean([max(lengths) - min(lengths) for lengths in longest]) < 200  # of 10 to 750
    with pytest.raises(ValueError, match="103 training examples cannot feed 104 processes"):
        len(by_tokens(0, 104))


def test_every_epoch_has_as_many_batches_of_tokens_also_where_tasks_are_weighted() -> None:
    batches = by_tokens(weights={"ag": 1, "sed": 1, "dac": 2})
    counts = set()
    for epoch in range(5):
        batches.set_epoch(epoch)
        counts.add(len(list(batches)))
    assert counts == {len(batches)}


def test_windows_of_batches_come_several_times() -> None:
    different = list(training())
    batches = training()
    batches.repeat(window=4, times=3)
    found = list(batches)
    assert len(found) == len(batches) == 26 // 4 * 4 * 3
    assert found[:12] == different[:4] * 3
    assert found[-4:] == different[20:24]
    batches.repeat(window=4, times=1)
    assert list(batches) == different
    batches.repeat(window=4, times=1, only_whole=True)
    assert list(batches) == different[:24]
    assert len(batches) == 24


def test_one_measure_of_a_batch_is_given() -> None:
    with pytest.raises(ValueError, match="give either batch_size or max_tokens, not 4 and 100"):
        TrainingBatches(LENGTHS, TASKS, 4, seed=0, max_tokens=100)
