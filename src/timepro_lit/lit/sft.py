"""Supervised fine-tuning: cross-entropy on the answer tokens, all tasks together."""

from __future__ import annotations

from torch import Tensor

from timepro_lit.lit.training import TrainingModule
from timepro_lit.records import Interviews


class SFT(TrainingModule):
    """Teaches the adapter to read the time prompt. The mean runs over all answer tokens of an optimiser step."""

    def loss(self, batch: Interviews) -> tuple[Tensor, int]:
        logp_N = self.answer_logprobs(batch, self.encode(batch))
        loss = -logp_N.mean()
        self.step_sums.note("train/loss", loss, len(logp_N))
        return loss, len(logp_N)
