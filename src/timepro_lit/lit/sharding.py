"""DeepSpeed beside plain data parallelism: all that has to be done differently under it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from lightning import Trainer
from lightning.pytorch.strategies import DeepSpeedStrategy
from torch import Tensor, nn

ROUNDED = ("bf16-true", "16-true")


def check_strategy(trainer: Trainer) -> None:
    """Raise ValueError for a strategy or a precision under which nothing good would come out."""
    if trainer.precision in ROUNDED:
        raise ValueError(
            f"trainer.precision: {trainer.precision} rounds the trained weights, and updates of 1e-6 would be lost: "
            "use bf16-mixed"
        )
    strategy = trainer.strategy
    if getattr(strategy, "zero_stage_3", False):
        raise ValueError(
            "trainer.strategy: with ZeRO-3 every process must take part in every forward, but answers end after "
            "unequally many of them, so that the processes would wait for each other forever: use ZeRO-2"
        )
    if _autocasts(trainer) and trainer.precision != "bf16-mixed":
        raise ValueError(f"trainer.precision: DeepSpeed is set up for bf16-mixed, not {trainer.precision}")
    if (rounding := _rounding_of(trainer)) is not None:
        raise ValueError(
            f"trainer.strategy: DeepSpeed's own {rounding} keeps the trained weights in half precision, and updates of "
            "1e-6 would be lost: take trainer=deepspeed_zero2, or say bf16.enabled: false and torch_autocast as there"
        )


def check_launch(trainer: Trainer) -> None:
    """Raise ValueError for processes that begin as copies of one which has planned all for itself."""
    if getattr(trainer.strategy, "_start_method", "popen") != "popen":
        raise ValueError(
            "trainer.strategy: forked and spawned processes would all read what is the first one's share: "
            "use trainer=ddp or trainer=ddp_cpu, of which each process is started anew"
        )


def autocast_outside_training(trainer: Trainer, device: torch.device) -> AbstractContextManager[object]:
    """Autocast where Lightning leaves it to DeepSpeed, whose engine knows of it in training alone."""
    return torch.autocast(device.type, torch.bfloat16) if _autocasts(trainer) else nullcontext()


def asks_after_each_micro_batch(trainer: Trainer) -> bool:
    """Whether Lightning announces an optimiser step after each micro-batch, since DeepSpeed decides on it."""
    return isinstance(trainer.strategy, DeepSpeedStrategy)


def divisor(trainer: Trainer) -> int:
    """By how much each micro-batch's loss is divided: Lightning accumulates means, and DeepSpeed does so once more."""
    accumulation = trainer.accumulate_grad_batches
    return accumulation**2 if isinstance(trainer.strategy, DeepSpeedStrategy) else accumulation


def scale_gradients(trainer: Trainer, weights: Iterable[nn.Parameter], factor: float) -> None:
    """Multiply the gradients of the step that is about to be taken; the same factor on every process."""
    if isinstance(trainer.strategy, DeepSpeedStrategy):
        # It holds them in shards, and divides by this as it takes the step.
        trainer.strategy.model.optimizer.loss_scale = 1.0 / factor
        return
    for weight in weights:
        if weight.grad is not None:
            weight.grad.mul_(factor)


def gradient_norm(trainer: Trainer, weights: Iterable[nn.Parameter]) -> Tensor:
    """2-norm of the gradient of the step that is about to be taken, the same on every process; NaN or inf in a bad one.

    Of the gradient as it has been accumulated, before `scale_gradients`.
    """
    if isinstance(trainer.strategy, DeepSpeedStrategy):
        optimizer = trainer.strategy.model.optimizer
        norm = torch.as_tensor(optimizer.scaled_global_norm())
        # Where one is not finite it says -1, or combines it with those of other groups.
        return torch.full_like(norm, torch.nan) if optimizer.has_overflow() else norm
    return nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])


def skip_step(trainer: Trainer, weights: Iterable[nn.Parameter]) -> None:
    """Let the optimiser leave weights and its own state alone in the step that is about to be taken."""
    if isinstance(trainer.strategy, DeepSpeedStrategy):
        # It leaves out steps of itself, on all processes, when it looks for overflow and finds it.
        optimizer = trainer.strategy.model.optimizer
        optimizer.check_grad_overflow = True
        optimizer.local_overflow = True  # where gradients are on the CPU
        for gradient in (gradient for group in optimizer.averaged_gradients.values() for gradient in group or ()):
            gradient.fill_(torch.nan)
        return
    for weight in weights:
        weight.grad = None


def begin_micro_batch(trainer: Trainer) -> None:
    """Take back what `scale_gradients` set: DeepSpeed would multiply the next loss by it."""
    if isinstance(trainer.strategy, DeepSpeedStrategy):
        trainer.strategy.model.optimizer.loss_scale = 1.0


def mixes_by_arrival(trainer: Trainer) -> bool:
    """Whether gradients are added up over processes in the order in which each of them finishes its own."""
    return isinstance(trainer.strategy, DeepSpeedStrategy)


def arrival_order(loss: Tensor, weights: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    """Weights in the order in which a backward pass finishes their gradients, those that get none left out."""
    order: list[nn.Parameter] = []
    trained = [weight for weight in weights if weight.requires_grad]
    handles = [weight.register_hook(lambda _, weight=weight: order.append(weight)) for weight in trained]
    torch.autograd.grad(loss, trained, allow_unused=True)
    for handle in handles:
        handle.remove()
    return order


def _rounding_of(trainer: Trainer) -> str | None:
    """Half precision that DeepSpeed's engine would cast all weights to; Lightning asks it where nothing is said."""
    if not isinstance(trainer.strategy, DeepSpeedStrategy):
        return None
    config = trainer.strategy.config or {}
    asked = {"bf16": trainer.precision == "bf16-mixed", "fp16": trainer.precision == "16-mixed"}
    return next((name for name, on in asked.items() if config.get(name, {"enabled": on}).get("enabled", False)), None)


def _autocasts(trainer: Trainer) -> bool:
    """Whether DeepSpeed switches autocast on, which is Lightning's part elsewhere."""
    if not isinstance(trainer.strategy, DeepSpeedStrategy):
        return False
    return bool((trainer.strategy.config or {}).get("torch_autocast", {}).get("enabled", False))
