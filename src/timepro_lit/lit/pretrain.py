"""How the embedded base model is made: listening first, then answering, never a timestamp in its input.

The encoder first learns in which frames which sound is on, starts and ends, through a linear head that is thrown away
afterwards; then encoder and language model learn to answer together. This stage is not part of the paper's method: it
stands in for the pre-training that Qwen2.5-Omni brings along.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timepro_lit.lalm.base import LALM
from timepro_lit.lit.sharding import mixes_by_arrival
from timepro_lit.lit.training import TrainingModule
from timepro_lit.metrics.base import SumMetric
from timepro_lit.records import Example, Interviews
from timepro_lit.tasks.base import Task

ACTIVITY_TASK = "tag"
"""The question that lists all events of a clip exactly, whatever else is asked about it."""
ACTIVITY_WEIGHT = 3.0
"""Of the frame-wise loss beside that of the answers."""
BOUNDARY_WEIGHT = 4.0
"""Of a frame in which a sound starts or ends, in the frame-wise loss."""
ENCODER_FACTOR = 0.3
"""On the encoder's learning rate once it has listened: it goes on, but slower than the language model."""


class Pretrain(TrainingModule):
    """Full-parameter training: answers plus frame-wise activity of `classes`, the first steps on activity alone.

    Works on `Interviews`. Every question counts the same, however long its answer: times are few tokens.
    """

    shown = ("train/loss", "pretrain/activity_loss")

    def __init__(
        self,
        load_lalm: Callable[[], LALM],
        tasks: Mapping[str, Task],
        metrics: Mapping[str, Sequence[SumMetric]],
        classes: Sequence[str],
        learning_rate: float,
        warmup_fraction: float = 0.03,
        weight_decay: float = 0.0,
        listening_steps: int = 500,
    ) -> None:
        super().__init__(load_lalm, tasks, metrics, learning_rate, warmup_fraction, weight_decay)
        self.classes = tuple(classes)
        self.listening_steps = listening_steps

    def setup(self, stage: str) -> None:
        super().setup(stage)
        if mixes_by_arrival(self.trainer):  # which would wait for ever for the gradients of a micro-batch without rows
            raise ValueError("trainer.strategy: a base is trained under DDP, not under DeepSpeed: use trainer=ddp")

    def configure_model(self) -> None:
        if self.lalm is None:
            super().configure_model()
            self.lalm.train_base()
            self.activity_head = nn.Linear(self.lalm.hidden_size, 3 * len(self.classes))

    def configure_optimizers(self) -> Any:
        """Both parts have a cosine schedule with warm-up in the phase in which they learn; listening has its own."""
        listening, num_steps = self.listening_steps, int(self.trainer.estimated_stepping_batches)
        answering = num_steps - listening

        def encoder(step: int) -> float:
            if step < listening:
                return self.factor(step, listening)
            return ENCODER_FACTOR * self.factor(step - listening, answering)

        def language_model(step: int) -> float:
            return 0.0 if step < listening else self.factor(step - listening, answering)

        groups: dict[bool, list[Tensor]] = {True: [], False: []}
        for name, weight in self.named_parameters():
            if weight.requires_grad:
                groups[_listens(name)].append(weight)
        named = [{"params": groups[True], "name": "encoder"}, {"params": groups[False], "name": "language_model"}]
        return self.optimizer(named, [encoder, language_model])

    def loss(self, batch: Interviews) -> tuple[Tensor, int]:
        frames = self.lalm.encode_audio(batch.features, batch.feature_mask)
        activity_loss = self.activity_loss(batch, frames)
        self.step_sums.note("pretrain/activity_loss", activity_loss, len(batch))
        if self.global_step < self.listening_steps:
            # The language model is idle, but data parallelism waits for all gradients.
            return ACTIVITY_WEIGHT * activity_loss + self.zero_loss(), len(batch)
        answer_loss = self.answer_loss(batch, frames)
        self.step_sums.note("train/loss", answer_loss, len(batch))
        return answer_loss + ACTIVITY_WEIGHT * activity_loss, len(batch)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        if self.global_step < self.listening_steps:
            for name, weight in self.named_parameters():
                # AdamW begins to count its steps with the first gradient, be it zero; the head's count from the start.
                if not _listens(name) and weight is not self.lalm.lm_head.weight:
                    weight.grad = None
        super().on_before_optimizer_step(optimizer)

    def save_base(self, folder: Path) -> None:
        """Write the base in bfloat16, in which it is used."""
        self.lalm.save_base(folder, torch.bfloat16)

    def answer_loss(self, batch: Interviews, frames: Tensor) -> Tensor:
        """Mean over the questions of the mean cross-entropy of their answers' tokens; also logged task by task."""
        losses = question_means(-self.answer_logprobs(batch, frames), batch)
        names = [example.task for of_clip in batch.examples for example in of_clip]
        for name in set(names):
            of_task = torch.tensor([other == name for other in names], device=losses.device)
            self.step_sums.note(f"pretrain/{name}_loss", losses.detach()[of_task].mean(), names.count(name))
        return losses.mean()

    def activity_loss(self, batch: Interviews, frames: Tensor) -> Tensor:
        """Mean over clips of the mean binary cross-entropy, over frames, of every class being on, starting and ending.

        Clip by clip, so that it does not depend on which clips share a micro-batch.
        """
        num_frames = (batch.ids == self.lalm.audio_id).sum(1).tolist()
        active = []
        for of_clip, count in zip(batch.examples, num_frames, strict=True):
            (exact,) = (example for example in of_clip if example.task == ACTIVITY_TASK)
            active.append(frame_activity(exact, self.classes, count, self.lalm.frames_per_second))
        logits = self.activity_head(frames).float()
        # Boundaries are rare: without more weight "never" is a good answer.
        weight = logits.new_ones(3, len(self.classes))
        weight[1:] = BOUNDARY_WEIGHT
        losses = F.binary_cross_entropy_with_logits(
            logits, torch.cat(active).to(logits.device), pos_weight=weight.flatten(), reduction="none"
        )
        return torch.stack([of_clip.mean() for of_clip in losses.split(num_frames)]).mean()


def _listens(name: str) -> bool:
    """Whether a weight of this name learns while the encoder does."""
    return "audio_tower" in name or "activity_head" in name


def question_means(values: Tensor, batch: Interviews) -> Tensor:
    """(N,) values of a batch's answer tokens, in reading order -> (number of questions,) the mean over each answer."""
    starts = torch.tensor([0, *(len(of_clip) for of_clip in batch.examples)], device=values.device).cumsum(0)
    question_N = (batch.branch - 1 + starts[:-1, None])[batch.is_answer]
    sums = values.new_zeros(int(starts[-1])).index_add(0, question_N, values)
    return sums / question_N.bincount(minlength=len(sums))


def frame_activity(example: Example, classes: Sequence[str], num_frames: int, frames_per_second: float) -> Tensor:
    """(num_frames, 3 * len(classes)) float32: 1 where a sound of the class is on, then where it starts, where it ends.

    It starts in the first two frames of an event, and ends in its last and in the one behind it.
    """
    on, starts, ends = (torch.zeros(num_frames, len(classes)) for _ in range(3))
    for event in example.events:
        column = classes.index(event.label)
        first, last = round(event.onset * frames_per_second), round(event.offset * frames_per_second)
        on[first:last, column] = 1.0
        starts[first : first + 2, column] = 1.0
        ends[max(0, last - 1) : last + 1, column] = 1.0
    return torch.cat([on, starts, ends], dim=1)
