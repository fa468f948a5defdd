"""Packed decoding: G answers to each prompt from one prefill; with G = 1 and no warp, greedy evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from timepro_lit.grpo.prefix import Columns, Prefix
from timepro_lit.grpo.protocol import LanguageModel
from timepro_lit.grpo.sampling import draw, uniforms
from timepro_lit.grpo.steps import FixedSteps, GrowingSteps, Steps
from timepro_lit.records import Rollouts

Warp = Callable[[Tensor], Tensor]
"""Logits (..., V) -> logits of the distribution that is drawn from: temperature, nucleus, ..."""


@torch.no_grad()  # not inference_mode: the update indexes with these ids under autograd
def sample(
    lalm: LanguageModel,
    prefix: Prefix | Columns,
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
    `answer_logprobs` at that temperature are those sampled from. `keys`: a string for each of the B prompts, however
    many of them share a row; not needed without a warp.

    Raises ValueError for settings out of range, keys missing, and non-finite logits.
    """
    prompts = prefix.columns()
    _check_settings(len(prompts), group_size, max_new_tokens, warp, keys)
    device, none = prompts.last.device, len(prompts) * group_size
    uniforms_AT = None if warp is None else _uniforms(seed, keys, group_size, max_new_tokens).to(device)
    end_ids = torch.tensor(lalm.end_ids, device=device)
    # b rows of C columns are still in the batch; which of all A answers each is, and `none` = A that it is none of them
    answer_bC = _answers_of(prompts, group_size)
    logits_bCV = _first_logits(lalm, prompts).repeat_interleave(group_size, dim=1)
    kind = FixedSteps if lalm.steps_are_captured else GrowingSteps
    steps: Steps = kind(lalm, prompts, group_size, max_new_tokens)
    done_bC = answer_bC == none
    tokens_AT = torch.full((none + 1, max_new_tokens), lalm.pad_id, device=device)
    for step in range(max_new_tokens):
        next_bC = _chosen(logits_bCV, warp, None if uniforms_AT is None else uniforms_AT[answer_bC, step])
        next_bC = next_bC.masked_fill(done_bC, lalm.pad_id)
        tokens_AT[answer_bC, step] = next_bC
        done_bC = done_bC | torch.isin(next_bC, end_ids)
        num_open, most_open = _extent(~done_bC)
        if num_open == 0 or step + 1 == max_new_tokens:
            break
        kept = steps.drop_finished(~done_bC, num_open, most_open)
        if kept is not None:
            answer_bC, done_bC, next_bC = kept.of(answer_bC), kept.of(done_bC), kept.of(next_bC)
        logits_bCV = steps(next_bC)
    return _rollouts(tokens_AT[:none, : step + 1].unflatten(0, (-1, group_size)), end_ids)


def _uniforms(seed: int, keys: Sequence[str], group_size: int, num_tokens: int) -> Tensor:
    """(A + 1, T) `uniforms` of all answers, and zeros for columns that hold none."""
    return pad(uniforms(seed, keys, group_size, num_tokens).flatten(0, 1), (0, 0, 0, 1))


def _answers_of(prompts: Columns, group_size: int) -> Tensor:
    """(b, Q * G) the numbers of the answers that the columns hold; N * G in those that hold none."""
    within = torch.arange(group_size, device=prompts.number.device)
    return (prompts.number[..., None] * group_size + within).clamp(max=len(prompts) * group_size).flatten(1)


def _extent(open_bC: Tensor) -> tuple[int, int]:
    """How many rows hold unfinished answers, and the most in one; the one wait for the device in a step."""
    open_b = open_bC.sum(dim=1)
    num_open, most_open = torch.stack([(open_b > 0).sum(), open_b.max()]).tolist()
    return num_open, most_open


def _chosen(logits_bCV: Tensor, warp: Warp | None, uniforms_bC: Tensor | None) -> Tensor:
    """(b, C) the likeliest tokens, or drawn ones."""
    if warp is None or uniforms_bC is None:
        return logits_bCV.argmax(dim=-1)
    return draw(warp(logits_bCV), uniforms_bC)


def _check_settings(
    batch_size: int, group_size: int, max_new_tokens: int, warp: Warp | None, keys: Sequence[str]
) -> None:
    if group_size < 1 or max_new_tokens < 1:
        raise ValueError(f"group_size and max_new_tokens must be at least 1, not {group_size} and {max_new_tokens}")
    if warp is None and group_size > 1:
        raise ValueError(f"greedy decoding would give {group_size} equal answers: use group_size 1 or a warp")
    if warp is not None and len(keys) != batch_size:
        raise ValueError(f"sampling needs one key per prompt: {batch_size} prompts, {len(keys)} keys")


def _first_logits(lalm: LanguageModel, prompts: Columns) -> Tensor:
    logits = lalm.logits(prompts.last.flatten(0, 1))
    if not bool(logits.isfinite().all()):
        raise ValueError("the model's logits on the prompts are not finite, so no answer can be drawn from them")
    return logits.view(*prompts.number.shape, -1)


def _rollouts(tokens_BGR: Tensor, end_ids: Tensor) -> Rollouts:
    is_end = torch.isin(tokens_BGR, end_ids)
    ends_before = is_end.long().cumsum(dim=-1) - is_end.long()
    return Rollouts(answer_ids=tokens_BGR, answer_mask=ends_before == 0, truncated=~is_end.any(dim=-1))
