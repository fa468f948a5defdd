"""What every stage and every row of a run have in common."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback, ProgressBar
from lightning.pytorch.loggers import Logger

from timepro_lit.lalm.checkpoint import Backbone, ModelSource
from timepro_lit.lalm.lora import LoRA, refuse_other_lora
from timepro_lit.lit.datamodule import ClipDataModule
from timepro_lit.lit.interruption import Interruptible, Interruption, keep_signals
from timepro_lit.lit.loggers import made_loggers
from timepro_lit.lit.progress import RunProgress
from timepro_lit.lit.progress_line import Course
from timepro_lit.lit.sharding import check_launch
from timepro_lit.lit.stage import Stage
from timepro_lit.tasks.base import ScoredTask, Task, scored
from timepro_lit.time_prompt.prompt import TimePrompt

ADAPTER = "adapter"
"""Of a stage's result: the folder of what it trained."""


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

    def begun(self, init_from: str | None) -> ModelSource:
        """The model that the first stage begins with: a new adapter, or that of another result.

        Raises ValueError where that is of another kind than is asked for, FileNotFoundError where there is none.
        """
        if init_from is None:
            return self.source()
        adapter = Path(init_from) / ADAPTER
        refuse_other_lora(adapter, self.lora)
        return self.source(adapter)

    def trained(self, checkpoint: Path) -> ModelSource:
        """The model with base weights that were trained."""
        return ModelSource(self.model.at(checkpoint), self.time_prompt, None)

    def base(self) -> ModelSource:
        """The model as it comes."""
        return ModelSource(self.model, None, None)

    def num_processes(self) -> int:
        """In how many processes the run works."""
        return self.trainer(logger=False, enable_checkpointing=False).world_size


@dataclass(frozen=True)
class Setting:
    """Where a run's parts are put to work."""

    parts: Parts
    directory: Path
    seed: int = 0
    checkpoint_every: int | None = None
    course: Course = field(default_factory=Course)
    interruption: Interruption = field(default_factory=Interruption)
    left_out: set[str] = field(default_factory=set)
    """Names of loggers that have failed."""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    """What loggers are told of the run: its settings, resolved."""

    @property
    def scored(self) -> dict[str, ScoredTask]:
        """The tasks whose answers are scored."""
        return scored(self.parts.task)

    def on(self, course: Course) -> Setting:
        """The same for a run of which it is known what there is to do."""
        return replace(self, course=course)

    def new_trainer(self, name: str, *callbacks: Callback, **arguments: Any) -> Trainer:
        """A Trainer for the stage or row `name`, with the settings' callbacks and those given.

        What it trains is stored by the stage, and how far it is shown by the run, not by Lightning.
        """
        chosen = [make() for make in self.parts.callbacks.values()]
        # Older runs name a bar of Lightning among their settings.
        chosen = [callback for callback in chosen if not isinstance(callback, ProgressBar)]
        trainer = self.parts.trainer(
            # A stage that goes on may validate before anything else, and that is shown as well.
            callbacks=[RunProgress(name, self.course), Interruptible(self.interruption), *chosen, *callbacks],
            default_root_dir=str(self.directory / ".lightning"),  # Lightning takes states that it finds there
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            **arguments,
        )
        check_launch(trainer)
        keep_signals(trainer)
        return trainer

    def loggers(self, stage: str, **told: Any) -> list[Logger]:
        """Loggers that write to the run directory's folder `stage`, without those that have failed before.

        With the settings of the run they are `told` of the stage.
        """
        hyperparameters = {**self.hyperparameters, **told} if self.hyperparameters else {}
        return made_loggers(self._makers(stage), self.left_out, hyperparameters)

    def silent_loggers(self, stage: str) -> list[Logger]:
        """The same, told nothing: none of them has begun anything yet."""
        return made_loggers(self._makers(stage), self.left_out)

    def _makers(self, stage: str) -> dict[str, Callable[[], Logger]]:
        place = {"save_dir": str(self.directory), "name": stage, "version": ""}
        return {key: partial(make, **place) for key, make in self.parts.logger.items()}


def release() -> None:
    """Give back what an earlier trainer and its model held, so that two models never stand side by side.

    They refer to each other, so that nothing else would free them in time.
    """
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def quiet() -> None:
    """Leave the terminal to what a user came for: progress, warnings, errors and the table; notes are ours alone."""
    root = logging.getLogger()
    if root.level == logging.INFO:  # Hydra's choice; another one is a user's
        root.setLevel(logging.WARNING)
        logging.getLogger("timepro_lit").setLevel(logging.INFO)
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
