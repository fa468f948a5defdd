"""Attention in blocks of queries against one product over the whole row, alone and inside every backbone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from timepro_lit.grpo.layout import branch_mask
from timepro_lit.lalm import attention
from timepro_lit.lalm.attention import attend_in_blocks, query_blocks

CHAIN_OF_TWO = torch.tensor([[0] * 300 + [1] * 200 + [2] * 100 + [-1] * 8, [-1] * 50 + [0] * 500 + [1] * 58])


def test_blocks_end_at_the_last_key_that_any_row_sees() -> None:
    def places(mask: Tensor) -> list[tuple[int, int, int]]:
        return [(block.start, block.stop, block.end) for block in query_blocks(mask, 1, torch.float32)]

    mask = branch_mask(CHAIN_OF_TWO)
    assert places(mask) == [(0, 256, 256), (256, 512, 512), (512, 608, 608)]
    assert places(mask[:, 550:]) == [(0, 58, 608)]
    bias = query_blocks(mask, 3, torch.bfloat16)[1].bias
    assert bias.dtype == torch.bfloat16
    assert torch.equal(bias == 0, mask[:, None, 256:512, :512].repeat(1, 1, 3, 1))


def test_values_and_gradients_are_those_of_one_product() -> None:
    torch.manual_seed(0)
    mask = branch_mask(CHAIN_OF_TWO)
    query, key, value = (torch.randn(2, heads, 608, 8, requires_grad=True) for heads in (4, 2, 2))
    weights = torch.randn(2, 608, 4, 8)

    def gradients(out: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad((out * weights).sum(), (query, key, value)))

    module = SimpleNamespace(num_key_value_groups=2)
    blocks, _ = attend_in_blocks(module, query, key, value, mask[:, None], blocks=query_blocks(mask, 2, torch.float32))
    whole = scaled_dot_product_attention(
        query, key.repeat_interleave(2, 1), value.repeat_interleave(2, 1), mask[:, None]
    ).transpose(1, 2)
    torch.testing.assert_close(blocks, whole)
    torch.testing.assert_close(gradients(blocks), gradients(whole))


@torch.no_grad()
def test_every_backbone_attends_in_blocks(family, monkeypatch: pytest.MonkeyPatch) -> None:
    lalm, clips = family.source().load(None), family.waves()
    ids, mask = family.prompts(lalm.frontend, clips)
    expected = family.hidden_states(lalm, ids, mask, clips)
    sizes = []

    def counted(query: Tensor, *arguments: Any, **named: Any) -> Tensor:
        sizes.append(query.shape[2] // 2)  # two heads of queries to one of keys
        return scaled_dot_product_attention(query, *arguments, **named)

    monkeypatch.setattr(attention, "QUERIES", 16)
    monkeypatch.setattr(attention, "scaled_dot_product_attention", counted)
    torch.testing.assert_close(family.hidden_states(lalm, ids, mask, clips)[mask], expected[mask], atol=1e-5, rtol=0)
    assert max(sizes) == 16
    assert sum(sizes) == 2 * ids.shape[1]  # two layers
