"""GRPO with the evaluation metrics as reward (arXiv 2402.03300; reward: TimePro-RL, eq. (2)).

One update per rollout: the old log-probabilities are the current ones, detached, and clipping is idle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from timepro_lit.grpo.advantage import group_advantages, has_signal
from timepro_lit.grpo.logprobs import answer_logprobs
from timepro_lit.grpo.loss import attached_zero, grpo_loss
from timepro_lit.grpo.rollout import sample
from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.lora import add_reference, reference_policy
from timepro_lit.lit.base import TrainingModule
from timepro_lit.metrics.base import SumMetric
from timepro_lit.records import Batch, Rollouts
from timepro_lit.rewards.adaptive import AdaptiveReward, GroupReward, diagnostics
from timepro_lit.tasks.base import Task


class GRPO(TrainingModule):
    """Continues the SFT adapter; the reference of the KL term is that adapter, frozen, beside the trained one."""

    def __init__(
        self,
        load_lalm: Callable[[], LALM],
        tasks: Mapping[str, Task],
        metrics: Mapping[str, Sequence[SumMetric]],
        reward: AdaptiveReward,
        learning_rate: float,
        warmup_fraction: float = 0.03,
        weight_decay: float = 0.0,
        group_size: int = 4,
        temperature: float = 1.0,
        top_p: float = 1.0,
        max_new_tokens: int = 256,
        clip_range: float = 0.2,
        kl_coefficient: float = 0.04,
        scale_rewards: Literal["std", "none"] = "std",
        seed: int = 0,
    ) -> None:
        super().__init__(load_lalm, tasks, metrics, learning_rate, warmup_fraction, weight_decay)
        self.reward = reward
        self.group_size = group_size
        self.temperature = temperature
        self.top_p = top_p
        self.max_new_tokens = max_new_tokens
        self.clip_range = clip_range
        self.kl_coefficient = kl_coefficient
        self.scale_rewards = scale_rewards
        self.seed = seed

    def configure_model(self) -> None:
        if self.lalm is None:
            super().configure_model()
            if self.kl_coefficient > 0:
                add_reference(self.lalm)

    def loss(self, batch: Batch) -> Tensor:
        prompt_embeds = self.prompt_embeds(batch)
        rollouts = self.roll_out(batch, prompt_embeds)
        groups = self.score(batch, rollouts)
        adv_BG = group_advantages(torch.tensor([g.total for g in groups], device=self.device), self.scale_rewards)
        loss, stats = self.policy_loss(batch, prompt_embeds, rollouts, adv_BG)
        length = rollouts.answer_mask.sum(-1).float().mean()
        stats |= {"loss": loss.detach(), "length": length, "truncated": rollouts.truncated.float().mean()}
        self.log_dict({f"grpo/{k}": v for k, v in stats.items()}, batch_size=len(batch))
        self.log_rewards(batch, groups)
        return loss

    def roll_out(self, batch: Batch, prompt_embeds: Tensor) -> Rollouts:
        """G answers to every prompt; fresh ones each step, the same ones however the batch is laid out."""
        self.lalm.eval()  # a checkpointed model in training mode drops the cache
        rollouts = sample(
            self.lalm,
            prompt_embeds,
            batch.prompt_mask,
            group_size=self.group_size,
            max_new_tokens=self.max_new_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed * 1_000_003 + self.global_step,
            keys=[example.id for example in batch.examples],
            prompt_positions=self.lalm.positions(batch.prompt_ids, batch.prompt_mask),
        )
        self.lalm.train()
        return rollouts

    def score(self, batch: Batch, rollouts: Rollouts) -> list[GroupReward]:
        """Rewards of each group: text -> the task's own parse -> eq. (2)."""
        groups = []
        for example, ids_GR in zip(batch.examples, rollouts.answer_ids.tolist(), strict=True):
            parse = self.tasks[example.task].parse
            groups.append(self.reward.score([parse(self.lalm.frontend.text(ids)) for ids in ids_GR], example))
        return groups

    def log_rewards(self, batch: Batch, groups: Sequence[GroupReward]) -> None:
        """The diagnostics of eq. (2), over all groups and task by task."""
        tasks = [example.task for example in batch.examples]
        for name in (None, *sorted(set(tasks))):
            chosen = [group for group, task in zip(groups, tasks, strict=True) if name in (None, task)]
            prefix = "grpo" if name is None else f"grpo/{name}"
            found = diagnostics(chosen, self.reward.variance_threshold)
            self.log_dict({f"{prefix}/{k}": v for k, v in found.items()}, batch_size=len(chosen))

    def policy_loss(
        self, batch: Batch, prompt_embeds: Tensor, rollouts: Rollouts, adv_BG: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The GRPO loss of a micro-batch. Without a KL term, groups without signal are left out of the forward."""
        keep_B = has_signal(adv_BG) if self.kl_coefficient == 0 else torch.ones_like(adv_BG[:, 0], dtype=torch.bool)
        if not bool(keep_B.any()):
            return attached_zero(self.parameters()), {}
        answers = (
            prompt_embeds[keep_B], batch.prompt_mask[keep_B], rollouts.answer_ids[keep_B], rollouts.answer_mask[keep_B]
        )  # fmt: skip
        positions_BP = self.lalm.positions(batch.prompt_ids, batch.prompt_mask)[keep_B]
        how = {"temperature": self.temperature, "prompt_positions": positions_BP}
        ref_BGR = None
        if self.kl_coefficient > 0:
            with reference_policy(self.lalm):
                ref_BGR = answer_logprobs(self.lalm, *answers, **how)
        logp_BGR = answer_logprobs(self.lalm, *answers, **how)
        return grpo_loss(
            logp_BGR,
            logp_BGR.detach(),
            adv_BG[keep_B],
            answers[3],
            num_answers=adv_BG.numel(),
            clip=self.clip_range,
            reference_logp=ref_BGR,
            kl_coefficient=self.kl_coefficient,
        )
