"""Prompts that were run once: what rollout decodes behind, and what an update of one pass goes on from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from timepro_lit.grpo.layout import branch_mask_from, branch_positions, check_prompt, in_rows, pack
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

    def columns(self) -> Columns:
        """The same to decode from, as rows of one prompt each."""
        last, number = self.last.detach(), torch.arange(len(self), device=self.last.device)
        return Columns(
            self.cache, last[:, None], self.mask[:, None], self.positions[:, -1:], number[:, None], len(self)
        )


@dataclass(frozen=True, slots=True)
class Columns:
    """N prompts in b rows of at most Q columns: those of a row begin alike, and each goes on in a branch of its own.

    Never changed, as a `Prefix`.
    """

    cache: Any
    """Of K tokens a row: the shared part, then the branches."""
    last: Tensor
    """(b, Q, D) hidden states that predict each first answer token."""
    mask: Tensor
    """(b, Q, K) bool, what each prompt consists of."""
    positions: Tensor
    """(b, Q) int64, of each prompt's last token."""
    number: Tensor
    """(b, Q) int64, which of the prompts each is; N in columns that hold none."""
    num_prompts: int
    """N."""

    def __len__(self) -> int:
        return self.num_prompts

    def columns(self) -> Columns:
        """This."""
        return self


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


def branch_out(
    lalm: LanguageModel, shared: Prefix, own_ids: Tensor, own_mask: Tensor, clip: Sequence[int], width: int
) -> Columns:
    """Run how each of N prompts goes on behind the beginnings that were run, at most `width` of them in a row.

    Prompts with one beginning that are more than that have several rows, each with a copy of it: columns of a row look
    at all its tokens to see those of their own, which costs more than the copy where they are many.

    Shapes: own_ids (N, S) int64 and own_mask (N, S) bool, right-padded, with a token at least and none that stands for
    audio; `clip` N numbers of beginnings, ascending.
    """
    of_row, rows = in_rows(clip, width)
    num_prompts, num_columns, device = len(clip), max(map(len, rows)), own_ids.device
    number = torch.tensor([row + [num_prompts] * (num_columns - len(row)) for row in rows], device=device)
    if of_row != [*range(len(shared))]:
        shared = _of_rows(lalm, shared, torch.tensor(of_row, device=device))
    is_own = pad(own_mask, (0, 0, 0, 1))[number]  # (b, Q, S); columns without a prompt hold no token
    slot, branch, depth = pack(is_own)
    ids = pad(own_ids, (0, 0, 0, 1))[number].flatten(1).gather(1, slot)
    branch = torch.cat([shared.mask.long() - 1, branch], dim=1)
    depth = torch.cat([torch.zeros_like(shared.positions), depth], dim=1)
    positions = branch_positions(pad(shared.positions, (0, slot.shape[1])), branch, depth)
    num_shared = shared.mask.shape[1]
    cache = lalm.fork(shared.cache)
    mask = branch_mask_from(branch, num_shared)
    hidden = lalm.decode(lalm.embed(ids, None), positions[:, num_shared:], mask, cache)
    lasts = (is_own.sum(dim=2).cumsum(dim=1) - 1).clamp(min=0)  # of a row's branches, which stand without a gap
    of_column = branch[:, None] == torch.arange(1, num_columns + 1, device=device)[:, None]
    return Columns(
        cache,
        hidden.gather(1, lasts[..., None].expand(-1, -1, hidden.shape[-1])),
        of_column | (branch == 0)[:, None],
        positions.gather(1, lasts + num_shared),
        number,
        num_prompts,
    )


def take(lalm: LanguageModel, prefix: Prefix, keep: Tensor) -> Prefix:
    """The prompts where the (B,) bool `keep` is true; gradients still reach them."""
    return _of_rows(lalm, prefix, keep.nonzero().squeeze(1))


def _of_rows(lalm: LanguageModel, prefix: Prefix, rows: Tensor) -> Prefix:
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
