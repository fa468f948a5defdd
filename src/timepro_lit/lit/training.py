"""What SFT, GRPO and pretraining share: the optimiser, and optimiser steps that are one whole."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from timepro_lit.data.batches import Rows
from timepro_lit.grpo.logprobs import branch_logprobs
from timepro_lit.grpo.loss import attached_zero
from timepro_lit.lalm.base import LALM
from timepro_lit.lit import health
from timepro_lit.lit.base import AnsweringModule
from timepro_lit.lit.finite import NonFiniteSteps
from timepro_lit.lit.processes import gathered
from timepro_lit.lit.sharding import (
    arrival_order,
    asks_after_each_micro_batch,
    begin_micro_batch,
    divisor,
    gradient_norm,
    mixes_by_arrival,
    scale_gradients,
    skip_step,
)
from timepro_lit.lit.step_sums import StepSums
from timepro_lit.metrics.base import SumMetric
from timepro_lit.records import Batch, Interviews
from timepro_lit.tasks.base import Task

OBJECTIVE, GRADIENT_NORM = "objective", "train/gradient_norm"
"""What is back-propagated, to see whether it is finite; and how long the step's gradient is, before it is clipped."""


class TrainingModule(AnsweringModule):
    """An answering module with AdamW over whatever is trainable, and a cosine schedule with linear warm-up.

    What `step_sums` is told while losses are computed is logged as means over the whole optimiser step. A step whose
    loss or gradient is not finite is left out on all processes, and counted.
    """

    shown: tuple[str, ...] = ("train/loss",)
    """What a progress line shows of it."""
    needs_adapter = False
    """Whether base weights cannot be trained in this way."""
    rows: tuple[Rows, ...] = ("question", "clip")
    """What a row of its batches may be."""
    phases: tuple[str, ...] = health.OF_EVERY_STEP
    """In which a step spends its time."""

    def __init__(
        self,
        load_lalm: Callable[[], LALM],
        tasks: Mapping[str, Task],
        metrics: Mapping[str, Sequence[SumMetric]],
        learning_rate: float,
        warmup_fraction: float = 0.03,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(load_lalm, tasks, metrics)
        self.learning_rate = learning_rate
        self.warmup_fraction = warmup_fraction
        self.weight_decay = weight_decay
        self.step_sums = StepSums()
        self.clock = health.Phases()
        self.non_finite = NonFiniteSteps()
        self.steps_per_epoch: int | None = None
        """To say how far a step is in the data, where that is known."""
        self._arrival: list[nn.Parameter] | None = None

    def configure_model(self) -> None:
        if self.lalm is None:
            super().configure_model()
            if not any(weight.requires_grad for weight in self.lalm.parameters()):
                self.lalm.train_language_model()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["skipped"] = self.skipped()
        checkpoint["non_finite"] = self.non_finite.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.non_finite.resume(checkpoint["non_finite"])
        if self.global_rank == 0:  # who stands for those of all
            self.skips.kind_of.update(checkpoint["skipped"])

    def on_train_start(self) -> None:
        health.forget_peak(self.device)
        self.clock.begin()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        self.clock.enter(health.LEARNING)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.clock.enter(health.DATA)

    def training_step(self, batch: Batch | Interviews, batch_idx: int) -> Tensor:
        begin_micro_batch(self.trainer)
        if len(batch):
            loss, weight = self.loss(batch)
        else:  # there was nothing left for it, or every recording was skipped; others wait for its gradients
            loss, weight = self.zero_loss(), 0
        self.step_sums.note(OBJECTIVE, loss, 1.0)
        self.step_sums.end_micro_batch(weight)
        return loss * weight

    @abstractmethod
    def loss(self, batch: Any) -> tuple[Tensor, int]:
        """The mean that the stage minimises, on one micro-batch, and over how much it runs: tokens, answers, ..."""

    def zero_loss(self) -> Tensor:
        """That of a micro-batch without signal: gradients that others wait for are zeros, in the order of theirs."""
        if not mixes_by_arrival(self.trainer):
            return attached_zero(self.parameters())
        if self._arrival is None:
            self._arrival = arrival_order(self._probe(), self.parameters())
        return attached_zero(reversed(self._arrival))  # what is computed last comes first on the way back

    def _probe(self) -> Tensor:
        """The smallest loss that goes through the same layers as every other: an answer of one token to two."""
        ids = torch.full((1, 3), self.lalm.pad_id, device=self.device)
        branch = torch.tensor([[0, 1, 1]], device=self.device)
        depth = torch.tensor([[0, 0, 1]], device=self.device)
        embeds, positions = self.lalm.embed(ids), self.lalm.positions(ids, branch == 0)
        return branch_logprobs(self.lalm, embeds, ids, branch, depth, depth == 1, positions).sum()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        trainer = self.trainer
        is_over = self.step_sums.num_micro_batches == trainer.accumulate_grad_batches
        if not is_over and asks_after_each_micro_batch(trainer):
            return
        self.step_sums.note(GRADIENT_NORM, gradient_norm(trainer, self.parameters()), 1.0)
        self.step_sums.read()
        health.note_cost(self.step_sums, self.clock.take(*self.phases), self.device)
        self.clock.enter(health.OPTIMIZER)
        step = self.step_sums.close(len(self.skips.kind_of))
        if self.skips.are_too_many(step.skipped):
            self.skips.check(self.skipped())
        factor, objective = step.factor(divisor(trainer)), step.means.pop(OBJECTIVE)
        scale_gradients(trainer, self.parameters(), factor)
        norm = step.means.pop(GRADIENT_NORM) * factor
        is_finite = math.isfinite(objective) and math.isfinite(norm)
        if not is_finite:
            skip_step(trainer, self.parameters())
        self.non_finite.note(self.global_step + 1, is_finite)
        counted = {GRADIENT_NORM: norm, "train/nonfinite_steps": float(self.non_finite.total)}
        self._log_step(step.means | counted | health.learning_rates(optimizer.param_groups) | health.costs(step))

    def optimizer_step(self, *arguments: Any, **named: Any) -> None:
        super().optimizer_step(*arguments, **named)
        self.clock.enter(health.SAVING)

    def on_validation_start(self) -> None:
        self.clock.enter(health.VALIDATION)

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        self._log_epoch(self.global_step)
        seconds = gathered(self.clock.take(health.VALIDATION)[health.VALIDATION])
        self.log(f"{health.COST}validation_s", sum(seconds) / len(seconds))
        self.clock.enter(health.SAVING)

    def on_validation_end(self) -> None:
        self.clock.enter(health.DATA)

    def _log_step(self, values: dict[str, float]) -> None:
        """Log what is known of this step: callbacks see the latest value of all, loggers those of the step alone."""
        if self.steps_per_epoch:  # to Lightning a stage is one epoch
            values["epoch"] = (self.global_step + 1) / self.steps_per_epoch
        for name, value in values.items():
            self.log(name, value, prog_bar=name in self.shown, logger=False)
        if (self.global_step + 1) % self.trainer.log_every_n_steps == 0:
            for logger in self.loggers:
                logger.log_metrics(values, self.global_step)

    def _log_epoch(self, step: int) -> None:
        if self.steps_per_epoch:  # to Lightning a stage is one epoch
            self.log("epoch", step / self.steps_per_epoch)

    def answer_logprobs(self, batch: Interviews, frames: Tensor) -> Tensor:
        """(N,) log-probabilities of the reference answers' tokens, in reading order."""
        self.step_sums.add(health.TOKENS, (batch.branch >= 0).sum())
        return branch_logprobs(
            self.lalm,
            self.lalm.embed(batch.ids, frames),
            batch.ids,
            batch.branch,
            batch.depth,
            batch.is_answer,
            self.lalm.positions(batch.ids, batch.branch == 0),
        )

    def save_base(self, folder: Path) -> None:
        """Write the trained base weights as a checkpoint folder, as they were trained, lest small updates be lost."""
        self.lalm.save_base(folder, next(self.lalm.language_model.parameters()).dtype)

    def configure_optimizers(self) -> Any:
        num_steps = int(self.trainer.estimated_stepping_batches)
        trained = [weight for weight in self.parameters() if weight.requires_grad]
        return self.optimizer([{"params": trained}], [lambda step: self.factor(step, num_steps)])

    def optimizer(self, groups: Sequence[dict[str, Any]], factors: Sequence[Callable[[int], float]]) -> dict[str, Any]:
        """AdamW over groups of weights, each with the factor that a step puts on the learning rate.

        Several of them have names, by which their learning rates are logged.
        """
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate, weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factors)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def factor(self, step: int, num_steps: int) -> float:
        """Cosine with this module's share of warm-up."""
        return cosine(step, max(1, round(self.warmup_fraction * num_steps)), num_steps)


def cosine(step: int, warmup: int, num_steps: int) -> float:
    """Factor on the learning rate: linear up to 1 over `warmup` steps, then half a cosine down to 0.

    >>> [round(cosine(s, 2, 6), 3) for s in range(7)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]
    """
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, num_steps - warmup)))
