"""The GRPO objective (arXiv 2402.03300, eq. 3): clipped policy gradient, KL to a reference inside the loss."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import Parameter


def grpo_loss(
    logp: Tensor,
    old_logp: Tensor,
    advantages: Tensor,
    answer_mask: Tensor,
    *,
    num_answers: int,
    clip: float = 0.2,
    reference_logp: Tensor | None = None,
    kl_coefficient: float = 0.0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Sum over the given answers of their mean token loss, divided by `num_answers`; and what to log.

    `num_answers` counts every answer of the optimiser step, also those of micro-batches elsewhere and of flat groups
    whose forward was skipped: so losses and gradients of parts add up to those of the whole. With one update per
    rollout `old_logp` is `logp.detach()`. The KL estimator is k3 (Schulman 2020): exp(d) - d - 1, d = ref - logp.

    Shapes: logp, old_logp, reference_logp (B, G, R) float32, advantages (B, G), answer_mask (B, G, R) bool ->
    scalar loss, and detached scalars: ratio_mean and clip_frac over tokens, kl over answers if there is a reference.

    Raises ValueError for shapes that differ, fewer `num_answers` than answers, and a KL term without a reference.
    """
    if not logp.shape == old_logp.shape == answer_mask.shape or advantages.shape != logp.shape[:2]:
        shapes = [tuple(t.shape) for t in (logp, old_logp, answer_mask, advantages)]
        raise ValueError(f"logp, old_logp, answer_mask and advantages do not fit: {shapes}")
    if num_answers < advantages.numel():
        raise ValueError(f"num_answers is {num_answers}, but {advantages.numel()} answers were given")
    if kl_coefficient > 0 and reference_logp is None:
        raise ValueError(f"kl_coefficient is {kl_coefficient}, but there is no reference_logp")

    ratio_BGR = _masked(logp - old_logp, answer_mask).exp()
    gain_BGR = advantages[..., None] * ratio_BGR
    clipped_BGR = advantages[..., None] * ratio_BGR.clamp(1 - clip, 1 + clip)
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
    loss = answer_means(token_loss_BGR, answer_mask).sum() / num_answers
    return loss, {name: value.detach() for name, value in stats.items()}


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
