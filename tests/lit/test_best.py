from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning import LightningModule, Trainer
from torch.utils.data import DataLoader

from timepro_lit.lit.best import KeepBest, validation_score
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding

SCORES = (1.0, 3.0, 2.0, 3.0)
"""Of the validations after each step."""


class Counter(LightningModule):
    """Its one trained weight is the number of steps."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = torch.nn.Parameter(torch.zeros(1))
        self.frozen = torch.nn.Parameter(torch.zeros(1), requires_grad=False)

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return -self.steps.sum()

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.log("val/ag/mIoU", SCORES[self.global_step - 1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([self.steps], lr=1.0)


def trained(folder: Path, num_steps: int) -> tuple[Counter, KeepBest]:
    module, best = Counter(), KeepBest(folder, lambda scores: scores.get("val/ag/mIoU"))
    trainer = Trainer(
        accelerator="cpu", max_steps=num_steps, val_check_interval=1, callbacks=[best], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(module, DataLoader(torch.zeros(4)), DataLoader(torch.zeros(1)))
    return module, best


def test_the_first_of_the_best_validations_is_put_back(tmp_path: Path) -> None:
    module, best = trained(tmp_path, 4)
    assert float(module.steps) == 4.0
    best.put_back(module)
    assert (float(module.steps), best.scores) == (2.0, {"val/ag/mIoU": 3.0})
    assert [path.name for path in tmp_path.iterdir()] == ["best.safetensors"]


def test_a_run_that_goes_on_knows_what_was_best(tmp_path: Path) -> None:
    trained(tmp_path, 2)
    module, best = trained(tmp_path, 1)  # begun again, and not yet as good
    best.put_back(module)
    assert float(module.steps) == 2.0


def test_a_stage_that_begins_anew_forgets_what_was_best(tmp_path: Path) -> None:
    trained(tmp_path, 2)
    best = KeepBest(tmp_path, lambda scores: scores.get("val/ag/mIoU"))
    best.begin_anew()
    assert best.scores == {} and not best.path.exists()


def test_without_a_validation_what_was_trained_last_stays(tmp_path: Path) -> None:
    module = Counter()
    best = KeepBest(tmp_path, lambda scores: None)
    best.put_back(module)
    assert (float(module.steps), best.scores) == (0.0, {})


@pytest.mark.parametrize("damage", ["delete", "halve", "older"])
def test_a_run_does_not_go_on_without_what_was_best(tmp_path: Path, damage: str) -> None:
    _, best = trained(tmp_path / "begun", 1)
    assert best.state_dict() == {"step": 1}
    path, state = tmp_path / "begun" / "best.safetensors", {"step": 2 if damage == "older" else 1}
    best.load_state_dict({"step": None})
    best.load_state_dict({"step": 1})
    if damage == "delete":
        path.unlink()
    if damage == "halve":
        path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ValueError, match=r"best\.safetensors is .*: delete .*begun to begin the stage anew"):
        best.load_state_dict(state)


def test_validation_chooses_by_the_first_watched_metric_of_each_task() -> None:
    tasks = {"ag": Grounding(), "dac": DenseCaptioning()}
    logged = {"val/ag/mIoU": 40.0, "val/ag/R@0.5": 99.0, "val/dac/Eb-F1": 20.0, "val/dac/METEOR": 90.0}
    assert validation_score(logged, tasks) == 30.0
    assert validation_score({"train/loss": 1.0}, tasks) is None
