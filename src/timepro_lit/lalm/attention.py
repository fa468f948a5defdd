"""Attention that leaves out what a mask leaves out: scaled dot products over blocks of queries and the keys they see.

A causal row shows its queries half of its keys, and one product over the whole row would compute the other half too.
Every block is the library's own kernel, on any device.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

SDPA_IN_BLOCKS = "sdpa_in_blocks"
QUERIES = 256
"""Queries to a block: fewer would save more products, but a kernel's start costs as well."""

Blocks = list[tuple[int, int, int]]
"""First query, one past the last query, one past the last key that any of them sees."""


def query_blocks(mask: Tensor) -> Blocks | None:
    """Which keys the blocks of a mask's queries reach; None where there is but one block.

    Shapes: mask (B, L, K) bool, true = may attend.

    >>> query_blocks(torch.ones(1, 512, 512, dtype=torch.bool).tril())
    [(0, 256, 256), (256, 512, 512)]
    """
    num_queries, num_keys = mask.shape[1:]
    if num_queries <= QUERIES:
        return None
    starts = range(0, num_queries, QUERIES)
    seen = torch.stack([mask[:, start : start + QUERIES].any(dim=1).any(dim=0) for start in starts])
    ends = num_keys - seen.flip(1).long().argmax(dim=1)
    return [(start, min(start + QUERIES, num_queries), end) for start, end in zip(starts, ends.tolist(), strict=True)]


def attend_in_blocks(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    blocks: Blocks | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """What transformers calls in place of its own `sdpa`; all queries are one block without `blocks`.

    Where G' query heads share a head of keys and values, their queries stand below each other in one product: repeating
    the keys for each of them would read and write G' times the cache at every decoding step.

    Shapes: query (B, H, L, D) with H = H' * G', key and value (B, H', K, D), attention_mask (B, 1, L, K) bool ->
    (B, L, H, D).
    """
    if attention_mask is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)
    query = query.unflatten(1, (key.shape[1], -1))
    groups, num_queries = query.shape[2:4]
    attended = [
        scaled_dot_product_attention(
            query[:, :, :, start:stop].flatten(2, 3),
            key[:, :, :end],
            value[:, :, :end],
            attention_mask[:, :, start:stop, :end].repeat(1, 1, groups, 1),
            dropout,
            scale=scaling,
        ).unflatten(2, (groups, -1))
        for start, stop, end in blocks or [(0, num_queries, key.shape[2])]
    ]
    return torch.cat(attended, dim=3).permute(0, 3, 1, 2, 4).flatten(2, 3), None


AttentionInterface.register(SDPA_IN_BLOCKS, attend_in_blocks)
AttentionMaskInterface.register(SDPA_IN_BLOCKS, sdpa_mask)
