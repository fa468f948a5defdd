"""What every stage and every row of a run have in common."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger

from timepro_lit.lalm.checkpoint import Backbone, ModelSource
from timepro_lit.lalm.lora import LoRA
from timepro_lit.lit.datamodule import ClipDataModule
from timepro_lit.lit.stage import Stage
from timepro_lit.tasks.base import ScoredTask, Task, scored
from timepro_lit.time_prompt.prompt import TimePrompt


@dataclass(frozen=True)
class Parts:
    """What the settings of a run build, one field a config group."""

    model: Backbone
    lora: LoRA | None
    time_prompt: TimePrompt | None
    task: Mapping[str, Task]
    data: ClipDataModule
    stage: Mapping[str, Stage]
    trainer: Callable[..., Trainer]
    callbacks: Mapping[str, Callable[[], Callback]]
    logger: Mapping[str, Callable[..., Logger]]

    def source(self, adapter: Path | None = None) -> ModelSource:
        """The model with a stored adapter, or with a new one."""
        return ModelSource(self.model, self.time_prompt, self.lora, adapter)

    def base(self) -> ModelSource:
        """The model as it comes."""
        return ModelSource(self.model, None, None)


@dataclass(frozen=True)
class Setting:
    """Where a run's parts are put to work."""

    parts: Parts
    directory: Path
    seed: int = 0
    checkpoint_every: int | None = None

    @property
    def scored(self) -> dict[str, ScoredTask]:
        """The tasks whose answers are scored."""
        return scored(self.parts.task)

    def new_trainer(self, *callbacks: Callback, **arguments: Any) -> Trainer:
        """A Trainer with callbacks of its own and those given; what it trains is stored by the stage, not by it."""
        return self.parts.trainer(
            callbacks=[*(make() for make in self.parts.callbacks.values()), *callbacks],
            default_root_dir=str(self.directory),
            enable_checkpointing=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            **arguments,
        )

    def loggers(self, stage: str) -> list[Logger]:
        """Loggers that write to the run directory's folder `stage`."""
        return [make(save_dir=str(self.directory), name=stage, version="") for make in self.parts.logger.values()]


def quiet() -> None:
    """Leave the terminal to what a user came for: progress, errors and the table."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
