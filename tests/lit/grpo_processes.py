"""Micro-batches of one prompt and of two, all but one without signal, by one process or by two; writes the weights.

A step of plain gradient descent and a mean over tokens: so the weights show the size of the gradient as well.

python grpo_processes.py CHECKPOINT NUM_PROCESSES OUT [deepspeed]
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from lightning import Trainer
from lightning.pytorch.strategies import DeepSpeedStrategy
from torch.utils.data import DataLoader

from timepro_lit.data.collate import Collate
from timepro_lit.grpo.loss import TokenMean
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lalm.lora import LoRA
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lit.grpo import GRPO
from timepro_lit.records import Event, Example, Sample
from timepro_lit.rewards.adaptive import AdaptiveReward
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.time_prompt.prompt import TimePrompt


def reward(predictions: list, example: Example) -> list[float]:
    return [0.25 * n if example.id == "signal" else 0.5 for n in range(len(predictions))]


class Saving(GRPO):
    """Writes the weights where they were trained: in the first process."""

    out: Path

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([w for w in self.parameters() if w.requires_grad], lr=0.1)

    def on_train_end(self) -> None:
        if self.global_rank == 0:
            torch.save({n: w.detach().clone() for n, w in self.named_parameters() if w.requires_grad}, self.out)


def main(checkpoint: str, num_processes: int, out: Path, deepspeed: bool) -> None:
    torch.manual_seed(0)
    source = ModelSource(Qwen2_5Omni(checkpoint, "float32", local_files_only=True), TimePrompt(), LoRA(4, 8))
    torch.manual_seed(1)
    module = Saving(source.load, {"ag": Grounding()}, {}, AdaptiveReward(reward, None), learning_rate=1e-2,
                    warmup_fraction=0.0, group_size=4, max_new_tokens=6, kl_coefficient=0.0,
                    aggregate=TokenMean())  # fmt: skip
    module.out = out
    collate = Collate(source.frontend(), {"ag": Grounding()})
    samples = [
        Sample(Example(id_, "ag", "a.wav", 0.6, (Event(0.04, 0.4, "rain"),), "rain"), torch.rand(9600) - 0.5)
        for id_ in ("signal", "b", "c", "d", "e", "f")
    ]
    batches = [collate(samples[i:j]) for i, j in ((0, 1), (1, 2), (2, 4), (4, 6))]
    strategy = "ddp_fork" if num_processes > 1 else "auto"
    if deepspeed:
        import deepspeed_on_cpu  # noqa: F401 (makes it possible)

        strategy = DeepSpeedStrategy(stage=2, logging_batch_size_per_gpu=1)
    trainer = Trainer(
        accelerator="cpu", devices=num_processes, strategy=strategy, max_steps=1,
        accumulate_grad_batches=4 // num_processes, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
    )  # fmt: skip
    torch.manual_seed(2)  # of the adapter that is made in configure_model
    trainer.fit(module, DataLoader(batches, batch_size=None, collate_fn=lambda b: b))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:] == ["deepspeed"])
