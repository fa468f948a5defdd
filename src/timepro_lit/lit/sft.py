"""Supervised fine-tuning: cross-entropy on the answer tokens, all tasks together."""

from __future__ import annotations

from torch import Tensor

from timepro_lit.grpo.logprobs import answer_logprobs
from timepro_lit.lit.base import TrainingModule
from timepro_lit.records import Batch


class SFT(TrainingModule):
    """Teaches the adapter to read the time prompt. The mean runs over the answer tokens of a micro-batch."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        logp_BR = answer_logprobs(
            self.lalm,
            self.prompt_embeds(batch),
            batch.prompt_mask,
            batch.answer_ids[:, None],
            batch.answer_mask[:, None],
            prompt_positions=self.lalm.positions(batch.prompt_ids, batch.prompt_mask),
        )[:, 0]
        loss = -logp_BR.sum() / batch.answer_mask.sum()
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch))
        return loss
