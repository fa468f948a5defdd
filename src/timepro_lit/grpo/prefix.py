"""Prompts that were run once: what rollout decodes behind, and what an update of one pass goes on from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from timepro_lit.grpo.layout import branch_mask_from, check_prompt
from timepro_lit.grpo.protocol import LanguageModel


@dataclass(frozen=True, slots=True)
class Prefix:
    """B prompts of P tokens, left-padded, as their keys and values. Never changed: whoever decodes takes a fork."""

    cache: Any
    """Made with gradients on, it carries the graph of the prompts' forward."""
    last: Tensor
    """(B, D) hidden states that predict each first answer token."""
    mask: Tensor
    """(B, P) bool."""
    positions: Tensor
    """(B, P) int64."""

    def __len__(self) -> int:
        return len(self.last)


def prefill(
    lalm: LanguageModel, prompt_embeds: Tensor, prompt_mask: Tensor, prompt_positions: Tensor | None = None
) -> Prefix:
    """Run every prompt once.

    Shapes: prompt_embeds (B, P, D), prompt_mask (B, P) bool left-padded, prompt_positions (B, P) int64 (None: running
    count). Raises ValueError where they do not fit.
    """
    positions = check_prompt(prompt_embeds, prompt_mask, prompt_positions)
    cache = lalm.new_cache()
    hidden = lalm.decode(prompt_embeds, positions, branch_mask_from(prompt_mask.long() - 1), cache)
    return Prefix(cache, hidden[:, -1], prompt_mask, positions)


def take(lalm: LanguageModel, prefix: Prefix, keep: Tensor) -> Prefix:
    """The prompts where the (B,) bool `keep` is true; gradients still reach them."""
    rows = keep.nonzero().squeeze(1)
    cache = lalm.select(lalm.fork(prefix.cache), rows)
    return Prefix(cache, prefix.last[rows], prefix.mask[rows], prefix.positions[rows])


def join(lalm: LanguageModel, prefixes: Sequence[Prefix]) -> Prefix:
    """All prompts of several prefixes in one, the shorter ones padded on the left."""
    if len(prefixes) == 1:
        return prefixes[0]
    longest = max(prefix.mask.shape[1] for prefix in prefixes)

    def padded(tensors: Iterable[Tensor]) -> Tensor:
        return torch.cat([pad(tensor, (longest - tensor.shape[1], 0)) for tensor in tensors])

    return Prefix(
        lalm.join([prefix.cache for prefix in prefixes]),
        torch.cat([prefix.last for prefix in prefixes]),
        padded(prefix.mask for prefix in prefixes),
        padded(prefix.positions for prefix in prefixes),
    )
