"""A callback of a run's settings that notes which examples each process trains on, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from timepro_lit.records import Batch


class SeenIds(Callback):
    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.folder.mkdir(exist_ok=True, parents=True)
        examples = batch.examples if isinstance(batch, Batch) else [one for row in batch.examples for one in row]
        with (self.folder / f"{type(pl_module).__name__}-{trainer.global_rank}").open("a") as file:
            file.writelines(f"{trainer.global_step} {example.id}\n" for example in examples)
