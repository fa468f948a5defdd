"""What every stage and every row share: loading, and evaluation by greedy answers, or by votes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn

from timepro_lit.data.hearing import Hearing
from timepro_lit.data.skips import Skips
from timepro_lit.events.voting import Voting
from timepro_lit.inference.answering import MAX_ANSWER_TOKENS, answer_batch
from timepro_lit.lalm.base import LALM
from timepro_lit.lit.processes import gathered
from timepro_lit.lit.sharding import (
    autocast_outside_training,
    check_strategy,
)
from timepro_lit.metrics.base import SumMetric
from timepro_lit.metrics.summed import Summed
from timepro_lit.records import Answer, Batch, Interviews
from timepro_lit.tasks.base import Task, scored


class AnsweringModule(LightningModule):
    """A model that answers; validation and test are the same loop of greedy answers, read once and scored.

    `load_lalm` reads the weights when Lightning asks for them (`configure_model`), so that making a module is cheap.
    With `voting`, an answer is what several sampled ones agree on.
    Answers of the last test pass stay in `answers`.
    """

    def __init__(
        self,
        load_lalm: Callable[[], LALM],
        tasks: Mapping[str, Task],
        metrics: Mapping[str, Sequence[SumMetric]],
        max_answer_tokens: int = MAX_ANSWER_TOKENS,
        voting: Voting | None = None,
    ) -> None:
        super().__init__()
        self.strict_loading = False  # checkpoints hold the trained weights alone
        self.load_lalm = load_lalm
        self.tasks = dict(tasks)
        self.scored = scored(tasks)
        self.metrics = nn.ModuleDict({task: nn.ModuleList(map(Summed, of_task)) for task, of_task in metrics.items()})
        self.max_answer_tokens = max_answer_tokens
        self.voting = voting
        self.answers: list[Answer] = []
        self.answered: list[Answer] = []
        """Of the last validation batch."""
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
        self, batch: Batch | Hearing | Interviews, device: torch.device, dataloader_idx: int
    ) -> Batch | Hearing | Interviews:
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

    def answer(self, batch: Hearing) -> list[Answer]:
        """Greedy answers to a batch, or votes, read by each example's task."""
        if not len(batch):
            return []
        return answer_batch(self.lalm, self.scored, batch, self.max_answer_tokens, self.voting)

    def validation_step(self, batch: Hearing, batch_idx: int) -> None:
        self.answered = self.answer(batch)
        for answer in self.answered:
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

    def test_step(self, batch: Hearing, batch_idx: int) -> None:
        with autocast_outside_training(self.trainer, self.device):
            self.answers += self.answer(batch)

    def _metrics_of(self, task: str) -> nn.ModuleList | tuple[()]:
        # Questions that nobody scores (tagging, counting, ...) have no metrics.
        return self.metrics[task] if task in self.metrics else ()  # noqa: SIM401 (a ModuleDict has no get)
