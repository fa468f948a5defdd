"""From a batch of questions to answers that were read: the loop that evaluation and prediction share.

Answers are greedy or, where a `Voting` says so, G sampled ones to each question, of which one is made.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from timepro_lit.events.voting import Voting
from timepro_lit.grpo.prefix import prefill
from timepro_lit.grpo.rollout import sample
from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.warping import warper
from timepro_lit.records import Answer, Batch, Example, Rollouts, Voter
from timepro_lit.tasks.base import ScoredTask
from timepro_lit.tasks.voted import voted

MAX_ANSWER_TOKENS = 640
"""One pair of times costs about 14 single-digit tokens, and clips hold up to 20 events."""


@torch.no_grad()
def answer_batch(
    lalm: LALM,
    tasks: Mapping[str, ScoredTask],
    batch: Batch,
    max_answer_tokens: int = MAX_ANSWER_TOKENS,
    voting: Voting | None = None,
) -> list[Answer]:
    """Greedy answers to a batch, or votes, read by each example's task."""
    frames = lalm.encode_audio(batch.features, batch.feature_mask)
    positions = lalm.positions(batch.prompt_ids, batch.prompt_mask)
    prefix = prefill(lalm, lalm.embed(batch.prompt_ids, frames), batch.prompt_mask, positions)
    rollouts = sample(
        lalm,
        prefix,
        group_size=1 if voting is None else voting.num_answers,
        max_new_tokens=max_answer_tokens,
        warp=None if voting is None else warper(voting.temperature),
        seed=0 if voting is None else voting.seed,
        keys=[_drawn_by(example) for example in batch.examples],
    )
    answers = []
    for example, voters in zip(batch.examples, _said(lalm, tasks, batch, rollouts), strict=True):
        task = tasks[example.task]
        made = voted(example, task, task.prompt(example), voters) if voting else _greedy(example, task, voters[0])
        answers.append(made)
    return answers


def _greedy(example: Example, task: ScoredTask, said: Voter) -> Answer:
    return Answer(example, task.prompt(example), said.text, said.prediction, said.truncated)


def _said(lalm: LALM, tasks: Mapping[str, ScoredTask], batch: Batch, rollouts: Rollouts) -> list[tuple[Voter, ...]]:
    """Of each example its G answers, read."""
    ids_BGR, truncated_BG = rollouts.answer_ids.tolist(), rollouts.truncated.tolist()
    found = []
    for example, ids_GR, truncated_G in zip(batch.examples, ids_BGR, truncated_BG, strict=True):
        texts = [lalm.frontend.text(ids) for ids in ids_GR]
        parse = tasks[example.task].parse
        found.append(tuple(Voter(t, parse(t), cut) for t, cut in zip(texts, truncated_G, strict=True)))
    return found


def _drawn_by(example: Example) -> str:
    """What the draws of an example belong to: its id or, where it has none, what is asked about which recording."""
    return example.id or "\n".join((example.task, example.audio, example.query or ""))
