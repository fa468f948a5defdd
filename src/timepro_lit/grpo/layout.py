"""The packed row: one prompt and its G answers side by side, sharing the prompt.

    update   [left pad | prompt | answer 1 | ... | answer G]                each answer right-padded to R
    rollout  [left pad | prompt | first tokens 1..G | second tokens 1..G | ...]

In both, positions restart behind the prompt for every answer, and an answer sees its prompt and its own past. One
answer (G = 1) makes both the ordinary causal layout. The prompt is computed once for its G answers.
"""

from __future__ import annotations

import torch
from torch import Tensor


def running_positions(prompt_mask: Tensor) -> Tensor:
    """Positions 0, 1, 2, ... along each left-padded prompt.

    Shapes: prompt_mask (B, P) bool -> (B, P) int64; padding gets position 0.
    """
    return (prompt_mask.long().cumsum(dim=1) - 1).clamp(min=0)


def check_prompt(prompt_embeds: Tensor, prompt_mask: Tensor, positions: Tensor | None) -> Tensor:
    """The prompt's positions (running ones where none are given), after a check that the three tensors agree.

    Shapes: prompt_embeds (B, P, D), prompt_mask (B, P) bool, positions (B, P) int64 or None -> (B, P) int64.
    Raises ValueError for shapes that differ, a mask that is not bool, or prompts that are not left-padded.
    """
    if prompt_mask.dtype != torch.bool or prompt_mask.shape != prompt_embeds.shape[:2]:
        found = f"{prompt_mask.dtype} {tuple(prompt_mask.shape)}"
        raise ValueError(f"prompt_mask must be bool of shape {tuple(prompt_embeds.shape[:2])}, not {found}")
    contiguous = bool((prompt_mask[:, 1:] >= prompt_mask[:, :-1]).all() & prompt_mask[:, -1].all())
    if not contiguous:
        raise ValueError("prompt_mask must be false on the left padding and true from there to the prompt's end")
    if positions is None:
        return running_positions(prompt_mask)
    if positions.shape != prompt_mask.shape:
        raise ValueError(f"prompt_positions has shape {tuple(positions.shape)}, prompt_mask {tuple(prompt_mask.shape)}")
    return positions


def packed_positions(prompt_positions: Tensor, group_size: int, num_tokens: int) -> Tensor:
    """Positions of a packed row; every answer goes on from the prompt's last position.

    Shapes: prompt_positions (B, P) int64 -> (B, P + G * R) int64, with G = group_size and R = num_tokens.
    """
    steps = torch.arange(1, num_tokens + 1, device=prompt_positions.device).repeat(group_size)
    return torch.cat([prompt_positions, prompt_positions[:, -1:] + steps], dim=1)


def packed_mask(prompt_mask: Tensor, answer_mask: Tensor) -> Tensor:
    """The block mask of a packed row, true where a query (second axis) may attend a key (third axis).

    Prompts are causal, an answer sees its prompt and its own past, and nobody sees padding, except that every
    position sees itself: a softmax over nothing would be NaN.

    Shapes: prompt_mask (B, P) bool, answer_mask (B, G, R) bool -> (B, P + G * R, P + G * R) bool.
    """
    num_prompt, (group_size, num_tokens) = prompt_mask.shape[1], answer_mask.shape[1:]
    device = prompt_mask.device
    answer_of = torch.arange(1, group_size + 1, device=device).repeat_interleave(num_tokens)
    answer_of = torch.cat([answer_of.new_zeros(num_prompt), answer_of])  # 0 = prompt
    order = torch.arange(len(answer_of), device=device)

    related = (answer_of[None, :] == 0) | (answer_of[None, :] == answer_of[:, None])
    causal = related & (order[None, :] <= order[:, None])
    is_token = torch.cat([prompt_mask, answer_mask.flatten(1)], dim=1)
    return (causal & is_token[:, None, :]) | (order[None, :] == order[:, None])


def rollout_mask(prompt_mask: Tensor, group_size: int, num_steps: int) -> Tensor:
    """The mask of every decoding step at once: step t (from 0) uses its first P + (t + 1) * G columns.

    Shapes: prompt_mask (B, P) bool -> (B, G, P + T * G) bool, with G = group_size and T = num_steps.
    """
    own = torch.eye(group_size, dtype=torch.bool, device=prompt_mask.device).repeat(1, num_steps)
    batch_size = len(prompt_mask)
    prefix = prompt_mask[:, None, :].expand(-1, group_size, -1)
    return torch.cat([prefix, own.expand(batch_size, -1, -1)], dim=2)
