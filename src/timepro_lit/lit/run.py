"""A run: its stages in order, each made once and kept, then an evaluation of each row of the table."""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger, WandbLogger
from lightning.pytorch.strategies import DeepSpeedStrategy
from rich.console import Console
from torchdata.stateful_dataloader import StatefulDataLoader

from timepro_lit.atomic import write_atomically
from timepro_lit.data.audio import read_audio
from timepro_lit.data.whole_steps import WholeSteps
from timepro_lit.figures.run_report import write_report
from timepro_lit.figures.table import results_table
from timepro_lit.fingerprint import fingerprint
from timepro_lit.lalm.checkpoint import Backbone, ModelSource, base_fingerprint
from timepro_lit.lalm.lora import LoRA
from timepro_lit.lit.base import AnsweringModule, TrainingModule
from timepro_lit.lit.checkpoints import StageCheckpoints, step_of
from timepro_lit.lit.datamodule import ClipDataModule
from timepro_lit.lit.evaluation import (
    Metrics,
    gather_answers,
    pool,
    read_answers,
    report,
    score_answers,
    write_evaluation,
)
from timepro_lit.lit.stage import Stage
from timepro_lit.metrics.meteor import shared_meteor
from timepro_lit.metrics.suite import Scores, default_metrics
from timepro_lit.stage_store import Claim, StageStore, is_rank_zero
from timepro_lit.tasks.base import Task
from timepro_lit.tasks.sound_events import SoundEventDetection
from timepro_lit.time_prompt.prompt import TimePrompt

ZERO_SHOT = "zero_shot"
ROW_ORDER = (ZERO_SHOT, "sft", "grpo")
ADAPTER, CHECKPOINT, CURVES = "adapter", "checkpoint", "metrics.csv"


@dataclass(frozen=True)
class Setting:
    """What every stage and row of a run has in common."""

    directory: Path
    tasks: Mapping[str, Task]
    data: ClipDataModule
    trainer: Callable[..., Trainer]
    callbacks: Mapping[str, Callable[[], Callback]]
    logger: Mapping[str, Callable[..., Logger]]
    seed: int
    checkpoint_every: int | None = None

    def new_trainer(self, *callbacks: Callback, **arguments: Any) -> Trainer:
        """A Trainer with callbacks of its own and those given; what it trains is stored by the stage, not by it."""
        return self.trainer(
            callbacks=[*(make() for make in self.callbacks.values()), *callbacks],
            default_root_dir=str(self.directory),
            enable_checkpointing=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            **arguments,
        )

    def loggers(self, stage: str) -> list[Logger]:
        """Loggers that write to the run directory's folder `stage`."""
        return [make(save_dir=str(self.directory), name=stage, version="") for make in self.logger.values()]


def run(
    directory: Path,
    store: StageStore,
    stage_settings: Mapping[str, Any],
    init_from: str | None,
    seed: int,
    checkpoint_every: int | None,
    rows: Sequence[str] | None,
    model: Backbone,
    lora: LoRA | None,
    time_prompt: TimePrompt | None,
    task: Mapping[str, Task],
    data: ClipDataModule,
    stage: Mapping[str, Stage],
    trainer: Callable[..., Trainer],
    callbacks: Mapping[str, Callable[[], Callback]],
    logger: Mapping[str, Callable[..., Logger]],
) -> tuple[str, float | None]:
    """Train what is missing, evaluate, write the report; returns the table and the last stage's validation score."""
    quiet()
    setting = Setting(directory, task, data, trainer, callbacks, logger, seed, checkpoint_every)
    data.prepare_data()
    model.prepare(data.texts)
    source = ModelSource(model, time_prompt, lora, Path(init_from) / ADAPTER if init_from else None)
    parent = fingerprint(Path(init_from)) if init_from else base_fingerprint(model)
    sources = {ZERO_SHOT: ModelSource(model, None, None)}
    metric = None
    for name, one in stage.items():
        determinants = {"settings": stage_settings[name], "parent": parent, "data": data.fingerprints(fingerprint)}
        with store.claim(name, determinants) as claim:
            if not claim.complete:
                claim.publish(fit(setting, name, one, source, claim))
            if is_rank_zero():
                shutil.rmtree(claim.states, ignore_errors=True)
            metric = claim.result["validation"]
            parent = claim.key
            adapter = claim.final / ADAPTER
            source = ModelSource(model, time_prompt, lora, adapter if adapter.exists() else None)
            sources[name] = source
            _show(directory / name, claim.final)
    trains_base = bool(stage) and source.adapter is None
    if trains_base:  # the weights themselves were trained: nothing to put beside them
        return f"trained weights: {claim.final / CHECKPOINT}", metric
    wanted = rows or [list(sources)[-1]]
    table = evaluate_rows(setting, {name: sources[name] for name in wanted}, data.test_split)
    return table, metric


def metrics_of(tasks: Mapping[str, Task]) -> Metrics:
    """New metrics of the tasks that are scored."""
    sed = tasks.get("sed")
    classes = sed.classes if isinstance(sed, SoundEventDetection) else ()
    return {name: m for name, m in default_metrics(classes, shared_meteor()).items() if name in tasks}


def quiet() -> None:
    """Leave the terminal to what a user came for: progress, errors and the table."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)


def fit(setting: Setting, name: str, stage: Stage, source: ModelSource, claim: Claim) -> dict[str, Any]:
    """Train one stage, from where it was killed if it was; returns its validation scores.

    What it trained is stored in the claim's folder.
    """
    seed_everything(setting.seed, workers=True)
    setting.data.connect(source.frontend())
    module = stage.module(load_lalm=source.load, tasks=setting.tasks, metrics=metrics_of(setting.tasks))
    assert isinstance(module, TrainingModule)
    loader = setting.data.train_loader(
        stage.micro_batch_size, stage.examples_per_task, setting.seed, stage.rows, stage.micro_batch_tokens
    )
    validation = setting.data.val_dataloader()
    placed = setting.trainer(logger=False, enable_checkpointing=False)
    accumulation = stage.accumulation(placed.world_size, setting.data.mean_rows(loader))
    # At an epoch's end Lightning makes a step of what there is, but DeepSpeed waits for the next epoch's batches.
    only_whole = isinstance(placed.strategy, DeepSpeedStrategy)
    loader.batch_sampler.repeat(accumulation, stage.updates_per_rollout, only_whole)
    if not len(loader):
        raise ValueError(f"stage.{name}: an epoch holds fewer micro-batches than a step's {accumulation}")
    module.skips = setting.data.skips(placed.world_size, loader, validation)
    checkpoints = _checkpoints(setting, name, stage, claim, placed)
    start = checkpoints.newest
    if is_rank_zero() and checkpoints.go_on() is not None:
        print(f"{name} goes on after step {step_of(start)}")
    loggers = setting.loggers(name)
    trainer = setting.new_trainer(
        checkpoints,
        logger=loggers,
        accumulate_grad_batches=accumulation,
        **stage.lengths(accumulation, _num_batches(placed, loader)),
    )
    batches = WholeSteps(loader, accumulation) if stage.rows == "prompt" else loader
    try:
        trainer.fit(module, batches, validation, ckpt_path=start, weights_only=True)
    finally:
        for logger in loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.finish()  # the next stage is a run of its own
    if is_rank_zero():
        checkpoints.join_curves()
        _store(module, source, checkpoints.curves, claim.folder)
    scores = checkpoints.scores
    return {"scores": scores, "validation": validation_score(scores), "skipped": module.skips.by_kind()}


def _checkpoints(setting: Setting, name: str, stage: Stage, claim: Claim, placed: Trainer) -> StageCheckpoints:
    placement = {
        "processes": placed.world_size,
        "workers": setting.data.num_workers,
        "strategy": type(placed.strategy).__name__,
    }
    curves = setting.directory / name / CURVES
    return StageCheckpoints(claim.states, setting.checkpoint_every, stage.updates_per_rollout, curves, placement)


def _store(module: TrainingModule, source: ModelSource, curves: Path, folder: Path) -> None:
    """Put what a stage trained, and its curves, into a folder."""
    if curves.exists():
        shutil.copy(curves, folder / CURVES)
    if source.lora is not None or source.adapter is not None:
        source.save_adapter(module.lalm, folder / ADAPTER)
    else:
        module.save_base(folder / CHECKPOINT)


def validation_score(scores: Mapping[str, float]) -> float | None:
    """One number to choose by: the mean of the tasks' time scores on the validation split, in percent."""
    kept = [scores[k] for k in ("val/ag/mIoU", "val/sed/Eb-F1", "val/dac/Eb-F1") if k in scores]
    return sum(kept) / len(kept) if kept else None


def evaluate(
    directory: Path,
    rows: Sequence[str] | None,
    split: str,
    model: Backbone,
    lora: LoRA | None,
    time_prompt: TimePrompt | None,
    task: Mapping[str, Task],
    data: ClipDataModule,
    stage: Mapping[str, Stage],
    trainer: Callable[..., Trainer],
    callbacks: Mapping[str, Callable[[], Callback]],
    logger: Mapping[str, Callable[..., Logger]],
) -> str:
    """Evaluate stages of a finished run on a split, into `<directory>/evaluation-<split>`; returns the table."""
    quiet()
    setting = Setting(directory / f"evaluation-{split}", task, data, trainer, callbacks, {}, 0)
    data.prepare_data()
    sources = {ZERO_SHOT: ModelSource(model, None, None)}
    for name in stage:
        sources[name] = ModelSource(model, time_prompt, lora, (directory / name / "result").resolve() / ADAPTER)
    wanted = rows or list(sources)
    unknown = [row for row in wanted if row not in sources]
    if unknown:
        raise ValueError(f"rows: the run has no {', '.join(unknown)}; it has {', '.join(sources)}")
    return evaluate_rows(setting, {name: sources[name] for name in wanted}, split)


def evaluate_rows(setting: Setting, sources: Mapping[str, ModelSource], split: str) -> str:
    """Evaluate each row, unless its evaluation is there already; write report.json and report.html."""
    rows = {name: evaluate_row(setting, name, source, split) for name, source in sources.items()}
    return publish(setting.directory, report(rows) | ({"note": note} if (note := setting.data.corpus.note()) else {}))


def publish(directory: Path, numbers: Mapping[str, Any]) -> str:
    """Write report.json and report.html into a run directory; returns the table."""
    text = io.StringIO()
    Console(file=text, width=100).print(results_table(numbers))
    if is_rank_zero():
        write_atomically(directory / "report.json", json.dumps(numbers, indent=1))
        text.write(f"page: {write_report(directory, read_audio)}\n")
    return text.getvalue()


def report_seeds(runs: Sequence[Path], directory: Path, task: Mapping[str, Task]) -> str:
    """One report over runs that differ in their seed: sums over all seeds, bootstrap over clips.

    The clips to listen to and the curves are those of the first run. Raises ValueError where a run lacks a row.
    """
    metrics = metrics_of(task)
    rows = [path.name for path in sorted((runs[0] / "evaluation").iterdir(), key=lambda p: ROW_ORDER.index(p.name))]
    seeds: dict[str, list[dict[str, Scores]]] = {row: [] for row in rows}
    for run_directory in runs:
        for row in rows:
            folder = run_directory / "evaluation" / row
            if not (folder / "scores.json").exists():
                raise ValueError(f"{run_directory} has no evaluation of {row}")
            seeds[row].append(score_answers(read_answers(folder, task), metrics))
    numbers = report({row: pool(of_row) for row, of_row in seeds.items()}) | {"n_seeds": len(runs)}
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("evaluation", *(row for row in rows if row != ZERO_SHOT)):
        _link(directory / name, runs[0] / name)
    return publish(directory, numbers)


def evaluate_row(setting: Setting, name: str, source: ModelSource, split: str) -> dict[str, Scores]:
    """Greedy answers of one model to a split, scored and written to evaluation/<name>."""
    folder = setting.directory / "evaluation" / name
    metrics = metrics_of(setting.tasks)
    setting.data.connect(source.frontend())
    if (folder / "scores.json").exists():
        return score_answers(read_answers(folder, setting.tasks), metrics)
    module = AnsweringModule(source.load, setting.tasks, metrics)
    trainer = setting.new_trainer(logger=False)
    loader = setting.data.evaluation_loader(split)
    module.skips = setting.data.skips(trainer.world_size, loader)
    trainer.test(module, loader, verbose=False)
    answers = gather_answers(module.answers)
    scores = score_answers(answers, metrics)
    if is_rank_zero():
        store = setting.data.corpus.store()
        write_evaluation(folder, answers, scores, store.location, module.skips.by_kind())
    return scores


def _num_batches(trainer: Trainer, loader: StatefulDataLoader[Any]) -> int:
    """Of an epoch, as far as the trainer's own limit lets it go."""
    limit = trainer.limit_train_batches
    return min(limit, len(loader)) if isinstance(limit, int) else int(limit * len(loader))


def _show(folder: Path, result: Path) -> None:
    """Show in the run directory where a stage's result is kept, with the curves of the run that made it."""
    _link(folder / "result", result)
    if is_rank_zero() and (result / CURVES).exists() and not (folder / CURVES).exists():
        shutil.copy(result / CURVES, folder / CURVES)


def _link(link: Path, target: Path) -> None:
    """Show in the run directory where a stage's result is kept."""
    if is_rank_zero():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(target.resolve(), link.parent.resolve()))  # survives a move of the outputs
