"""Seven steps of two micro-batches, some of them with a number that is not finite, by one process or by two.

Writes the trained weights of every process, and how many steps it has counted, after each of

    as_it_is    the steps that are not finite are left to timepro_lit
    by_hand     their micro-batches are like all others, and the optimiser is kept from seeing their gradients

python nonfinite_processes.py CHECKPOINT NUM_PROCESSES OUT [deepspeed]
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.strategies import DeepSpeedStrategy
from torch import Tensor
from torch.utils.data import DataLoader

from timepro_lit.data.collate import CollateInterviews
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lalm.lora import LoRA
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lit.sft import SFT
from timepro_lit.records import Event, Example, Interviews, Sample
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.time_prompt.prompt import TimePrompt

STEPS = (
    ("fine", "fine"), ("fine", "loss"), ("fine", "fine"), ("gradient", "fine"), ("fine", "fine"), ("fine", "value"),
    ("fine", "fine"),
)  # fmt: skip
"""The two micro-batches of each; what is not finite in one is its name."""


class Smooth(SFT):
    def configure_optimizers(self) -> torch.optim.Optimizer:
        """With an epsilon that keeps rounding errors in small gradients from becoming whole steps."""
        trained = [weight for weight in self.parameters() if weight.requires_grad]
        return torch.optim.AdamW(trained, lr=1e-2, weight_decay=0.1, eps=1e-2)


class Spoilt(Smooth):
    """Some micro-batches have a loss, a gradient alone, or a loss without its gradient that are not finite."""

    def loss(self, batch: Interviews) -> tuple[Tensor, int]:
        loss, weight = super().loss(batch)
        kind = batch.examples[0][0].id
        if kind == "loss":
            return loss * math.nan, weight
        if kind == "gradient":
            first = next(w for w in self.parameters() if w.requires_grad)
            return loss + (0.0 * first).abs().sqrt().sum(), weight
        return loss + (math.inf if kind == "value" else 0.0), weight


class ByHand(Smooth):
    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        super().on_before_optimizer_step(optimizer)
        if STEPS[self.global_step] != ("fine", "fine"):
            self.zero_grad(set_to_none=True)


def main(checkpoint: str, num_processes: int, out: Path, deepspeed: bool) -> None:
    source = ModelSource(Qwen2_5Omni(checkpoint, "float32", local_files_only=True), TimePrompt(), LoRA(4, 8))
    collate = CollateInterviews(source.frontend(), {"ag": Grounding()})
    generator = torch.Generator().manual_seed(0)
    batches = []
    for kind in (kind for step in STEPS for kind in step):
        example = Example(kind, "ag", "a.wav", 0.6, (Event(0.04, 0.4, "a dog barks"),), "a dog barks")
        batches.append(collate([[Sample(example, torch.rand(9600, generator=generator) - 0.5)]]))
    ways: dict[str, Any] = {"as_it_is": Spoilt}
    if num_processes == 1:
        ways["by_hand"] = ByHand
    for name, kind in ways.items():
        module = kind(source.load, {"ag": Grounding()}, {}, learning_rate=1e-2)
        strategy: Any = "ddp_fork" if num_processes > 1 else "auto"
        if deepspeed:
            import deepspeed_on_cpu  # noqa: F401 (makes it possible)

            strategy = DeepSpeedStrategy(stage=2, logging_batch_size_per_gpu=1)
        trainer = Trainer(
            accelerator="cpu", devices=num_processes, strategy=strategy, max_steps=len(STEPS),
            accumulate_grad_batches=2 // num_processes, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0, gradient_clip_val=1.0,
        )  # fmt: skip
        module.on_train_end = lambda module=module, name=name: save(module, out / f"{name}-{module.global_rank}.pt")
        torch.manual_seed(2)  # of the adapter that is made in configure_model
        trainer.fit(module, DataLoader(batches, batch_size=None, collate_fn=lambda b: b))


def save(module: SFT, path: Path) -> None:
    weights = {name: w.detach().clone() for name, w in module.named_parameters() if w.requires_grad}
    torch.save({"weights": weights, "counted": module.non_finite.total}, path)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:] == ["deepspeed"])
