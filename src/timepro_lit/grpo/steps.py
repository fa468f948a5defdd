"""Decoding behind prompts that were run: every call takes the newest token of each answer and tells what follows.

The G newest tokens of a prompt are G columns of its row at equal positions; each attends the prompt and its own past.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from timepro_lit.grpo.layout import rollout_mask
from timepro_lit.grpo.prefix import Prefix
from timepro_lit.grpo.protocol import LanguageModel
from timepro_lit.grpo.replay import Replayed

COMPACT_BELOW = 0.75
"""Share of unfinished prompts below which finished ones leave the batch; leaving copies the cache once."""


class Steps(Protocol):
    """b is the number of prompts still in the batch."""

    def __call__(self, ids_bG: Tensor) -> Tensor:
        """Feed one token of each answer: (b, G, V) logits of the next."""
        ...

    def drop_finished(self, open_b: Tensor, num_open: int) -> Tensor | None:
        """Go on with the `num_open` prompts where `open_b` is true, and say their places; None where all stay."""
        ...


class GrowingSteps:
    """Steps over a cache that grows, so that each attends what there is and no more."""

    def __init__(self, lalm: LanguageModel, prefix: Prefix, group_size: int, max_new_tokens: int) -> None:
        self.lalm = lalm
        self.cache = lalm.fork_to_roll_out(prefix.cache)
        self.mask_bGK = rollout_mask(prefix.mask, group_size, max_new_tokens)
        self.last_bG = prefix.positions[:, -1:].expand(-1, group_size)
        self.num_seen = prefix.mask.shape[1]

    def __call__(self, ids_bG: Tensor) -> Tensor:
        self.last_bG = self.last_bG + 1
        self.num_seen += ids_bG.shape[1]
        return _feed(self.lalm, self.cache, ids_bG, self.last_bG, self.mask_bGK[:, :, : self.num_seen])

    def drop_finished(self, open_b: Tensor, num_open: int) -> Tensor | None:
        if num_open > COMPACT_BELOW * len(open_b):
            return None
        keep = open_b.nonzero().squeeze(1)
        self.mask_bGK, self.last_bG = self.mask_bGK[keep], self.last_bG[keep]
        self.cache = self.lalm.select(self.cache, keep)
        return keep


class FixedSteps:
    """Steps over memory of a fixed size, so that all are alike and a GPU replays them as one CUDA graph.

    Finished prompts stay: a step of a large model waits for its weights, not for the rows of the batch.
    """

    def __init__(self, lalm: LanguageModel, prefix: Prefix, group_size: int, max_new_tokens: int) -> None:
        self.mask_bGK = rollout_mask(prefix.mask, group_size, max_new_tokens)
        cache = lalm.fork_to_roll_out(prefix.cache, num_tokens=self.mask_bGK.shape[2])
        feed = partial(_feed, lalm, cache)
        self.feed = Replayed(feed) if prefix.mask.is_cuda else feed
        self.places_K = torch.arange(self.mask_bGK.shape[2], device=prefix.mask.device)
        self.last_bG = prefix.positions[:, -1:].expand(-1, group_size)
        self.num_seen = prefix.mask.shape[1]

    def __call__(self, ids_bG: Tensor) -> Tensor:
        self.last_bG = self.last_bG + 1
        self.num_seen += ids_bG.shape[1]
        return self.feed(ids_bG, self.last_bG, self.mask_bGK & (self.places_K < self.num_seen))

    def drop_finished(self, open_b: Tensor, num_open: int) -> Tensor | None:
        return None


def _feed(lalm: LanguageModel, cache: Any, ids_bG: Tensor, positions_bG: Tensor, mask_bGK: Tensor) -> Tensor:
    return lalm.logits(lalm.decode(lalm.embed(ids_bG, None), positions_bG, mask_bGK, cache))
