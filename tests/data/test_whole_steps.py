from __future__ import annotations

import torch
from torchdata.stateful_dataloader import StatefulDataLoader

from timepro_lit.data.whole_steps import WholeSteps
from timepro_lit.records import Batch, Example


def batch_of(number: int) -> Batch:
    zeros = torch.zeros(1, 1, 1)
    return Batch((Example(str(number), "ag", "a.wav", 1.0, ()),), zeros, zeros[0], zeros[0], zeros[0])


def whole_steps(num_workers: int = 0) -> WholeSteps:
    loader = StatefulDataLoader(
        range(7), batch_size=1, collate_fn=lambda numbers: batch_of(numbers[0]), num_workers=num_workers
    )
    return WholeSteps(loader, 3)


def names(batches: tuple[Batch, ...] | list[Batch]) -> str:
    return " ".join(batch.examples[0].id for batch in batches)


def test_the_first_batch_of_a_step_brings_the_others_along() -> None:
    batches = list(whole_steps())
    assert names(batches) == "0 1 2 3 4 5 6"
    assert [names(batch.whole_step) for batch in batches] == ["0 1 2", "", "", "3 4 5", "", "", "6"]
    assert len(whole_steps()) == 7
    empty = Batch((), *[torch.zeros(0)] * 4)
    led_by_nothing = list(WholeSteps([empty, batches[1]], 2))  # type: ignore[arg-type]
    assert [len(batch.whole_step) for batch in led_by_nothing] == [0, 2]
    moved = batches[0].to("meta")
    assert [batch.features.device.type for batch in moved.whole_step] == ["meta"] * 3


def test_goes_on_behind_the_step_at_which_its_state_was_taken() -> None:
    for num_workers in (0, 2):
        before = whole_steps(num_workers)
        batches = iter(before)
        assert names([next(batches) for _ in range(3)]) == "0 1 2"
        after = whole_steps(num_workers)
        after.load_state_dict(before.state_dict())
        assert [names(batch.whole_step) for batch in after] == ["3 4 5", "", "", "6"]
