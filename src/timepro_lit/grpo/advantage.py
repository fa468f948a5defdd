"""Group-relative advantages (GRPO, arXiv 2402.03300): how much better an answer is than its siblings."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

FLAT_RANGE = 1e-6
"""Rewards of a group within this range count as equal: far above float32 rounding in [0, 1], below any real step."""


def group_advantages(rewards: Tensor, scale: Literal["std", "none"] = "std", eps: float = 1e-4) -> Tensor:
    """(R - mean) / (std + eps) over each group, with the population std; exactly 0 in groups whose rewards are equal.

    `scale="none"` only subtracts the mean (Dr. GRPO, arXiv 2503.20783), so that small differences stay small.

    Shapes: rewards (B, G) float -> (B, G) float32.
    Raises ValueError for groups of one answer, non-finite rewards and an unknown scale.
    """
    if rewards.ndim != 2 or rewards.shape[1] < 2:
        raise ValueError(f"rewards must be (B, G) with at least 2 answers a group, not {tuple(rewards.shape)}")
    if not bool(rewards.isfinite().all()):
        raise ValueError("rewards must be finite")
    if scale not in ("std", "none"):
        raise ValueError(f'scale must be "std" or "none", not "{scale}"')
    rewards_BG = rewards.double()
    flat_B1 = (rewards_BG.amax(dim=1, keepdim=True) - rewards_BG.amin(dim=1, keepdim=True)) <= FLAT_RANGE
    centred_BG = rewards_BG - rewards_BG.mean(dim=1, keepdim=True)
    if scale == "std":
        centred_BG = centred_BG / (rewards_BG.std(dim=1, correction=0, keepdim=True) + eps)
    return centred_BG.masked_fill(flat_B1, 0.0).float()


def has_signal(advantages: Tensor) -> Tensor:
    """Prompts whose answers pull the policy anywhere; the others need no forward as long as there is no KL term.

    Shapes: advantages (B, G) -> (B,) bool.
    """
    return torch.any(advantages != 0, dim=1)
