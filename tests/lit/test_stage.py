from __future__ import annotations

import pytest
from lightning import LightningModule

from timepro_lit.lit.stage import Stage


@pytest.mark.parametrize(("world_size", "accumulation"), [(1, 32), (4, 8), (32, 1)])
def test_the_batch_stays_the_same_on_any_number_of_processes(world_size: int, accumulation: int) -> None:
    stage = Stage(LightningModule, "prompt", batch_size=64, micro_batch_size=2, fit={})
    assert stage.accumulation(world_size, mean_rows=2.0) == accumulation
    assert accumulation * world_size * stage.micro_batch_size == 64


def test_sizes_that_do_not_divide_each_other() -> None:
    with pytest.raises(ValueError, match="batch_size 64 is no multiple of micro_batch_size 3"):
        Stage(LightningModule, "prompt", batch_size=64, micro_batch_size=3, fit={})
    with pytest.raises(ValueError, match="cannot be shared by 3 processes"):
        Stage(LightningModule, "prompt", batch_size=64, micro_batch_size=2, fit={}).accumulation(3, 2.0)


def test_with_a_token_budget_the_batch_stays_about_the_same() -> None:
    stage = Stage(LightningModule, "question", 64, micro_batch_size=None, fit={}, micro_batch_tokens=4096)
    assert stage.accumulation(world_size=4, mean_rows=5.7) == 3
    assert stage.accumulation(world_size=64, mean_rows=5.7) == 1
    with pytest.raises(ValueError, match="give either micro_batch_size or micro_batch_tokens"):
        Stage(LightningModule, "question", 64, micro_batch_size=2, fit={}, micro_batch_tokens=4096)


def test_unknown_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="rows must be one of prompt, question, clip, got 'clips'"):
        Stage(LightningModule, "clips", batch_size=4, micro_batch_size=2, fit={})


def test_epochs_and_intervals_as_the_trainer_counts_them() -> None:
    def lengths(**fit: int) -> dict[str, int]:
        return Stage(LightningModule, "prompt", batch_size=8, micro_batch_size=2, fit=fit).lengths(4, num_batches=10)

    assert lengths(max_epochs=3, max_steps=-1, val_check_interval=5) == {
        "max_epochs": -1, "max_steps": 9, "val_check_interval": 20
    }  # fmt: skip
    assert lengths(max_epochs=3, max_steps=7)["max_steps"] == 7
    assert lengths(max_epochs=-1, max_steps=70) == {"max_epochs": -1, "max_steps": 70}
