from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from torchdata.stateful_dataloader import StatefulDataLoader

from timepro_lit.data.division import ByRows, ByTokens
from timepro_lit.data.global_batches import GlobalBatches
from timepro_lit.data.sampler import EvaluationBatches, TrainingBatches

LENGTHS = [float(length) for length in np.random.default_rng(0).integers(10, 750, 103)]
TASKS = ["ag"] * 60 + ["sed"] * 33 + ["dac"] * 10


def training(
    rank: int = 0, world_size: int = 1, batch_size: int = 8, seed: int = 0, num_steps: int = 26, times: int = 1,
    max_tokens: int | None = None,
) -> TrainingBatches:  # fmt: skip
    division = ByRows(LENGTHS, 4) if max_tokens is None else ByTokens(LENGTHS, max_tokens)
    steps = GlobalBatches(LENGTHS, TASKS, batch_size, seed)
    return TrainingBatches(steps, division, num_steps, rank, world_size, times)


def flat(batches: Iterable[list[int]]) -> list[int]:
    return [index for batch in batches for index in batch]


def steps_of(batches: TrainingBatches) -> list[list[int]]:
    """The rows of this process in each step."""
    read, size = list(batches), batches.num_micro_batches
    assert len(read) == len(batches) == batches.num_steps * size
    return [flat(read[start : start + size]) for start in range(0, len(read), size)]


@pytest.mark.parametrize("max_tokens", [None, 900])
@pytest.mark.parametrize("world_size", [1, 2, 3, 8])
def test_any_number_of_processes_takes_the_same_steps(world_size: int, max_tokens: int | None) -> None:
    """103 rows: twelve steps of eight and one of seven, so that one of eight processes gets nothing in that one."""
    shards = [steps_of(training(rank, world_size, max_tokens=max_tokens)) for rank in range(world_size)]
    together = [sorted(flat(rows)) for rows in zip(*shards, strict=True)]
    assert together == [sorted(rows) for epoch in (0, 1) for rows in training().steps.epoch(epoch)]
    assert [len(rows) for rows in together] == ([8] * 12 + [7]) * 2
    for epoch in (together[:13], together[13:]):
        assert sorted(flat(epoch)) == list(range(103))


def test_steps_end_where_the_stage_ends_and_may_come_several_times() -> None:
    once = steps_of(training(num_steps=15))
    assert len(once) == 15
    twice = steps_of(training(num_steps=30, times=2))
    assert twice == [rows for rows in once for _ in range(2)]
    assert training(times=2).steps_per_epoch == 26


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("num_read", [0, 9, 26, 27, 52])
def test_a_loader_resumes_at_the_next_batch(num_workers: int, num_read: int) -> None:
    def loader() -> StatefulDataLoader[list[int]]:
        return StatefulDataLoader(range(103), batch_sampler=training(), collate_fn=list, num_workers=num_workers)

    first = loader()
    iterator = iter(first)
    for _ in range(num_read):
        next(iterator)
    resumed = loader()
    resumed.load_state_dict(first.state_dict())
    assert list(resumed) == list(training())[num_read:]


def test_resuming_into_another_order_is_refused() -> None:
    state = iter(training()).state_dict()
    with pytest.raises(ValueError, match="world_size was 1 and is now 2"):
        iter(training(world_size=2)).load_state_dict(state)
    with pytest.raises(ValueError, match="batch_size was 8 and is now 16"):
        iter(training(batch_size=16)).load_state_dict(state)
    with pytest.raises(ValueError, match="seed was 0 and is now 3"):
        iter(training(seed=3)).load_state_dict(state)
    with pytest.raises(ValueError, match="num_micro_batches was None and is now 2"):
        iter(training()).load_state_dict({k: v for k, v in state.items() if k != "num_micro_batches"})


def test_more_processes_than_rows_in_a_step_are_refused() -> None:
    with pytest.raises(ValueError, match=r"8 rows to a step .* shared by 9 processes: take at most 8"):
        training(world_size=9)


@pytest.mark.parametrize(("world_size", "batch_size"), [(1, 4), (2, 4), (3, 4), (8, 16), (4, 1), (103, 1), (120, 4)])
def test_evaluation_takes_every_example_once_longest_first(world_size: int, batch_size: int) -> None:
    shards = [list(EvaluationBatches(LENGTHS, batch_size, rank, world_size)) for rank in range(world_size)]
    assert sorted(index for shard in shards for index in flat(shard)) == list(range(103))
    for batches in shards:
        assert all(len(batch) <= batch_size for batch in batches)
        lengths = [LENGTHS[index] for index in flat(batches)]
        assert lengths == sorted(lengths, reverse=True)
    assert len({len(shard) for shard in shards}) == 1


@pytest.mark.parametrize(("world_size", "batch_size"), [(1, 4), (2, 4), (3, 8), (2, 64), (60, 2)])
def test_questions_about_one_clip_are_evaluated_side_by_side(world_size: int, batch_size: int) -> None:
    clip_of = np.random.default_rng(1).integers(0, 40, 103)
    lengths = np.array(LENGTHS)[clip_of]
    shards = [[*EvaluationBatches(lengths, batch_size, rank, world_size, clip_of)] for rank in range(world_size)]
    assert sorted(index for shard in shards for index in flat(shard)) == list(range(103))
    assert all(len(batch) <= batch_size for shard in shards for batch in shard)
    assert len({len(shard) for shard in shards}) == 1
    taken = [len(flat(shard)) for shard in shards]
    assert max(taken) - min(taken) <= max(np.bincount(clip_of))
    whole = [clip for clip, count in enumerate(np.bincount(clip_of)) if 0 < count <= batch_size]
    for clip in whole:
        holding = [clip_of[batch].tolist() for shard in shards for batch in shard if clip in clip_of[batch]]
        assert len(holding) == 1 and holding[0].count(clip) == (clip_of == clip).sum()
        first = holding[0].index(clip)
        assert set(holding[0][first : first + (clip_of == clip).sum()]) == {clip}


def test_of_more_questions_about_a_clip_than_a_batch_holds_some_are_in_the_next() -> None:
    assert [*EvaluationBatches([1.0] * 5, 2, clip_of=np.zeros(5))] == [[0, 1], [2, 3], [4]]
    assert [*EvaluationBatches([1.0] * 3, 2, 1, 2, np.zeros(3))] == [[2]]


def test_an_evaluation_batch_has_a_size() -> None:
    with pytest.raises(ValueError, match="batch_size is 0"):
        EvaluationBatches(LENGTHS, 0)
