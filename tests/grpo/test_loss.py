from __future__ import annotations

from math import e, log

import pytest
import torch

from timepro_lit.grpo.loss import ConstantLength, Sampled, TokenMean, attached_zero, grpo_loss

MASK = torch.tensor([[[True, True], [True, False]]])  # one prompt, answers of two tokens and of one


def test_loss_and_gradient_with_old_equal_to_current() -> None:
    logp = torch.tensor([[[-1.0, -2.0], [-3.0, 0.0]]], requires_grad=True)
    loss, stats = grpo_loss(logp, logp.detach(), torch.tensor([[1.0, -0.5]]), MASK, sampled=Sampled(2, 9))
    loss.backward()
    assert loss.item() == pytest.approx(-(1.0 - 0.5) / 2)
    # -A / (tokens of the answer * answers); nothing on padding
    assert logp.grad.tolist() == [[[-0.25, -0.25], [pytest.approx(0.25), 0.0]]]
    assert stats["ratio_mean"].item() == 1.0
    assert stats["clip_frac"].item() == 0.0
    assert "kl" not in stats


def test_clipping_by_hand() -> None:
    # ratios 1.5 and 0.5, advantage +1: min(1.5, 1.2) = 1.2 (clipped) and min(0.5, 0.8) = 0.5 (not clipped)
    # ratio 0.5, advantage -1: min(-0.5, -0.8) = -0.8 (clipped)
    logp = torch.tensor([[[log(1.5), log(0.5)], [log(0.5), 0.0]]], requires_grad=True)
    loss, stats = grpo_loss(logp, torch.zeros(1, 2, 2), torch.tensor([[1.0, -1.0]]), MASK, sampled=Sampled(2, 9))
    loss.backward()
    assert loss.item() == pytest.approx((-(1.2 + 0.5) / 2 + 0.8) / 2)
    assert logp.grad.flatten().tolist() == pytest.approx([0.0, -0.5 / 4, 0.0, 0.0])  # clipped tokens do not pull
    assert stats["clip_frac"].item() == pytest.approx(2 / 3)
    assert stats["ratio_mean"].item() == pytest.approx((1.5 + 0.5 + 0.5) / 3)


def test_the_variants_by_hand() -> None:
    # ratios 1.5, 0.5 and 0.5 as above; advantage +1 on the first answer, -1 on the second
    logp = torch.tensor([[[log(1.5), log(0.5)], [log(0.5), 0.0]]])
    advantages, old = torch.tensor([[1.0, -1.0]]), torch.zeros(1, 2, 2)

    def loss(**how: object) -> float:
        return grpo_loss(logp, old, advantages, MASK, sampled=Sampled(2, 3), **how)[0].item()  # type: ignore[arg-type]

    assert loss(aggregate=ConstantLength(10)) == pytest.approx((-1.2 - 0.5 + 0.8) / 20)
    assert loss(aggregate=TokenMean()) == pytest.approx((-1.2 - 0.5 + 0.8) / 3)
    assert loss(aggregate=TokenMean(), clip_high=0.28) == pytest.approx((-1.28 - 0.5 + 0.8) / 3)
    with pytest.raises(ValueError, match="num_tokens must be at least 1"):
        ConstantLength(0)


def test_kl_by_hand() -> None:
    # k3 with reference - current = 1, 0 and -1: e - 2, 0 and 1/e
    current = torch.zeros(1, 2, 2)
    reference = torch.tensor([[[1.0, 0.0], [-1.0, 9.0]]])
    loss, stats = grpo_loss(
        current,
        current,
        torch.zeros(1, 2),
        MASK,
        sampled=Sampled(2, 9),
        reference_logp=reference,
        kl_coefficient=0.04,
    )
    kl = ((e - 2) / 2 + 1 / e) / 2
    assert stats["kl"].item() == pytest.approx(kl)
    assert loss.item() == pytest.approx(0.04 * kl)


def test_the_gradient_of_kl_pulls_back_to_the_reference() -> None:
    logp = torch.tensor([[[0.5, -0.5], [0.0, 0.0]]], requires_grad=True)
    zero = torch.zeros(1, 2, 2)
    loss, _ = grpo_loss(
        logp, logp.detach(), torch.zeros(1, 2), MASK, sampled=Sampled(2, 9), reference_logp=zero, kl_coefficient=1.0
    )
    loss.backward()
    # d/dlogp = 1 - exp(reference - logp)
    assert logp.grad[0, 0].tolist() == pytest.approx([(1 - e**-0.5) / 4, (1 - e**0.5) / 4])


def test_values_on_padding_do_not_count() -> None:
    logp = torch.tensor([[[-1.0, -2.0], [-3.0, float("-inf")]]], requires_grad=True)
    loss, _ = grpo_loss(logp, logp.detach(), torch.tensor([[1.0, -0.5]]), MASK, sampled=Sampled(2, 9))
    loss.backward()
    assert loss.item() == pytest.approx(-0.25)
    assert logp.grad.isfinite().all()


def test_flat_groups_count_in_the_normaliser_when_left_out() -> None:
    logp = torch.tensor([[[-1.0, -2.0], [-3.0, 0.0]]])
    flat = torch.cat([logp, logp])
    advantages = torch.tensor([[1.0, -0.5], [0.0, 0.0]])
    whole, _ = grpo_loss(flat, flat, advantages, MASK.expand(2, -1, -1), sampled=Sampled(4, 9))
    part, _ = grpo_loss(logp, logp, advantages[:1], MASK, sampled=Sampled(4, 9))
    assert part.item() == pytest.approx(whole.item())
    assert part.item() == pytest.approx(-0.5 / 4)


def test_attached_zero_reaches_every_trainable_parameter() -> None:
    trained, frozen = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3).requires_grad_(False)
    loss = attached_zero([*trained.parameters(), *frozen.parameters()])
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(trained.weight.grad, torch.zeros(3, 2))
    assert torch.equal(trained.bias.grad, torch.zeros(3))
    assert frozen.weight.grad is None
    with pytest.raises(ValueError, match="no parameter is trainable"):
        attached_zero(frozen.parameters())


def test_refusals() -> None:
    logp, advantages = torch.zeros(1, 2, 2), torch.zeros(1, 2)
    with pytest.raises(ValueError, match="do not fit"):
        grpo_loss(logp, logp, torch.zeros(1, 3), MASK, sampled=Sampled(2, 9))
    with pytest.raises(ValueError, match="1 answers were sampled, but 2 are given"):
        grpo_loss(logp, logp, advantages, MASK, sampled=Sampled(1, 9))
    with pytest.raises(ValueError, match="no reference_logp"):
        grpo_loss(logp, logp, advantages, MASK, sampled=Sampled(2, 9), kl_coefficient=0.04)
