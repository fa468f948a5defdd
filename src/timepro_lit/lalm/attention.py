"""Attention that leaves out what a mask leaves out: scaled dot products over blocks of queries and the keys they see.

A causal row shows its queries half of its keys, and one product over the whole row would compute the other half too.
Every block is the library's own kernel, on any device.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

SDPA_IN_BLOCKS = "sdpa_in_blocks"
QUERIES = 256
"""Queries to a block: fewer would save more products, but a kernel's start costs as well."""


@dataclass(frozen=True, slots=True)
class Block:
    """Queries that are attended together, and the keys that any of them sees."""

    start: int
    """First query."""
    stop: int
    """One past the last query."""
    end: int
    """One past the last key."""
    bias: Tensor
    """(B, 1, G' * (stop - start), end), 0 where a query may attend and -inf elsewhere, once for each of G' heads."""


def query_blocks(mask: Tensor, groups: int, dtype: torch.dtype) -> list[Block]:
    """The blocks of a mask's queries; their biases serve all layers.

    Shapes: mask (B, L, K) bool, true = may attend; `groups` query heads share a head of keys and values.

    >>> causal = torch.ones(1, 512, 512, dtype=torch.bool).tril()
    >>> [(block.start, block.stop, block.end) for block in query_blocks(causal, 1, torch.float32)]
    [(0, 256, 256), (256, 512, 512)]
    """
    num_queries, num_keys = mask.shape[1:]
    starts = range(0, num_queries, QUERIES)
    if len(starts) == 1:
        ends = [num_keys]
    else:
        seen = torch.stack([mask[:, start : start + QUERIES].any(dim=1).any(dim=0) for start in starts])
        ends = (num_keys - seen.flip(1).long().argmax(dim=1)).tolist()
    blocks = []
    for start, end in zip(starts, ends, strict=True):
        stop = min(start + QUERIES, num_queries)
        blocks.append(Block(start, stop, end, _bias(mask[:, start:stop, :end], groups, dtype)))
    return blocks


def _bias(mask: Tensor, groups: int, dtype: torch.dtype) -> Tensor:
    part = mask[:, None]
    bias = torch.zeros_like(part, dtype=dtype).masked_fill_(~part, -torch.inf)
    return bias.repeat(1, 1, groups, 1)


MaskRows = Callable[[int, int], Tensor]
"""Makes the mask of the queries from `start` to `stop` of rows that are too long for a whole one, as bool tensors of
shape (B, stop - start, K - L + stop), true = may attend. None of them sees a key behind its own."""


@dataclass(frozen=True, slots=True)
class LongBlock:
    """A block of a long row: its bias is made each time that it is asked for, and none is kept."""

    start: int
    stop: int
    end: int
    rows: MaskRows
    groups: int
    dtype: torch.dtype

    @property
    def bias(self) -> Tensor:
        """As of `Block`."""
        return _bias(self.rows(self.start, self.stop), self.groups, self.dtype)


def long_blocks(rows: MaskRows, num_queries: int, num_before: int, groups: int, dtype: torch.dtype) -> list[LongBlock]:
    """The blocks of a long row's queries, with `num_before` keys before the first; otherwise as `query_blocks`."""
    blocks = []
    for start in range(0, num_queries, QUERIES):
        stop = min(start + QUERIES, num_queries)
        blocks.append(LongBlock(start, stop, num_before + stop, rows, groups, dtype))
    return blocks


class Watch:
    """How much the last queries of a row attend to some of its keys, in some layers, while the model runs.

    Weights are made of the queries and keys of a layer, as the model uses them, for these queries alone.

    Args:
        layers: numbers of the decoder layers, from 0.
        num_queries: R, the last ones of the row.
        keys: (K,) int64, positions in the row.
    """

    def __init__(self, layers: Collection[int], num_queries: int, keys: Tensor) -> None:
        self.layers = tuple(layers)
        self.num_queries = num_queries
        self.keys = keys
        self.weights: dict[int, Tensor] = {}
        """Layer -> (B, H, R, K) float32."""

    def see(self, layer: int, query: Tensor, key: Tensor, mask: Tensor | None, scaling: float | None) -> None:
        """Called by a layer; shapes as of `attend_in_blocks`, mask (B, 1, L, K) bool, true = may attend."""
        if layer not in self.layers:
            return
        last = query[:, :, -self.num_queries :].float()
        with torch.autocast(query.device.type, enabled=False):
            scores = last.unflatten(1, (key.shape[1], -1)) @ key.float()[:, :, None].transpose(-1, -2)
        scores = scores.flatten(1, 2) * (last.shape[-1] ** -0.5 if scaling is None else scaling)
        if mask is not None:
            scores = scores.masked_fill(~mask[:, :, -self.num_queries :], -torch.inf)
        self.weights[layer] = scores.softmax(dim=-1)[..., self.keys]


def attend_in_blocks(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    blocks: Sequence[Block | LongBlock] | None = None,
    watch: Watch | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """What transformers calls in place of its own `sdpa`; the same without `blocks`. `watch` sees what is attended to.

    Where G' query heads share a head of keys and values, their queries stand below each other in one product: repeating
    the keys for each of them would read and write G' times the cache at every decoding step.

    Shapes: query (B, H, L, D) with H = H' * G', key and value (B, H', K, D) -> (B, L, H, D).
    """
    if blocks is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)
    if watch is not None:
        watch.see(int(module.layer_idx), query, key, attention_mask, scaling)  # type: ignore[arg-type]
    query = query.unflatten(1, (key.shape[1], -1))
    attended = []
    for block in blocks:
        product: Callable[..., Tensor] = _product
        if isinstance(block, LongBlock) and torch.is_grad_enabled():
            # The backward pass would keep the bias of every block in every layer.
            product = partial(checkpoint, _product, use_reentrant=False)
        attended.append(product(query, key, value, block, dropout, scaling))
    return torch.cat(attended, dim=3).permute(0, 3, 1, 2, 4).flatten(2, 3), None


def _product(
    query: Tensor, key: Tensor, value: Tensor, block: Block | LongBlock, dropout: float, scaling: float | None
) -> Tensor:
    """(B, H', G', stop - start, D) of queries (B, H', G', L, D)."""
    return scaled_dot_product_attention(
        query[:, :, :, block.start : block.stop].flatten(2, 3),
        key[:, :, : block.end],
        value[:, :, : block.end],
        block.bias,
        dropout,
        scale=scaling,
    ).unflatten(2, (query.shape[2], -1))


AttentionInterface.register(SDPA_IN_BLOCKS, attend_in_blocks)
AttentionMaskInterface.register(SDPA_IN_BLOCKS, sdpa_mask)
