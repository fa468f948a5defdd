"""Decoding behind prompts that were run: every call takes the newest token of each answer and tells what follows.

The newest tokens of a row's answers are C columns of it, G to each of its prompts; each attends its prompt and its own
past.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from timepro_lit.grpo.layout import rollout_mask
from timepro_lit.grpo.prefix import Columns
from timepro_lit.grpo.protocol import LanguageModel
from timepro_lit.grpo.replay import Replayed

COMPACT_BELOW = 0.75
"""Share of unfinished rows, or columns, below which finished ones leave the batch; leaving copies the cache once."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What goes on where finished answers have left."""

    rows: Tensor
    """(b,) int64"""
    columns: Tensor
    """(b, C) int64, of each of these rows; where a row has fewer that are unfinished, some that are finished."""

    def of(self, tensor_bC: Tensor) -> Tensor:
        """Its entries that stay; further dimensions stay whole."""
        return tensor_bC[self.rows[:, None], self.columns]


class Steps(Protocol):
    """b is the number of rows still in the batch, C that of their columns."""

    def __call__(self, ids_bC: Tensor) -> Tensor:
        """Feed one token of each answer: (b, C, V) logits of the next."""
        ...

    def drop_finished(self, open_bC: Tensor, num_open: int, most_open: int) -> Kept | None:
        """Go on with the answers where `open_bC` is true, in `num_open` rows, at most `most_open` to each.

        None = all stay.
        """
        ...


class GrowingSteps:
    """Steps over a cache that grows, so that each attends what there is and no more."""

    def __init__(self, lalm: LanguageModel, prompts: Columns, group_size: int, max_new_tokens: int) -> None:
        self.lalm = lalm
        self.cache = lalm.fork_to_roll_out(prompts.cache)
        self.mask_bCK = rollout_mask(prompts.mask, group_size, max_new_tokens)
        self.last_bC = prompts.positions.repeat_interleave(group_size, dim=1)
        self.num_seen = prompts.mask.shape[2]
        self.num_left = max_new_tokens

    def __call__(self, ids_bC: Tensor) -> Tensor:
        self.last_bC = self.last_bC + 1
        self.num_seen += ids_bC.shape[1]
        self.num_left -= 1
        return _feed(self.lalm, self.cache, ids_bC, self.last_bC, self.mask_bCK[:, :, : self.num_seen])

    def drop_finished(self, open_bC: Tensor, num_open: int, most_open: int) -> Kept | None:
        num_rows, num_columns = open_bC.shape
        if num_open > COMPACT_BELOW * num_rows and most_open > COMPACT_BELOW * num_columns:
            return None
        rows = open_bC.any(dim=1).nonzero().squeeze(1)
        kept = Kept(rows, torch.argsort(~open_bC[rows], dim=1, stable=True)[:, :most_open])
        self.mask_bCK = rollout_mask(kept.of(self.mask_bCK[:, :, : self.num_seen]), 1, self.num_left)
        self.last_bC = kept.of(self.last_bC)
        if num_open < num_rows:
            self.cache = self.lalm.select(self.cache, rows)
        return kept


class FixedSteps:
    """Steps over memory of a fixed size, so that all are alike and a GPU replays them as one CUDA graph.

    Finished answers stay: a step of a large model waits for its weights, not for the rows of the batch.
    """

    def __init__(self, lalm: LanguageModel, prompts: Columns, group_size: int, max_new_tokens: int) -> None:
        self.mask_bCK = rollout_mask(prompts.mask, group_size, max_new_tokens)
        cache = lalm.fork_to_roll_out(prompts.cache, num_tokens=self.mask_bCK.shape[2])
        feed = partial(_feed, lalm, cache)
        self.feed = Replayed(feed) if prompts.mask.is_cuda else feed
        self.places_K = torch.arange(self.mask_bCK.shape[2], device=prompts.mask.device)
        self.last_bC = prompts.positions.repeat_interleave(group_size, dim=1)
        self.num_seen = prompts.mask.shape[2]

    def __call__(self, ids_bC: Tensor) -> Tensor:
        self.last_bC = self.last_bC + 1
        self.num_seen += ids_bC.shape[1]
        return self.feed(ids_bC, self.last_bC, self.mask_bCK & (self.places_K < self.num_seen))

    def drop_finished(self, open_bC: Tensor, num_open: int, most_open: int) -> Kept | None:
        return None


def _feed(lalm: LanguageModel, cache: Any, ids_bC: Tensor, positions_bC: Tensor, mask_bCK: Tensor) -> Tensor:
    return lalm.logits(lalm.decode(lalm.embed(ids_bC, None), positions_bC, mask_bCK, cache))
