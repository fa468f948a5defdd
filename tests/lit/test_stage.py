from __future__ import annotations

import pytest
from lightning import LightningModule

from timepro_lit.lit.stage import Stage

STEPS = {"max_steps": 5}


def test_one_measure_of_a_micro_batch_is_given() -> None:
    with pytest.raises(ValueError, match="give either micro_batch_size or micro_batch_tokens"):
        Stage(LightningModule, "question", 64, micro_batch_size=2, fit=STEPS, micro_batch_tokens=4096)


def test_unknown_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="rows must be one of prompt, question, clip, got 'clips'"):
        Stage(LightningModule, "clips", batch_size=4, micro_batch_size=2, fit=STEPS)


def test_a_stage_has_an_end() -> None:
    with pytest.raises(ValueError, match="give max_epochs or max_steps"):
        Stage(LightningModule, "clip", batch_size=4, micro_batch_size=2, fit={"max_epochs": -1, "max_steps": -1})


def test_epochs_and_intervals_as_the_trainer_counts_them() -> None:
    fit = {"max_epochs": 3, "max_steps": -1, "val_check_interval": 5, "gradient_clip_val": 1.0}
    stage = Stage(LightningModule, "prompt", batch_size=8, micro_batch_size=2, fit=fit)
    assert (stage.num_epochs, stage.num_steps) == (3, None)
    assert stage.arguments(num_steps=9, accumulation=4) == {
        "max_epochs": -1, "max_steps": 9, "val_check_interval": 20, "gradient_clip_val": 1.0,
        "accumulate_grad_batches": 4, "limit_train_batches": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize("longest", [0.0, -1.0, float("nan"), float("inf"), True])
def test_the_longest_clip_of_a_stage_is_a_length(longest: float) -> None:
    with pytest.raises(ValueError, match=r"^max_duration_s must be a length in seconds, or null for all clips, not "):
        Stage(LightningModule, "clip", batch_size=4, micro_batch_size=2, fit=STEPS, max_duration_s=longest)
