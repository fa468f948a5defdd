"""A callback of a run's settings that notes which examples each process trains on, into `seen` of the run directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from timepro_lit.records import Batch


class SeenIds(Callback):
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        folder = Path(trainer.default_root_dir).parent / "seen"
        folder.mkdir(exist_ok=True)
        examples = batch.examples if isinstance(batch, Batch) else [one for row in batch.examples for one in row]
        with (folder / f"{type(pl_module).__name__}-{trainer.global_rank}").open("a") as file:
            file.writelines(f"{trainer.global_step} {example.id}\n" for example in examples)
