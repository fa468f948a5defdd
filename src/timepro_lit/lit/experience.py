"""What GRPO has sampled, until it has learnt from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from timepro_lit.grpo.loss import Sampled
from timepro_lit.grpo.prefix import Prefix
from timepro_lit.records import Example, Rollouts
from timepro_lit.rewards.adaptive import GroupReward


@dataclass
class Experience:
    """What was sampled for one micro-batch, and is kept until its last update."""

    prompt_embeds: Tensor
    """(B, P, D)"""
    prefix: Prefix | None
    """The prompts as the rollout ran them; gone after the first update."""
    rollouts: Rollouts
    adv_BG: Tensor
    keep_B: Tensor
    """(B,) bool, the groups that need a forward; log-probabilities are those of these groups."""
    old_BGR: Tensor | None = None
    """Log-probabilities when they were sampled, detached; known after the first update's forward."""
    ref_BGR: Tensor | None = None
    """Those of the reference policy."""

    @property
    def sampled(self) -> Sampled:
        """How much there is, groups without signal included."""
        return Sampled(self.adv_BG.numel(), int(self.rollouts.answer_mask.sum()))


@dataclass(frozen=True)
class Explored:
    """What one loop of sampling came to."""

    examples: Sequence[Example]
    rollouts: Rollouts
    groups: Sequence[GroupReward]
    adv_BG: Tensor
