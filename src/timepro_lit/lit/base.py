"""What SFT, GRPO and pretraining share: loading, the optimiser, and evaluation by greedy answers."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn

from timepro_lit.data.skips import Skips
from timepro_lit.grpo.logprobs import branch_logprobs
from timepro_lit.grpo.loss import attached_zero
from timepro_lit.inference.answering import MAX_ANSWER_TOKENS, answer_batch
from timepro_lit.lalm.base import LALM
from timepro_lit.lit.processes import gathered
from timepro_lit.lit.sharding import (
    arrival_order,
    asks_after_each_micro_batch,
    autocast_outside_training,
    begin_micro_batch,
    check_strategy,
    divisor,
    mixes_by_arrival,
    scale_gradients,
)
from timepro_lit.lit.step_sums import StepSums
from timepro_lit.metrics.base import SumMetric
from timepro_lit.records import Answer, Batch, Interviews
from timepro_lit.tasks.base import Task, scored


class AnsweringModule(LightningModule):
    """A model that answers; validation and test are the same loop of greedy answers, read once and scored.

    `load_lalm` reads the weights when Lightning asks for them (`configure_model`), so that making a module is cheap.
    Answers of the last test pass stay in `answers`.
    """

    def __init__(
        self,
        load_lalm: Callable[[], LALM],
        tasks: Mapping[str, Task],
        metrics: Mapping[str, Sequence[SumMetric]],
        max_answer_tokens: int = MAX_ANSWER_TOKENS,
    ) -> None:
        super().__init__()
        self.strict_loading = False  # checkpoints hold the trained weights alone
        self.load_lalm = load_lalm
        self.tasks = dict(tasks)
        self.scored = scored(tasks)
        self.metrics = nn.ModuleDict({task: nn.ModuleList(of_task) for task, of_task in metrics.items()})
        self.max_answer_tokens = max_answer_tokens
        self.answers: list[Answer] = []
        self.lalm: LALM | None = None
        self.skips = Skips()
        """Examples that took no part because their recordings could not be used."""

    def setup(self, stage: str) -> None:
        check_strategy(self.trainer)
        # Half precision and DeepSpeed would cast what is in a batch, and refuse frozen records. The encoder casts it.
        self.trainer.precision_plugin.convert_input = lambda batch: batch  # type: ignore[method-assign]

    def configure_model(self) -> None:
        if self.lalm is None:
            self.lalm = self.load_lalm().train()  # checkpoints load in evaluation mode

    def transfer_batch_to_device(
        self, batch: Batch | Interviews, device: torch.device, dataloader_idx: int
    ) -> Batch | Interviews:
        self.skips.note(batch.skipped)
        return batch.to(device)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        trained = {name for name, weight in self.named_parameters() if weight.requires_grad}
        checkpoint["state_dict"] = {k: v for k, v in checkpoint["state_dict"].items() if k in trained}

    @torch.no_grad()
    def encode(self, batch: Batch | Interviews) -> Tensor:
        """Audio frames of all clips by the frozen encoder, once per clip: (sum of num_frames, D)."""
        return self.lalm.encode_audio(batch.features, batch.feature_mask)

    @torch.no_grad()
    def prompt_embeds(self, batch: Batch) -> Tensor:
        """(B, P, D) prompts with their audio."""
        return self.lalm.embed(batch.prompt_ids, self.encode(batch))

    def skipped(self) -> dict[str, str]:
        """Example id -> kind of fault, of all processes; every process has to ask."""
        return {id_: kind for of_process in gathered(self.skips.kind_of) for id_, kind in of_process.items()}

    def answer(self, batch: Batch) -> list[Answer]:
        """Greedy answers to a batch, read by each example's task."""
        if not len(batch):
            return []
        return answer_batch(self.lalm, self.scored, batch, self.max_answer_tokens)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        for answer in self.answer(batch):
            for metric in self._metrics_of(answer.example.task):
                metric.update([answer.prediction], [answer.example])

    def on_validation_epoch_end(self) -> None:
        self.skips.check(self.skipped())
        # Every process computes every metric, also of a task that it saw no example of: the others wait for its sums.
        for task in self.metrics:
            for metric in self._metrics_of(task):
                values = {name: value for name, value in metric.compute().items() if not value.isnan()}
                self.log_dict({f"val/{task}/{name}": value for name, value in values.items()})
                metric.reset()

    def on_test_epoch_start(self) -> None:
        self.answers = []

    def on_test_epoch_end(self) -> None:
        self.skips.check(self.skipped())

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        with autocast_outside_training(self.trainer, self.device):
            self.answers += self.answer(batch)

    def _metrics_of(self, task: str) -> nn.ModuleList | tuple[()]:
        # Questions that nobody scores (tagging, counting, ...) have no metrics.
        return self.metrics[task] if task in self.metrics else ()  # noqa: SIM401 (a ModuleDict has no get)


class TrainingModule(AnsweringModule):
    """An answering module with AdamW over whatever is trainable, and a cosine schedule with linear warm-up.

    What `step_sums` is told while losses are computed is logged as means over the whole optimiser step.
    """

    shown: tuple[str, ...] = ("train/loss",)
    """What a progress line shows of it."""
    needs_adapter = False
    """Whether base weights cannot be trained in this way."""

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

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.global_rank == 0:  # who stands for those of all
            self.skips.kind_of.update(checkpoint["skipped"])

    def training_step(self, batch: Batch | Interviews, batch_idx: int) -> Tensor:
        begin_micro_batch(self.trainer)
        if len(batch):
            loss, weight = self.loss(batch)
        else:  # there was nothing left for it, or every recording was skipped; others wait for its gradients
            loss, weight = self.zero_loss(), 0
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
        step = self.step_sums.close(len(self.skips.kind_of))
        if self.skips.are_too_many(step.skipped):
            self.skips.check(self.skipped())
        scale_gradients(trainer, self.parameters(), step.factor(divisor(trainer)))
        for name, mean in step.means.items():
            self.log(name, mean, prog_bar=name in self.shown)
        self._log_epoch(self.global_step + 1)

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        self._log_epoch(self.global_step)

    def _log_epoch(self, step: int) -> None:
        if self.steps_per_epoch:  # to Lightning a stage is one epoch
            self.log("epoch", step / self.steps_per_epoch)

    def answer_logprobs(self, batch: Interviews, frames: Tensor) -> Tensor:
        """(N,) log-probabilities of the reference answers' tokens, in reading order."""
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
        """Write the trained base weights as a checkpoint folder, in bfloat16."""
        self.lalm.save_base(folder, torch.bfloat16)

    def configure_optimizers(self) -> Any:
        num_steps = int(self.trainer.estimated_stepping_batches)
        trained = [weight for weight in self.parameters() if weight.requires_grad]
        return self.optimizer([(trained, lambda step: self.factor(step, num_steps))])

    def optimizer(self, groups: Sequence[tuple[list[Tensor], Callable[[int], float]]]) -> dict[str, Any]:
        """AdamW over groups of weights, each with the factor that a step puts on the learning rate."""
        optimizer = torch.optim.AdamW(
            [{"params": weights} for weights, _ in groups], lr=self.learning_rate, weight_decay=self.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, [factor for _, factor in groups])
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
