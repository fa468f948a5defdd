"""What SFT, GRPO and pretraining share: loading, the optimiser, and evaluation by greedy answers."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.strategies import DeepSpeedStrategy
from torch import Tensor, nn

from timepro_lit.data.skips import Skips
from timepro_lit.grpo.logprobs import branch_logprobs
from timepro_lit.grpo.loss import attached_zero
from timepro_lit.inference.answering import MAX_ANSWER_TOKENS, answer_batch
from timepro_lit.lalm.base import LALM
from timepro_lit.lit.step_mean import StepMean, scale_gradients
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
        if getattr(self.trainer.strategy, "zero_stage_3", False):
            raise ValueError(
                "trainer.strategy: with ZeRO-3 every process must take part in every forward, but answers end after "
                "unequally many of them, so that the processes would wait for each other forever: use ZeRO-2"
            )
        if self.autocast_by_deepspeed and self.trainer.precision != "bf16-mixed":
            raise ValueError(f"trainer.precision: DeepSpeed is set up for bf16-mixed, not {self.trainer.precision}")
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
        # Every process computes every metric, also of a task that it saw no example of: the others wait for its sums.
        for task in self.metrics:
            for metric in self._metrics_of(task):
                values = {name: value for name, value in metric.compute().items() if not value.isnan()}
                self.log_dict({f"val/{task}/{name}": value for name, value in values.items()})
                metric.reset()

    def on_test_epoch_start(self) -> None:
        self.answers = []

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        # DeepSpeed's engine knows of autocast in training alone.
        autocast = torch.autocast(self.device.type, torch.bfloat16) if self.autocast_by_deepspeed else nullcontext()
        with autocast:
            self.answers += self.answer(batch)

    @property
    def autocast_by_deepspeed(self) -> bool:
        """Whether DeepSpeed switches autocast on, which is Lightning's part elsewhere."""
        if not isinstance(strategy := self.trainer.strategy, DeepSpeedStrategy):
            return False
        return (strategy.config or {}).get("torch_autocast", {}).get("enabled", False)

    def _metrics_of(self, task: str) -> nn.ModuleList | tuple[()]:
        # Questions that nobody scores (tagging, counting, ...) have no metrics.
        return self.metrics[task] if task in self.metrics else ()  # noqa: SIM401 (a ModuleDict has no get)


class TrainingModule(AnsweringModule):
    """An answering module with AdamW over whatever is trainable, and a cosine schedule with linear warm-up."""

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
        self.step_mean = StepMean(self.mean_over_processes)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["skipped"] = self.skips.kind_of

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.global_rank == 0:  # whose they are
            self.skips.kind_of.update(checkpoint["skipped"])

    def training_step(self, batch: Batch | Interviews, batch_idx: int) -> Tensor:
        if len(batch):
            loss, weight = self.loss(batch)
        else:  # every recording was skipped; other processes wait for this one's gradients
            loss, weight = attached_zero(self.parameters()), 0
        self.step_mean.add(weight)
        return loss * weight

    @abstractmethod
    def loss(self, batch: Any) -> tuple[Tensor, int]:
        """The mean that the stage minimises, on one micro-batch, and over how much it runs: tokens, answers, ..."""

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        accumulation = self.trainer.accumulate_grad_batches
        if self.deepspeed and self.step_mean.num_micro_batches < accumulation:
            return  # with DeepSpeed, Lightning asks after each micro-batch
        # Lightning divides by the number of micro-batches, and so does DeepSpeed.
        divisor = accumulation**2 if self.deepspeed else accumulation
        scale_gradients(self.parameters(), self.step_mean.close(divisor), self.deepspeed)

    @property
    def deepspeed(self) -> bool:
        """Whether DeepSpeed accumulates the gradient and shards it."""
        return isinstance(self.trainer.strategy, DeepSpeedStrategy)

    def mean_over_processes(self, value: float) -> float:
        """The mean of every process's value."""
        on_device = torch.tensor(float(value), device=self.device)
        return float(self.trainer.strategy.reduce(on_device, reduce_op="mean"))

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
