"""From a batch of questions to answers that were read: the greedy loop that evaluation and prediction share."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from timepro_lit.grpo.prefix import prefill
from timepro_lit.grpo.rollout import sample
from timepro_lit.lalm.base import LALM
from timepro_lit.records import Answer, Batch
from timepro_lit.tasks.base import ScoredTask

MAX_ANSWER_TOKENS = 640
"""One pair of times costs about 14 single-digit tokens, and clips hold up to 20 events."""


@torch.no_grad()
def answer_batch(
    lalm: LALM, tasks: Mapping[str, ScoredTask], batch: Batch, max_answer_tokens: int = MAX_ANSWER_TOKENS
) -> list[Answer]:
    """Greedy answers to a batch, read by each example's task."""
    frames = lalm.encode_audio(batch.features, batch.feature_mask)
    positions = lalm.positions(batch.prompt_ids, batch.prompt_mask)
    prefix = prefill(lalm, lalm.embed(batch.prompt_ids, frames), batch.prompt_mask, positions)
    rollouts = sample(lalm, prefix, group_size=1, max_new_tokens=max_answer_tokens, warp=None)
    answers = []
    for example, ids, truncated in zip(
        batch.examples, rollouts.answer_ids[:, 0].tolist(), rollouts.truncated[:, 0].tolist(), strict=True
    ):
        task, text = tasks[example.task], lalm.frontend.text(ids)
        answers.append(Answer(example, task.prompt(example), text, task.parse(text), truncated))
    return answers
