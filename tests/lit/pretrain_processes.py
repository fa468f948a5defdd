"""Two steps of listening and two of answering, two clips to a step, by one process or by two; writes the weights.

python pretrain_processes.py CHECKPOINT NUM_PROCESSES OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from lightning import Trainer
from torch.utils.data import DataLoader

from timepro_lit.data.collate import CollateInterviews
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lit.pretrain import Pretrain
from timepro_lit.records import Event, Example, Interviews, Sample
from timepro_lit.tasks.pretraining import Counting, Tagging


class Saving(Pretrain):
    """Deals the two clips of each step to the processes; writes the weights where they were trained: in the first."""

    clips: list[Interviews]
    out: Path

    def train_dataloader(self) -> DataLoader:
        mine = self.clips[self.global_rank :: self.trainer.world_size]
        return DataLoader(mine * 4, batch_size=None, collate_fn=lambda batch: batch)

    def on_train_end(self) -> None:
        if self.global_rank == 0:
            torch.save({n: w.detach().clone() for n, w in self.named_parameters() if w.requires_grad}, self.out)


def main(checkpoint: str, num_processes: int, out: Path) -> None:
    source = ModelSource(Qwen2_5Omni(checkpoint, "float32", local_files_only=True), None, None)
    tasks = {"tag": Tagging(), "count": Counting()}
    module = Saving(source.load, tasks, {}, ["bell", "dog"], learning_rate=1e-3, listening_steps=2)
    module.out = out
    collate = CollateInterviews(source.frontend(), tasks)
    torch.manual_seed(1)
    module.clips = [
        collate([[Sample(Example(f"{id_}-{t}", t, "a.wav", 0.6, (Event(0.04, 0.4, id_),)), waveform) for t in tasks]])
        for id_, waveform in (("dog", torch.rand(9600) - 0.5), ("bell", torch.rand(9600) - 0.5))
    ]
    trainer = Trainer(
        accelerator="cpu", devices=num_processes, strategy="ddp_fork" if num_processes > 1 else "auto", max_steps=4,
        accumulate_grad_batches=2 // num_processes, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
        use_distributed_sampler=False,
    )  # fmt: skip
    torch.manual_seed(2)  # of the head that is made in configure_model
    trainer.fit(module)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
