"""How the embedded base model is made: listening first, then answering, never a timestamp in its input.

The encoder first learns which frames hold which sound, through a linear head that is thrown away afterwards; then
encoder and language model learn to answer together. This stage is not part of the paper's method: it stands in for
the pre-training that Qwen2.5-Omni brings along.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timepro_lit.grpo.logprobs import answer_logprobs
from timepro_lit.lalm.base import LALM
from timepro_lit.lit.base import TrainingModule
from timepro_lit.metrics.base import SumMetric
from timepro_lit.records import Batch, Example
from timepro_lit.tasks.base import Task


class Pretrain(TrainingModule):
    """Full-parameter training: answers plus frame-wise activity of `classes`, the first steps on activity alone.

    Examples of `rough_tasks` list only some of a clip's events, or their times roughly: their frames teach nothing.
    """

    def __init__(
        self,
        load_lalm: Callable[[], LALM],
        tasks: Mapping[str, Task],
        metrics: Mapping[str, Sequence[SumMetric]],
        classes: Sequence[str],
        learning_rate: float,
        warmup_fraction: float = 0.03,
        weight_decay: float = 0.0,
        listening_steps: int = 300,
        activity_weight: float = 3.0,
        rough_tasks: Sequence[str] = ("ag", "sed", "dac"),
    ) -> None:
        super().__init__(load_lalm, tasks, metrics, learning_rate, warmup_fraction, weight_decay)
        self.classes = tuple(classes)
        self.listening_steps = listening_steps
        self.activity_weight = activity_weight
        self.rough_tasks = tuple(rough_tasks)

    def configure_model(self) -> None:
        if self.lalm is None:
            super().configure_model()
            self.lalm.train_base()
            self.activity_head = nn.Linear(self.lalm.hidden_size, len(self.classes))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        frames = self.lalm.encode_audio(batch.features, batch.feature_mask)
        activity_loss = self.activity_loss(batch, frames)
        self.log("pretrain/activity_loss", activity_loss, batch_size=len(batch))
        if self.global_step < self.listening_steps:
            # The language model is idle: a zero keeps its gradients defined.
            return self.activity_weight * activity_loss + 0.0 * self.lalm.lm_head.weight.sum()
        logp_BR = answer_logprobs(
            self.lalm,
            self.lalm.embed(batch.prompt_ids, frames),
            batch.prompt_mask,
            batch.answer_ids[:, None],
            batch.answer_mask[:, None],
            chunk_size=8192,
        )[:, 0]
        answer_loss = -logp_BR.sum() / batch.answer_mask.sum()
        self.log("train/loss", answer_loss, prog_bar=True, batch_size=len(batch))
        return answer_loss + self.activity_weight * activity_loss

    def activity_loss(self, batch: Batch, frames: Tensor) -> Tensor:
        """Binary cross-entropy of every class in every frame of the clips whose events are listed exactly."""
        num_frames = (batch.prompt_ids == self.lalm.audio_id).sum(1).tolist()
        active, listed = [], []
        for example, count in zip(batch.examples, num_frames, strict=True):
            active.append(frame_activity(example, self.classes, count, self.lalm.frames_per_second))
            listed += [example.task not in self.rough_tasks] * count
        logits = self.activity_head(frames).float()
        losses = F.binary_cross_entropy_with_logits(logits, torch.cat(active).to(logits.device), reduction="none")
        kept = torch.tensor(listed, device=logits.device, dtype=losses.dtype)[:, None]
        return (losses * kept).sum() / (kept.sum().clamp(min=1) * len(self.classes))


def frame_activity(example: Example, classes: Sequence[str], num_frames: int, frames_per_second: float) -> Tensor:
    """(num_frames, len(classes)) float32: 1 where a sound of the class is on.

    A caption counts as its class where it holds the class's name as a word. Events without a class are left out.
    """
    active = torch.zeros(num_frames, len(classes))
    for event in example.events:
        words = event.label.replace(",", " ").split()
        for column, name in enumerate(classes):
            if name in words:
                active[round(event.onset * frames_per_second) : round(event.offset * frames_per_second), column] = 1.0
    return active
