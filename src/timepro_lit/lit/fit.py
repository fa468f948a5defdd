"""One stage of a run: planned before any weight is read, then trained, from where it was killed if it was."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning import Trainer, seed_everything
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.strategies import DeepSpeedStrategy
from torchdata.stateful_dataloader import StatefulDataLoader

from timepro_lit.data.leakage import write_recordings
from timepro_lit.data.whole_steps import WholeSteps
from timepro_lit.evaluation.numbers import validation_score
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lit.base import TrainingModule
from timepro_lit.lit.checkpoints import StageCheckpoints, step_of
from timepro_lit.lit.setting import Setting
from timepro_lit.lit.stage import Stage
from timepro_lit.runs.stages import Claim, is_rank_zero, say

ADAPTER, CHECKPOINT, CURVES, RECORDINGS = "adapter", "checkpoint", "metrics.csv", "recordings.npy"
"""What a stage's result holds: a trained adapter or trained base weights, its curves, and what it was trained on."""


@dataclass(frozen=True)
class Plan:
    """How a stage goes through its data."""

    stage: Stage
    loader: StatefulDataLoader[Any]
    validation: Any
    accumulation: int
    """Micro-batches that one process takes to an optimiser step."""
    placement: Mapping[str, Any]
    """What the place in the data depends on, see `StageCheckpoints`."""
    arguments: Mapping[str, Any]
    """Of the Trainer."""

    @property
    def batches(self) -> Any:
        """What the Trainer goes through."""
        return WholeSteps(self.loader, self.accumulation) if self.stage.rows == "prompt" else self.loader


def plan(setting: Setting, name: str, stage: Stage, source: ModelSource) -> Plan:
    """How a stage will run. Raises ValueError or OSError, before any weight is read, where it cannot."""
    placed = setting.parts.trainer(logger=False, enable_checkpointing=False)
    setting.parts.data.place(placed.global_rank, placed.world_size)
    setting.parts.data.connect(source.frontend())
    try:
        loader = setting.parts.data.train_loader(
            stage.micro_batch_size, stage.examples_per_task, setting.seed, stage.rows, stage.micro_batch_tokens
        )
        accumulation = stage.accumulation(placed.world_size, setting.parts.data.mean_rows(loader))
    except ValueError as error:
        raise ValueError(f"stage.{name}: {error}") from error
    # At an epoch's end Lightning makes a step of what there is, but DeepSpeed waits for the next epoch's batches.
    only_whole = isinstance(placed.strategy, DeepSpeedStrategy)
    loader.batch_sampler.repeat(accumulation, stage.updates_per_rollout, only_whole)
    if not len(loader):
        raise ValueError(f"stage.{name}: an epoch holds fewer micro-batches than a step's {accumulation}")
    _module(setting, name, stage, source)
    placement = {
        "processes": placed.world_size,
        "workers": setting.parts.data.num_workers,
        "strategy": type(placed.strategy).__name__,
    }
    arguments = stage.lengths(accumulation, _num_batches(placed, loader))
    return Plan(stage, loader, setting.parts.data.val_dataloader(), accumulation, placement, arguments)


def fit(setting: Setting, name: str, planned: Plan, source: ModelSource, claim: Claim) -> dict[str, Any]:
    """Train one stage; returns its validation scores. What it trained is stored in the claim's folder."""
    seed_everything(setting.seed, workers=True)
    module = _module(setting, name, planned.stage, source)
    module.skips = setting.parts.data.skips(planned.placement["processes"], planned.loader, planned.validation)
    curves = setting.directory / name / CURVES
    checkpoints = StageCheckpoints(
        claim.states, setting.checkpoint_every, planned.stage.updates_per_rollout, curves, planned.placement
    )
    start = checkpoints.newest
    if is_rank_zero() and checkpoints.go_on() is not None:
        say(f"{name} goes on after step {step_of(start)}")
    loggers = setting.loggers(name)
    trainer = setting.new_trainer(
        name, checkpoints, logger=loggers, accumulate_grad_batches=planned.accumulation, **planned.arguments
    )
    try:
        trainer.fit(module, planned.batches, planned.validation, ckpt_path=start, weights_only=True)
    finally:
        for logger in loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.finish()  # the next stage is a run of its own
    if is_rank_zero():
        checkpoints.join_curves()
        _store(module, source, checkpoints.curves, claim.folder)
        before = source.adapter.parent / RECORDINGS if source.adapter else None
        data = setting.parts.data
        write_recordings(claim.folder / RECORDINGS, data.examples(data.train_split), before)
    scores = checkpoints.scores
    chosen = validation_score(scores, setting.scored)
    return {"scores": scores, "validation": chosen, "skipped": module.skips.by_kind()}


def _module(setting: Setting, name: str, stage: Stage, source: ModelSource) -> TrainingModule:
    """Cheap: weights are read when Lightning asks for them."""
    metrics = {task: of_task.metrics() for task, of_task in setting.scored.items()}
    try:
        module = stage.module(load_lalm=source.load, tasks=setting.parts.task, metrics=metrics)
    except ValueError as error:
        raise ValueError(f"stage.{name}: {error}") from error
    assert isinstance(module, TrainingModule)
    return module


def _store(module: TrainingModule, source: ModelSource, curves: Path, folder: Path) -> None:
    """Put what a stage trained, and its curves, into a folder."""
    if curves.exists():
        shutil.copy(curves, folder / CURVES)
    if source.lora is not None or source.adapter is not None:
        source.save_adapter(module.lalm, folder / ADAPTER)
    else:
        module.save_base(folder / CHECKPOINT)


def _num_batches(trainer: Trainer, loader: StatefulDataLoader[Any]) -> int:
    """Of an epoch, as far as the trainer's own limit lets it go."""
    limit = trainer.limit_train_batches
    return min(limit, len(loader)) if isinstance(limit, int) else int(limit * len(loader))
