"""From a batch of questions to answers that were read: the loop that evaluation and prediction share.

Answers are greedy or, where a `Voting` says so, G sampled ones to each question, of which one is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from timepro_lit.data.hearing import Hearing
from timepro_lit.events.voting import Voting
from timepro_lit.grpo.prefix import Columns, Prefix, branch_out, prefill
from timepro_lit.grpo.rollout import sample
from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.warping import warper
from timepro_lit.records import Answer, Example, Rollouts, Voter
from timepro_lit.tasks.base import ScoredTask
from timepro_lit.tasks.voted import voted

MAX_ANSWER_TOKENS = 640
"""One pair of times costs about 14 single-digit tokens, and clips hold up to 20 events."""
COLUMNS = 16
"""Answers about one clip that are decoded in one row; others have a row with a copy of what they share. Every column
looks at the tokens of all: of many columns, at more that are not its own than a copy would have had."""


@torch.no_grad()
def answer_batch(
    lalm: LALM,
    tasks: Mapping[str, ScoredTask],
    hearing: Hearing,
    max_answer_tokens: int = MAX_ANSWER_TOKENS,
    voting: Voting | None = None,
) -> list[Answer]:
    """Greedy answers to the questions about some clips, or votes, read by each example's task.

    A clip is encoded once, and what its prompts begin with is run once; all answers are decoded together.
    """
    frames = lalm.encode_audio(hearing.features, hearing.feature_mask)
    positions = lalm.positions(hearing.shared_ids, hearing.shared_mask)
    shared = prefill(lalm, lalm.embed(hearing.shared_ids, frames), hearing.shared_mask, positions)
    prompts: Prefix | Columns = shared
    if hearing.own_ids.shape[1]:
        clip, width = hearing.clip.tolist(), questions_in_a_row(voting)
        prompts = branch_out(lalm, shared, hearing.own_ids, hearing.own_mask, clip, width)
    rollouts = sample(
        lalm,
        prompts,
        group_size=1 if voting is None else voting.num_answers,
        max_new_tokens=max_answer_tokens,
        warp=None if voting is None else warper(voting.temperature),
        seed=0 if voting is None else voting.seed,
        keys=[drawn_by(example) for example in hearing.examples],
    )
    answers = []
    for example, voters in zip(hearing.examples, _said(lalm, tasks, hearing.examples, rollouts), strict=True):
        task = tasks[example.task]
        made = voted(example, task, task.prompt(example), voters) if voting else _greedy(example, task, voters[0])
        answers.append(made)
    return answers


def questions_in_a_row(voting: Voting | None) -> int:
    """How many questions about one clip are answered in one row."""
    return COLUMNS if voting is None else max(1, COLUMNS // voting.num_answers)


def _greedy(example: Example, task: ScoredTask, said: Voter) -> Answer:
    return Answer(example, task.prompt(example), said.text, said.prediction, said.truncated)


def _said(
    lalm: LALM, tasks: Mapping[str, ScoredTask], examples: Sequence[Example], rollouts: Rollouts
) -> list[tuple[Voter, ...]]:
    """Of each example its G answers, read."""
    ids_BGR, truncated_BG = rollouts.answer_ids.tolist(), rollouts.truncated.tolist()
    found = []
    for example, ids_GR, truncated_G in zip(examples, ids_BGR, truncated_BG, strict=True):
        texts = [lalm.frontend.text(ids) for ids in ids_GR]
        parse = tasks[example.task].parse
        found.append(tuple(Voter(t, parse(t), cut) for t, cut in zip(texts, truncated_G, strict=True)))
    return found


def drawn_by(example: Example) -> str:
    """What the draws of an example belong to: its id or, where it has none, what is asked, of whichever recording."""
    return example.id or "\n".join((example.task, example.query or ""))
