"""The GRPO objective (arXiv 2402.03300, eq. 3): clipped policy gradient, KL to a reference inside the loss.

What its variants change: how token losses become one number, and how far a ratio may rise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import Parameter


@dataclass(frozen=True, slots=True)
class Sampled:
    """How much was sampled for one micro-batch, groups included whose forward is skipped."""

    num_answers: int
    num_tokens: int


class Aggregate(Protocol):
    """How token losses become one number: a total, divided by what was sampled."""

    def total(self, token_loss: Tensor, answer_mask: Tensor) -> Tensor:
        """Shapes: token_loss and answer_mask (B, G, R) -> scalar."""
        ...

    def weight(self, sampled: Sampled) -> int:
        """What the total is divided by, and what a micro-batch weighs beside others."""
        ...


class AnswerMean:
    """GRPO (arXiv 2402.03300): every answer counts the same, however long."""

    def total(self, token_loss: Tensor, answer_mask: Tensor) -> Tensor:
        """Sum of the answers' means."""
        return answer_means(token_loss, answer_mask).sum()

    def weight(self, sampled: Sampled) -> int:
        """Answers."""
        return sampled.num_answers


_ANSWER_MEAN = AnswerMean()


class ConstantLength:
    """Dr. GRPO (arXiv 2503.20783): every token counts the same in every step, whatever the lengths around it."""

    def __init__(self, num_tokens: int) -> None:
        if num_tokens < 1:
            raise ValueError(f"num_tokens must be at least 1, got {num_tokens}")
        self.num_tokens = num_tokens

    def total(self, token_loss: Tensor, answer_mask: Tensor) -> Tensor:
        """Sum over the tokens, in answers of a constant length."""
        return _masked(token_loss, answer_mask).sum() / self.num_tokens

    def weight(self, sampled: Sampled) -> int:
        """Answers."""
        return sampled.num_answers


class TokenMean:
    """DAPO (arXiv 2503.14476): every token of an optimiser step counts the same, so long answers count more."""

    def total(self, token_loss: Tensor, answer_mask: Tensor) -> Tensor:
        """Sum over the tokens."""
        return _masked(token_loss, answer_mask).sum()

    def weight(self, sampled: Sampled) -> int:
        """Tokens."""
        return sampled.num_tokens


def grpo_loss(
    logp: Tensor,
    old_logp: Tensor,
    advantages: Tensor,
    answer_mask: Tensor,
    *,
    sampled: Sampled,
    aggregate: Aggregate = _ANSWER_MEAN,
    clip: float = 0.2,
    clip_high: float | None = None,
    reference_logp: Tensor | None = None,
    kl_coefficient: float = 0.0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of the given answers, as a part of all that were `sampled`; and what to log.

    With `AnswerMean`, the sum over the given answers of their mean token loss, divided by the number sampled: so losses
    and gradients of parts add up to those of the whole, and groups whose forward was skipped count. Ratios are clipped
    to [1 - clip, 1 + clip_high]; `clip_high` None means `clip`, a higher one is DAPO's. With one update per rollout
    `old_logp` is `logp.detach()`. The KL estimator is k3 (Schulman 2020): exp(d) - d - 1, d = ref - logp.

    Shapes: logp, old_logp, reference_logp (B, G, R) float32, advantages (B, G), answer_mask (B, G, R) bool ->
    scalar loss, and detached scalars: ratio_mean and clip_frac over tokens, kl over answers if there is a reference.

    Raises ValueError for shapes that differ, fewer answers sampled than given, and a KL term without a reference.
    """
    _check_shapes(logp, old_logp, advantages, answer_mask)
    if sampled.num_answers < advantages.numel():
        raise ValueError(f"{sampled.num_answers} answers were sampled, but {advantages.numel()} are given")
    if kl_coefficient > 0 and reference_logp is None:
        raise ValueError(f"kl_coefficient is {kl_coefficient}, but there is no reference_logp")
    ratio_BGR = _masked(logp - old_logp, answer_mask).exp()
    gain_BGR = advantages[..., None] * ratio_BGR
    clipped_BGR = advantages[..., None] * ratio_BGR.clamp(1 - clip, 1 + (clip if clip_high is None else clip_high))
    token_loss_BGR = -torch.minimum(gain_BGR, clipped_BGR)
    stats = {
        "ratio_mean": _token_mean(ratio_BGR, answer_mask),
        "clip_frac": _token_mean((clipped_BGR < gain_BGR).float(), answer_mask),
    }
    if reference_logp is not None:
        log_ratio_BGR = _masked(reference_logp - logp, answer_mask)
        kl_BGR = log_ratio_BGR.exp() - log_ratio_BGR - 1
        token_loss_BGR = token_loss_BGR + kl_coefficient * kl_BGR
        stats["kl"] = answer_means(kl_BGR, answer_mask).mean()
    loss = aggregate.total(token_loss_BGR, answer_mask) / aggregate.weight(sampled)
    return loss, {name: value.detach() for name, value in stats.items()}


def _check_shapes(logp: Tensor, old_logp: Tensor, advantages: Tensor, answer_mask: Tensor) -> None:
    if not logp.shape == old_logp.shape == answer_mask.shape or advantages.shape != logp.shape[:2]:
        shapes = [tuple(t.shape) for t in (logp, old_logp, answer_mask, advantages)]
        raise ValueError(f"logp, old_logp, answer_mask and advantages do not fit: {shapes}")


def answer_means(values: Tensor, answer_mask: Tensor) -> Tensor:
    """Mean over each answer's own tokens. Shapes: values and answer_mask (..., R) -> (...)."""
    return _masked(values, answer_mask).sum(dim=-1) / answer_mask.sum(dim=-1).clamp(min=1)


def attached_zero(parameters: Iterable[Parameter]) -> Tensor:
    """A scalar 0 whose backward gives every trainable parameter a zero gradient.

    The loss of a micro-batch without signal: no forward is needed, yet gradient reduction across processes finds
    the gradients it waits for. Raises ValueError if no parameter is trainable.
    """
    sums = [parameter.sum() for parameter in parameters if parameter.requires_grad]
    if not sums:
        raise ValueError("no parameter is trainable, so a zero loss has nothing to be attached to")
    return 0.0 * torch.stack(sums).sum()


def _masked(values: Tensor, mask: Tensor) -> Tensor:
    return values.masked_fill(~mask, 0.0)


def _token_mean(values: Tensor, mask: Tensor) -> Tensor:
    return _masked(values, mask).sum() / mask.sum().clamp(min=1)
