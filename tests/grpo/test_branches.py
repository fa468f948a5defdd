"""Prompts that begin alike and share a row, against each of them by itself."""

from __future__ import annotations

import pytest
import torch

from timepro_lit.grpo.layout import in_rows
from timepro_lit.grpo.prefix import branch_out, prefill
from timepro_lit.grpo.rollout import sample
from timepro_lit.lalm.warping import warper

CLIP, OWN = [0, 0, 0, 1, 2, 2], [[5], [6, 7, 8], [9, 4], [3, 3], [5], [6, 7, 8, 9]]
"""Which of three beginnings each question goes on from, and how."""
KEYS = [*"abcdef"]


def branched(lalm, prompts, width):
    own = torch.tensor([ids + [0] * (4 - len(ids)) for ids in OWN])
    mask = torch.arange(4) < torch.tensor([[len(ids)] for ids in OWN])
    positions = (prompts.mask.long().cumsum(1) - 1).clamp(min=0) // 2  # two tokens share one
    shared = prefill(lalm, prompts.embeds, prompts.mask, positions)
    return branch_out(lalm, shared, own, mask, CLIP, width)


def apart(lalm, prompts, **settings):
    """Answers to each of the prompts, which is run by itself."""
    answers = []
    for question, (clip, ids) in enumerate(zip(CLIP, OWN, strict=True)):
        length = prompts.lengths[clip]
        embeds = torch.cat([prompts.embeds[clip, -length:], lalm.embed(torch.tensor(ids), None)])[None]
        positions = torch.arange(length) // 2
        positions = torch.cat([positions, positions[-1:] + 1 + torch.arange(len(ids))])[None]
        prefix = prefill(lalm, embeds, torch.ones(1, embeds.shape[1], dtype=torch.bool), positions)
        answers.append(answers_of(sample(lalm, prefix, keys=KEYS[question], **settings))[0])
    return answers


def answers_of(rollouts):
    """Of each prompt, its answers."""
    return [
        [ids[mask].tolist() for ids, mask in zip(of_ids, of_mask, strict=True)]
        for of_ids, of_mask in zip(rollouts.answer_ids, rollouts.answer_mask, strict=True)
    ]


@torch.no_grad()
@pytest.mark.parametrize("captured", [False, True], ids=["growing", "fixed"])
@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("voters", [0, 3])
def test_branches_answer_as_prompts_of_their_own(lalm, prompts, width, voters, captured) -> None:
    settings = {"group_size": 1, "warp": None} if not voters else {"group_size": voters, "warp": warper(1.5), "seed": 2}
    expected = apart(lalm, prompts, max_new_tokens=24, **settings)
    lalm.steps_are_captured = captured
    columns = branched(lalm, prompts, width)
    rollouts = sample(lalm, columns, max_new_tokens=24, keys=KEYS, **settings)
    assert answers_of(rollouts) == expected
    assert len(columns) == len(rollouts.answer_ids) == 6
    assert len({len(answer) for of_prompt in expected for answer in of_prompt}) > 2


@torch.no_grad()
def test_finished_columns_leave_the_rows(lalm, prompts, monkeypatch) -> None:
    shapes = []
    decode = lalm.decode
    columns = branched(lalm, prompts, 3)
    settings = {"group_size": 6, "max_new_tokens": 60, "warp": warper(2.0), "keys": KEYS}
    monkeypatch.setattr(lalm, "decode", lambda embeds, *rest: shapes.append(embeds.shape) or decode(embeds, *rest))
    answers = answers_of(sample(lalm, columns, **settings))
    widths = [shape[1] for shape in shapes]
    assert widths[0] == 18 and widths == sorted(widths, reverse=True) and len(set(widths)) > 3
    monkeypatch.undo()
    lalm.steps_are_captured = True  # nothing leaves
    assert answers == answers_of(sample(lalm, columns, **settings))


def test_questions_about_one_clip_fill_rows_in_about_equal_shares() -> None:
    assert in_rows([0] * 5 + [1] + [3] * 2, 4) == ([0, 0, 1, 3], [[0, 1], [2, 3, 4], [5], [6, 7]])
    assert in_rows([], 4) == ([], [])
