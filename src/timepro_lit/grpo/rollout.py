"""Packed decoding: G answers to each prompt from one prefill; with G = 1 and no warp, greedy evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from timepro_lit.grpo.prefix import Prefix
from timepro_lit.grpo.protocol import LanguageModel
from timepro_lit.grpo.sampling import draw, uniforms
from timepro_lit.grpo.steps import FixedSteps, GrowingSteps, Steps
from timepro_lit.records import Rollouts

Warp = Callable[[Tensor], Tensor]
"""Logits (..., V) -> logits of the distribution that is drawn from: temperature, nucleus, ..."""


@torch.no_grad()  # not inference_mode: the update indexes with these ids under autograd
def sample(
    lalm: LanguageModel,
    prefix: Prefix,
    *,
    group_size: int,
    max_new_tokens: int,
    warp: Warp | None,
    seed: int = 0,
    keys: Sequence[str] = (),
) -> Rollouts:
    """Draw `group_size` answers to every prompt or, without a `warp`, decode one greedily.

    An answer depends on (seed, its prompt's key, its number in the group) and not on the batch around it; mix the
    training step into `seed` to get fresh answers. Where `warp` is a temperature alone, the log-probabilities of
    `answer_logprobs` at that temperature are those sampled from. `keys`: B strings, not needed without a warp.

    Raises ValueError for settings out of range, keys missing, and non-finite logits.
    """
    batch_size = len(prefix)
    _check_settings(batch_size, group_size, max_new_tokens, warp, keys)
    device = prefix.last.device
    uniforms_BGT = None if warp is None else uniforms(seed, keys, group_size, max_new_tokens).to(device)
    end_ids = torch.tensor(lalm.end_ids, device=device)
    # b is the number of prompts still in the batch; `rows` says which ones
    logits_bGV = _first_logits(lalm, prefix)[:, None].expand(-1, group_size, -1)
    kind = FixedSteps if lalm.steps_are_captured else GrowingSteps
    steps: Steps = kind(lalm, prefix, group_size, max_new_tokens)
    rows = torch.arange(batch_size, device=device)
    done_bG = torch.zeros(batch_size, group_size, dtype=torch.bool, device=device)
    tokens_BGT = torch.full((batch_size, group_size, max_new_tokens), lalm.pad_id, device=device)
    for step in range(max_new_tokens):
        next_bG = _chosen(logits_bGV, warp, None if uniforms_BGT is None else uniforms_BGT[rows, :, step])
        next_bG = next_bG.masked_fill(done_bG, lalm.pad_id)
        tokens_BGT[rows, :, step] = next_bG
        done_bG = done_bG | torch.isin(next_bG, end_ids)
        open_b = ~done_bG.all(dim=1)
        num_open = int(open_b.sum())  # the one wait for the device in a step
        if num_open == 0 or step + 1 == max_new_tokens:
            break
        keep = steps.drop_finished(open_b, num_open)
        if keep is not None:
            rows, done_bG, next_bG = rows[keep], done_bG[keep], next_bG[keep]
        logits_bGV = steps(next_bG)
    return _rollouts(tokens_BGT[:, :, : step + 1], end_ids)


def _chosen(logits_bGV: Tensor, warp: Warp | None, uniforms_bG: Tensor | None) -> Tensor:
    """(b, G) the likeliest tokens, or drawn ones."""
    if warp is None or uniforms_bG is None:
        return logits_bGV.argmax(dim=-1)
    return draw(warp(logits_bGV), uniforms_bG)


def _check_settings(
    batch_size: int, group_size: int, max_new_tokens: int, warp: Warp | None, keys: Sequence[str]
) -> None:
    if group_size < 1 or max_new_tokens < 1:
        raise ValueError(f"group_size and max_new_tokens must be at least 1, not {group_size} and {max_new_tokens}")
    if warp is None and group_size > 1:
        raise ValueError(f"greedy decoding would give {group_size} equal answers: use group_size 1 or a warp")
    if warp is not None and len(keys) != batch_size:
        raise ValueError(f"sampling needs one key per prompt: {batch_size} prompts, {len(keys)} keys")


def _first_logits(lalm: LanguageModel, prefix: Prefix) -> Tensor:
    logits = lalm.logits(prefix.last)
    if not bool(logits.isfinite().all()):
        raise ValueError("the model's logits on the prompts are not finite, so no answer can be drawn from them")
    return logits


def _rollouts(tokens_BGR: Tensor, end_ids: Tensor) -> Rollouts:
    is_end = torch.isin(tokens_BGR, end_ids)
    ends_before = is_end.long().cumsum(dim=-1) - is_end.long()
    return Rollouts(answer_ids=tokens_BGR, answer_mask=ends_before == 0, truncated=~is_end.any(dim=-1))
