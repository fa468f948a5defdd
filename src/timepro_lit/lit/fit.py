"""One stage of a run: planned before any weight is read, then trained, from where it was killed if it was."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning import seed_everything
from torchdata.stateful_dataloader import StatefulDataLoader

from timepro_lit.data.batches import no_longer
from timepro_lit.data.leakage import write_recordings
from timepro_lit.data.sampler import TrainingBatches
from timepro_lit.data.whole_steps import WholeSteps
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lit.best import KeepBest, validation_score
from timepro_lit.lit.checkpoints import EndsWithValidation, StageCheckpoints
from timepro_lit.lit.finite import NonFiniteSteps, refuse_non_finite
from timepro_lit.lit.loggers import finish
from timepro_lit.lit.setting import ADAPTER, Setting, release
from timepro_lit.lit.sharding import check_launch, check_strategy
from timepro_lit.lit.shown import Completions
from timepro_lit.lit.stage import Stage
from timepro_lit.lit.states import States
from timepro_lit.lit.training import TrainingModule
from timepro_lit.runs.stages import LONGEST, Claim, is_rank_zero, say

CHECKPOINT, CURVES, RECORDINGS = "checkpoint", "metrics.csv", "recordings.npy"
"""What a stage's result holds: a trained adapter or trained base weights, its curves, and what it was trained on."""


@dataclass(frozen=True)
class Plan:
    """How a stage goes through its data."""

    stage: Stage
    loader: StatefulDataLoader[Any]
    validation: Any
    placement: Mapping[str, Any]
    """What the place in the data depends on, see `States`."""
    arguments: Mapping[str, Any]
    """Of the Trainer."""

    @property
    def batches(self) -> Any:
        """What the Trainer goes through."""
        if self.stage.rows != "prompt":
            return self.loader
        return WholeSteps(self.loader, self.loader.batch_sampler.num_micro_batches)


def plan(setting: Setting, name: str, stage: Stage, source: ModelSource) -> Plan:
    """How a stage will run. Raises ValueError or OSError, before any weight is read, where it cannot."""
    placed = setting.parts.trainer(logger=False, enable_checkpointing=False)
    check_launch(placed)
    check_strategy(placed)
    data = setting.parts.data
    data.place(placed.global_rank, placed.world_size)
    data.connect(source.frontend())
    try:
        loader = data.train_loader(
            stage.batch_size,
            stage.num_steps,
            stage.num_epochs,
            stage.examples_per_task,
            setting.seed,
            stage.rows,
            stage.micro_batch_size,
            stage.micro_batch_tokens,
            stage.updates_per_rollout,
            stage.max_duration_s,
        )
    except ValueError as error:
        raise ValueError(f"stage.{name}: {error}") from error
    module = module_of(setting, name, stage, source)
    if stage.rows not in module.rows:
        raise ValueError(
            f"stage.{name}.rows is {stage.rows}: {type(module).__name__} goes by {' or '.join(module.rows)}"
        )
    if getattr(module, "updates_per_rollout", 1) != stage.updates_per_rollout:
        raise ValueError(
            f"stage.{name}.updates_per_rollout: set stage.{name}.module.updates_per_rollout, which it follows"
        )
    placement = {
        "processes": placed.world_size,
        "workers": data.num_workers,
        "strategy": type(placed.strategy).__name__,
        "micro_batches": loader.batch_sampler.num_micro_batches,
    }
    batches = loader.batch_sampler
    batches.num_steps = num_steps(batches, placed.limit_train_batches, placed.overfit_batches)
    arguments = stage.arguments(batches.num_steps, batches.num_micro_batches)
    if placed.overfit_batches and isinstance(placed.overfit_batches, int):  # a share is one of the stage, of itself
        arguments["overfit_batches"] = batches.num_micro_batches * placed.overfit_batches
    return Plan(stage, loader, data.val_dataloader(), placement, arguments)


def fit(setting: Setting, name: str, planned: Plan, source: ModelSource, claim: Claim) -> dict[str, Any]:
    """Train one stage; returns its validation scores. What it trained is stored in the claim's folder."""
    release()
    seed_everything(setting.seed, workers=True)
    module = module_of(setting, name, planned.stage, source)
    module.steps_per_epoch = planned.loader.batch_sampler.steps_per_epoch
    module.non_finite = NonFiniteSteps(name)
    module.skips = setting.parts.data.skips(planned.loader, planned.validation)
    curves = setting.directory / name / CURVES
    states, window = States(claim.states, planned.placement), planned.stage.updates_per_rollout
    checkpoints = StageCheckpoints(states, setting.checkpoint_every, window, curves, setting.interruption)
    if (start := checkpoints.go_on()) is not None:
        say(f"{name} goes on after step {start.step}")
    if is_rank_zero():
        curves.unlink(missing_ok=True)  # a new logger would, some time later
    best = KeepBest(claim.states, lambda scores: validation_score(scores, setting.scored))
    if start is None and is_rank_zero():
        best.begin_anew()
    showing = Completions(setting.parts.data.corpus.store())
    watching = [EndsWithValidation(), checkpoints, *([best] if planned.stage.keep == "best" else []), showing]
    loggers = setting.loggers(name, result=claim.final.name)
    trainer = setting.new_trainer(name, *watching, logger=loggers, **planned.arguments)
    try:
        going_on = None if start is None else start.checkpoint
        trainer.fit(module, planned.batches, planned.validation, ckpt_path=going_on, weights_only=True)
    finally:
        finish(loggers)
    scores, data = checkpoints.scores, setting.parts.data
    if is_rank_zero():
        checkpoints.join_curves()
        if planned.stage.keep == "best":
            best.put_back(module)
            scores = best.scores or scores
        _store(module, source, checkpoints.curves, claim.folder)
        write_recordings(claim.folder / RECORDINGS, data.examples(data.train_split), _recordings_before(source))
    chosen = validation_score(scores, setting.scored)
    return {
        "scores": scores,
        "validation": chosen,
        "skipped": Counter(module.skipped().values()),
        "nonfinite_steps": module.non_finite.total,
        LONGEST: longest_s(setting, planned.stage),
    }


def longest_s(setting: Setting, stage: Stage) -> float:
    """The longest recording that a stage is trained on, in seconds."""
    data = setting.parts.data
    heard = no_longer(data.examples(data.train_split), setting.parts.task, stage.max_duration_s)
    return float(heard.durations_s.max())


def _recordings_before(source: ModelSource) -> Path | None:
    """What an earlier stage's result says it was trained on, where the source is one."""
    trained = source.adapter or Path(source.backbone.checkpoint)
    return path if (path := trained.parent / RECORDINGS).exists() else None


def module_of(setting: Setting, name: str, stage: Stage, source: ModelSource) -> TrainingModule:
    """Cheap: weights are read when Lightning asks for them."""
    metrics = {task: of_task.metrics() for task, of_task in setting.scored.items()}
    try:
        load = source.load_whole if source.trains_base else source.load
        module = stage.module(load_lalm=load, tasks=setting.parts.task, metrics=metrics)
    except ValueError as error:
        raise ValueError(f"stage.{name}: {error}") from error
    assert isinstance(module, TrainingModule)
    if source.trains_base and module.needs_adapter:
        raise ValueError(
            f"stage.{name}.module.kl_coefficient: the KL term is measured against the adapter as it was, "
            "and lora=none has none: set it to 0"
        )
    if source.trains_base and source.backbone.dtype != "float32":
        raise ValueError(
            f"model.dtype: lora=none trains the weights themselves, and {source.backbone.dtype} would round small "
            "updates away: set it to float32"
        )
    if source.trains_base and getattr(source.backbone, "quantization", None) is not None:
        raise ValueError(
            f"model.quantization: lora=none trains the weights themselves, which {source.backbone.quantization} cannot "
            "hold: set it to null"
        )
    return module


def _store(module: TrainingModule, source: ModelSource, curves: Path, folder: Path) -> None:
    """Put what a stage trained, and its curves, into a folder. Raises ValueError for weights that are not finite."""
    refuse_non_finite(module)
    if curves.exists():
        shutil.copy(curves, folder / CURVES)
    if source.trains_base:
        module.save_base(folder / CHECKPOINT)
    else:
        source.save_adapter(module.lalm, folder / ADAPTER)


def num_steps(batches: TrainingBatches, limit: float | int, overfit: float | int) -> int:
    """As many as the stage has, and as the trainer's own limit on its batches lets it take: one at least."""
    if overfit or (limit == 1.0 and isinstance(limit, float)):
        return batches.num_steps
    num_batches = limit if isinstance(limit, int) else int(limit * len(batches))
    return min(batches.num_steps, max(1, num_batches // batches.num_micro_batches))
