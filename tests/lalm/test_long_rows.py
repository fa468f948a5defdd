"""Rows past the length for which a whole mask is made: the same values and gradients, of every backbone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from timepro_lit.grpo import layout
from timepro_lit.grpo.layout import branch_mask, branch_mask_from
from timepro_lit.grpo.logprobs import answer_logprobs, answer_logprobs_behind, branch_logprobs
from timepro_lit.grpo.prefix import prefill
from timepro_lit.grpo.rollout import sample
from timepro_lit.lalm import attention, base
from timepro_lit.lalm.attention import Watch
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lalm.lora import LoRA
from timepro_lit.time_prompt.prompt import TimePrompt

BRANCHES = torch.tensor([[-1, -1, 0, 0, 0, 1, 1, 2, 2, -1], [0, 0, 0, 0, 1, 1, 1, 2, 3, 3]])


@pytest.fixture
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Blocks of 16 queries, and caches that are fed 24 tokens at a time; set `layout.LONG` to make rows long."""
    monkeypatch.setattr(attention, "QUERIES", 16)
    monkeypatch.setattr(base, "FED_AT_ONCE", 24)
    return monkeypatch


def test_parts_of_a_mask_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = branch_mask(BRANCHES)
    assert torch.equal(branch_mask_from(BRANCHES, 4), whole[:, 4:])
    monkeypatch.setattr(layout, "LONG", 9)
    rows = branch_mask_from(BRANCHES, 4)
    assert not isinstance(rows, Tensor)
    assert torch.equal(rows(1, 4), whole[:, 5:8, :8])
    assert not whole[:, 5:8, 8:].any()


def everything(family, checkpointing: bool = False) -> list[Tensor]:
    """Prefill, greedy answers, log-probabilities by every way there is, and their gradients."""
    torch.manual_seed(0)
    source = family.source(gradient_checkpointing=checkpointing)
    lalm = ModelSource(source, TimePrompt(), LoRA(rank=2, alpha=4)).load()
    clips = family.waves((1.5, 1.0))
    ids, mask = family.prompts(lalm.frontend, clips)
    with torch.no_grad():
        embeds = lalm.embed(ids, lalm.encode_audio(*lalm.frontend.features(clips)))
        prefix = prefill(lalm, embeds, mask)
        greedy = sample(lalm, prefix, group_size=1, max_new_tokens=4, warp=None)
    answers = torch.tensor([[[20, 21, 22], [23, 24, 25]], [[26, 27, 0], [28, 0, 0]]])
    logps = answer_logprobs(lalm, embeds, mask, answers, answers > 0)
    again = logps if checkpointing else answer_logprobs_behind(lalm, prefill(lalm, embeds, mask), answers, answers > 0)
    branch = (mask.long() - 1).index_fill(1, torch.tensor([ids.shape[1] - 1]), 1)
    depth = torch.zeros_like(branch)
    asked = branch_logprobs(lalm, embeds, ids, branch, depth, branch > 0, lalm.positions(ids, mask))
    trained = [weight for weight in lalm.parameters() if weight.requires_grad]
    ways = (logps, again, asked)
    gradients = [
        torch.cat([g.flatten() for g in torch.autograd.grad(way.sum(), trained, retain_graph=True)]) for way in ways
    ]
    return [prefix.last, greedy.answer_ids, logps.detach(), again.detach(), asked.detach(), *gradients]


def test_long_rows_say_what_short_ones_say(family, short_blocks: pytest.MonkeyPatch) -> None:
    expected = everything(family)
    short_blocks.setattr(layout, "LONG", 30)
    short_blocks.delattr(layout, "branch_mask")  # no whole mask is made
    for found, wanted in zip(everything(family), expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def test_checkpointed_layers_take_long_rows(family_of, short_blocks: pytest.MonkeyPatch) -> None:
    expected = everything(family_of("qwen2_5_omni"))
    short_blocks.setattr(layout, "LONG", 30)
    found = everything(family_of("qwen2_5_omni"), checkpointing=True)
    for place in (2, 4, 5, 7):
        torch.testing.assert_close(found[place], expected[place], atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("name", ["eager", "sdpa"])
def test_eager_attention_and_a_watch_see_long_rows(family_of, short_blocks: pytest.MonkeyPatch, name: str) -> None:
    lalm = family_of("qwen2_5_omni").source(name).load(None)
    embeds, branch = torch.randn(1, 40, lalm.hidden_size), torch.zeros(1, 40, dtype=torch.int64)

    def seen() -> tuple[Tensor, Tensor]:
        watch = Watch([1], 3, torch.arange(5))
        positions = torch.arange(40)[None]
        hidden = lalm.decode(embeds, positions, branch_mask_from(branch))
        return hidden, (lalm.decode(embeds, positions, branch_mask_from(branch), watch=watch), watch.weights[1])[1]

    expected = seen()
    short_blocks.setattr(layout, "LONG", 30)
    torch.testing.assert_close(seen(), expected)
