"""Log-probabilities of answers, teacher-forced: the one forward that SFT, GRPO and its reference policy share."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, nll_loss
from torch.utils.checkpoint import checkpoint

from timepro_lit.grpo.layout import branch_mask_from, branch_positions, check_prompt, pack
from timepro_lit.grpo.prefix import Prefix
from timepro_lit.grpo.protocol import LanguageModel

COLUMN_MULTIPLE = 64
"""Packed answers are padded to a multiple of this: with a length of its own for every step, the kernels and memory
blocks kept for later use fit no later step, and a process grows to several times what it needs."""

LOGITS_AT_ONCE = 2**26
"""Size of a chunk of logits: 256 MiB in float32."""

ENTROPY_PARTS = 16
"""Parts of a chunk whose entropy is computed at once, so that it takes little memory beside the logits."""

See = Callable[[Tensor], None]
"""Is shown the (n,) entropies, in nats, of the distributions that n answer tokens are predicted from; detached."""


def answer_logprobs(
    lalm: LanguageModel,
    prompt_embeds: Tensor,
    prompt_mask: Tensor,
    answer_ids: Tensor,
    answer_mask: Tensor,
    *,
    temperature: float = 1.0,
    chunk_size: int | None = None,
    prompt_positions: Tensor | None = None,
    see_entropy: See | None = None,
) -> Tensor:
    """Log-probability of every answer token given its prompt and the answer so far.

    All G answers of a prompt share one packed row. The output head runs only on positions that predict an answer
    token, `chunk_size` of them at a time (None: as many as `LOGITS_AT_ONCE` allows); with several chunks each is
    computed again in the backward pass, so that one chunk of logits is alive at once, a whole sequence of them never.
    `see_entropy` costs no chunk more.

    Shapes: prompt_embeds (B, P, D), prompt_mask (B, P) bool left-padded, answer_ids (B, G, R) int64 right-padded,
    answer_mask (B, G, R) bool, prompt_positions (B, P) int64 (None: running count) -> (B, G, R) float32, 0 on padding.

    Raises ValueError for masks that are not bool, do not fit, or are padded on the wrong side, for answers without a
    single token, and for a temperature or chunk size that is not positive.
    """
    _check_settings(temperature, chunk_size)
    positions_BP = check_prompt(prompt_embeds, prompt_mask, prompt_positions)
    _check_answers(answer_ids, answer_mask, batch_size=len(prompt_embeds))
    fed = _fed(answer_ids, answer_mask, prompt_mask, positions_BP)
    embeds = torch.cat([prompt_embeds, lalm.embed(fed.ids, None).to(prompt_embeds.dtype)], dim=1)
    hidden = lalm.decode(embeds, fed.positions, branch_mask_from(fed.branch), None)
    num_prompt = prompt_mask.shape[1]
    hidden_BGRD = _predicting_states(hidden[:, num_prompt - 1], hidden[:, num_prompt:], fed.slot, answer_ids)
    return _of_states(lalm, hidden_BGRD, answer_ids, answer_mask, temperature, chunk_size, see_entropy)


def answer_logprobs_behind(
    lalm: LanguageModel,
    prefix: Prefix,
    answer_ids: Tensor,
    answer_mask: Tensor,
    *,
    temperature: float = 1.0,
    chunk_size: int | None = None,
    see_entropy: See | None = None,
) -> Tensor:
    """The same as `answer_logprobs`, for prompts that were run already: only the answers are fed.

    With the graph in the prefix, gradients reach the prompts as well: rollout and update then cost one forward of the
    prompts between them.

    Shapes: answer_ids (B, G, R) int64 right-padded, answer_mask (B, G, R) bool -> (B, G, R) float32, 0 on padding.
    Raises ValueError as `answer_logprobs` does.
    """
    _check_settings(temperature, chunk_size)
    _check_answers(answer_ids, answer_mask, batch_size=len(prefix))
    fed = _fed(answer_ids, answer_mask, prefix.mask, prefix.positions)
    embeds = lalm.embed(fed.ids, None)
    if fed.ids.shape[1]:
        num_prompt = prefix.mask.shape[1]
        mask = branch_mask_from(fed.branch, num_prompt)
        hidden = lalm.decode(embeds, fed.positions[:, num_prompt:], mask, lalm.fork(prefix.cache))
    else:  # answers of one token each: the prompts predict them, and attention over no columns is an error
        hidden = embeds.to(prefix.last.dtype)
    hidden_BGRD = _predicting_states(prefix.last, hidden, fed.slot, answer_ids)
    return _of_states(lalm, hidden_BGRD, answer_ids, answer_mask, temperature, chunk_size, see_entropy)


def branch_logprobs(
    lalm: LanguageModel,
    embeds: Tensor,
    ids: Tensor,
    branch: Tensor,
    depth: Tensor,
    is_answer: Tensor,
    shared_positions: Tensor,
    *,
    chunk_size: int | None = None,
) -> Tensor:
    """Log-probabilities of the N answer tokens of rows that hold several questions each, in reading order.

    The rows are those of `records.Interviews`; the output head runs on the N positions that predict them alone.

    Shapes: embeds (B, L, D); ids, branch, depth, shared_positions (B, L) int64; is_answer (B, L) bool -> (N,) float32.
    """
    positions = branch_positions(shared_positions, branch, depth)
    hidden_BLD = lalm.decode(embeds, positions, branch_mask_from(branch), None)
    predicted = is_answer[:, 1:]
    return _in_chunks(lalm, hidden_BLD[:, :-1][predicted], ids[:, 1:][predicted], 1.0, chunk_size)


def _check_answers(answer_ids: Tensor, answer_mask: Tensor, batch_size: int) -> None:
    if answer_mask.dtype != torch.bool or answer_mask.shape != answer_ids.shape or answer_ids.ndim != 3:
        found = f"{tuple(answer_ids.shape)} and {answer_mask.dtype} {tuple(answer_mask.shape)}"
        raise ValueError(f"answer_ids and a bool answer_mask must share one shape (B, G, R), not {found}")
    if len(answer_ids) != batch_size:
        raise ValueError(f"answer_ids holds answers to {len(answer_ids)} prompts, prompt_embeds holds {batch_size}")
    if bool((answer_mask[..., 1:] > answer_mask[..., :-1]).any()) or not bool(answer_mask.any()):
        raise ValueError("answer_mask must be true from each answer's first token to its last, with a token at least")


def _check_settings(temperature: float, chunk_size: int | None) -> None:
    if temperature <= 0 or (chunk_size is not None and chunk_size < 1):
        raise ValueError(f"temperature and chunk_size must be positive, not {temperature} and {chunk_size}")


class _Fed(NamedTuple):
    """The K answer tokens that are fed behind P prompt tokens: all but the last of each, which predicts nothing."""

    slot: Tensor
    """(B, K) where each stands in the flat (G * (R - 1)) answers."""
    ids: Tensor
    """(B, K)"""
    branch: Tensor
    """(B, P + K), prompt included."""
    positions: Tensor
    """(B, P + K), prompt included."""


def _fed(answer_ids: Tensor, answer_mask: Tensor, prompt_mask: Tensor, positions_BP: Tensor) -> _Fed:
    slot, branch, depth = pack(answer_mask[..., :-1], COLUMN_MULTIPLE)
    branch = torch.cat([prompt_mask.long() - 1, branch], dim=1)
    depth = torch.cat([torch.zeros_like(positions_BP), depth], dim=1)
    positions = torch.cat([positions_BP, torch.zeros_like(slot)], dim=1)
    ids = answer_ids[..., :-1].flatten(1).gather(1, slot)
    return _Fed(slot, ids, branch, branch_positions(positions, branch, depth))


def _predicting_states(last_BD: Tensor, hidden_BKD: Tensor, slot: Tensor, answer_ids: Tensor) -> Tensor:
    """Hidden states (B, G, R, D): entry r predicts answer token r, so entry 0 is the prompt's last state."""
    batch_size, group_size, num_tokens = answer_ids.shape
    hidden_size = last_BD.shape[-1]
    first = last_BD[:, None, None].expand(-1, group_size, 1, -1)
    rest = hidden_BKD.new_zeros(batch_size, group_size * (num_tokens - 1), hidden_size)
    rest = rest.scatter(1, slot[..., None].expand(-1, -1, hidden_size), hidden_BKD)
    return torch.cat([first, rest.view(batch_size, group_size, num_tokens - 1, hidden_size)], dim=2)


def _of_states(
    lalm: LanguageModel,
    hidden_BGRD: Tensor,
    answer_ids: Tensor,
    answer_mask: Tensor,
    temperature: float,
    chunk_size: int | None,
    see_entropy: See | None,
) -> Tensor:
    logp_N = _in_chunks(lalm, hidden_BGRD[answer_mask], answer_ids[answer_mask], temperature, chunk_size, see_entropy)
    return torch.zeros(answer_ids.shape, device=logp_N.device).masked_scatter(answer_mask, logp_N)


def _in_chunks(
    lalm: LanguageModel,
    hidden_ND: Tensor,
    targets_N: Tensor,
    temperature: float,
    chunk_size: int | None,
    see_entropy: See | None = None,
) -> Tensor:
    def token_logps(hidden: Tensor, targets: Tensor) -> Tensor:
        logits = lalm.logits(hidden).float()
        logps = log_softmax(logits if temperature == 1 else logits / temperature, dim=-1)
        chosen = -nll_loss(logps, targets, reduction="none")
        # Last: when a chunk is computed again for the backward pass, all that this needs is there before.
        if see_entropy is not None:
            see_entropy(_entropy(logps.detach()))
        return chosen

    chunk_size = chunk_size or max(1, LOGITS_AT_ONCE // lalm.vocab_size)
    if len(targets_N) <= chunk_size:  # nothing to save: the one chunk need not be computed twice
        return token_logps(hidden_ND, targets_N)
    pairs = zip(torch.split(hidden_ND, chunk_size), torch.split(targets_N, chunk_size), strict=True)
    return torch.cat([checkpoint(token_logps, hidden, targets, use_reentrant=False) for hidden, targets in pairs])


def _entropy(logps_NV: Tensor) -> Tensor:
    """(N,) entropies in nats."""
    rows = -(-len(logps_NV) // ENTROPY_PARTS)
    return torch.cat([torch.special.entr(part.exp()).sum(-1) for part in logps_NV.split(rows)])
