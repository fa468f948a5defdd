"""Packed rows: what several texts begin with stands once, and each goes on in a branch of its own.

    GRPO     [left pad | prompt | answer 1 | ... | answer G | pad]          one group a row, answers without padding
    SFT      [shared part of the prompts | question 1, answer 1 | question 2, answer 2 | ... | pad]
    rollout  [left pad | prompt | first tokens 1..G | second tokens 1..G | ...]
    hearing  [left pad | shared part | question 1 | question 2 | ... | pad | first tokens of all answers | ...]

Positions go on behind the shared part in every branch, and a branch sees the shared part and its own past. One branch
makes it the ordinary causal layout. A row is described by `branch`: 0 on the shared part, 1, 2, ... on the branches,
-1 on padding; and by `depth`: how many tokens of its own branch precede a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

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


def branch_mask(branch: Tensor) -> Tensor:
    """The mask of packed rows, true where a query (second axis) may attend a key (third axis).

    A token sees the shared part and its own branch's past; padding sees itself alone, for a softmax over nothing
    would be NaN.

    Shapes: branch (B, L) int64 -> (B, L, L) bool.
    """
    order = torch.arange(branch.shape[1], device=branch.device)
    query, key = branch[:, :, None], branch[:, None, :]
    related = (key == 0) | ((key == query) & (key > 0))
    return (related & (order[None, :] <= order[:, None]) & (query >= 0)) | (order[None, :] == order[:, None])


def branch_positions(shared_positions: Tensor, branch: Tensor, depth: Tensor) -> Tensor:
    """Positions of packed rows: those of the shared part, from whose last every branch goes on.

    Shapes: shared_positions (B, L) int64, read where branch is 0; branch and depth (B, L) int64 -> (B, L) int64.
    """
    last = shared_positions.masked_fill(branch != 0, 0).amax(dim=1, keepdim=True)
    return torch.where(branch == 0, shared_positions, last + 1 + depth).masked_fill(branch < 0, 0)


def pack(mask: Tensor, multiple: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Move the tokens of G right-padded answers together, so that only a row's end is padded.

    Shapes: mask (B, G, R) bool -> slot, branch and depth, each (B, K) int64 with K the most tokens of a row, rounded up
    to a multiple of `multiple` as far as there are slots. `slot` is where a column's token stands in the flat (G * R)
    answers; no slot comes twice.
    """
    batch_size, _, num_tokens = mask.shape
    flat = mask.flatten(1)
    num_columns = int(flat.sum(dim=1).max()) if batch_size else 0
    num_columns = min(-(-num_columns // multiple) * multiple, flat.shape[1])
    slot = torch.argsort(~flat, dim=1, stable=True)[:, :num_columns]
    branch = (slot // max(1, num_tokens) + 1).masked_fill(~flat.gather(1, slot), -1)
    return slot, branch, slot % max(1, num_tokens)


def rollout_mask(prompt_mask: Tensor, group_size: int, num_steps: int) -> Tensor:
    """The mask of every decoding step at once: step t (from 0) uses its first K + (t + 1) * C columns.

    Shapes: prompt_mask (B, P) bool, where all G answers see the same, or (B, Q, K) bool, what answers to each question
    see -> (B, C, K + T * C) bool with C = G or Q * G, G = group_size and T = num_steps.
    """
    prefix = prompt_mask[:, None] if prompt_mask.ndim == 2 else prompt_mask
    prefix = prefix.repeat_interleave(group_size, dim=1)
    batch_size, num_columns, _ = prefix.shape
    own = torch.eye(num_columns, dtype=torch.bool, device=prompt_mask.device).repeat(1, num_steps)
    return torch.cat([prefix, own.expand(batch_size, -1, -1)], dim=2)


def in_rows(clip: Sequence[int], width: int) -> tuple[list[int], list[list[int]]]:
    """The clip of each row, and the questions in it: at most `width`, those about one clip in about equal shares.

    `clip` says which clip each question is about, ascending.

    >>> in_rows([0, 0, 0, 1], width=2)
    ([0, 0, 1], [[0], [1, 2], [3]])
    """
    rows = []
    for _, of_clip in groupby(range(len(clip)), key=clip.__getitem__):
        questions = [*of_clip]
        num_rows = -(-len(questions) // width)
        ends = [row * len(questions) // num_rows for row in range(num_rows + 1)]
        rows += [questions[start:end] for start, end in pairwise(ends)]
    return [clip[questions[0]] for questions in rows], rows
