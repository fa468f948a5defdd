"""GRPO with the evaluation metrics as reward (arXiv 2402.03300; reward: TimePro-RL, eq. (2)).

One update per rollout: the old log-probabilities are the current ones, detached, and clipping is idle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, get_args

import torch
from torch import Tensor

from timepro_lit.grpo.advantage import group_advantages, has_signal
from timepro_lit.grpo.logprobs import answer_logprobs, answer_logprobs_behind
from timepro_lit.grpo.loss import attached_zero, grpo_loss
from timepro_lit.grpo.prefix import Prefix, prefill, take
from timepro_lit.grpo.rollout import sample_behind
from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.lora import add_reference, reference_policy, runs_alike_in_training
from timepro_lit.lit.base import TrainingModule
from timepro_lit.metrics.base import SumMetric
from timepro_lit.records import Batch, Rollouts
from timepro_lit.rewards.adaptive import AdaptiveReward, GroupReward, diagnostics
from timepro_lit.tasks.base import Task

Update = Literal["auto", "one_pass", "packed"]
"""one_pass: the update feeds the answers alone, behind the prompts that the rollout ran with their graph; packed:
prompts and answers again, in one row; auto: one_pass, unless gradient checkpointing or LoRA dropout forbid it."""


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
        update: Update = "auto",
        seed: int = 0,
    ) -> None:
        super().__init__(load_lalm, tasks, metrics, learning_rate, warmup_fraction, weight_decay)
        if update not in get_args(Update):
            raise ValueError(f"update must be one of {', '.join(get_args(Update))}, got {update!r}")
        self.reward = reward
        self.group_size = group_size
        self.temperature = temperature
        self.top_p = top_p
        self.max_new_tokens = max_new_tokens
        self.clip_range = clip_range
        self.kl_coefficient = kl_coefficient
        self.scale_rewards = scale_rewards
        self.update = update
        self.seed = seed

    def configure_model(self) -> None:
        if self.lalm is None:
            super().configure_model()
            if self.update == "one_pass" and not runs_alike_in_training(self.lalm):
                raise ValueError(
                    "update=one_pass goes on from the rollout's own forward, which neither gradient checkpointing nor "
                    "LoRA dropout allows: take update=packed or auto"
                )
            if self.kl_coefficient > 0:
                add_reference(self.lalm)

    def loss(self, batch: Batch) -> Tensor:
        prompt_embeds = self.prompt_embeds(batch)
        prefix = self.run_prompts(batch, prompt_embeds)
        rollouts = self.roll_out(batch, prefix)
        groups = self.score(batch, rollouts)
        adv_BG = group_advantages(torch.tensor([g.total for g in groups], device=self.device), self.scale_rewards)
        loss, stats = self.policy_loss(batch, prompt_embeds, prefix, rollouts, adv_BG)
        length = rollouts.answer_mask.sum(-1).float().mean()
        stats |= {"loss": loss.detach(), "length": length, "truncated": rollouts.truncated.float().mean()}
        self.log_dict({f"grpo/{k}": v for k, v in stats.items()}, batch_size=len(batch))
        self.log_rewards(batch, groups)
        return loss

    @property
    def one_pass(self) -> bool:
        """Whether the update goes on from the rollout's own forward of the prompts."""
        return self.update == "one_pass" or (self.update == "auto" and runs_alike_in_training(self.lalm))

    def run_prompts(self, batch: Batch, prompt_embeds: Tensor) -> Prefix:
        """Every prompt once, with its graph where the update goes on from it."""
        with torch.set_grad_enabled(self.one_pass and torch.is_grad_enabled()), self.evaluating():
            return prefill(self.lalm, prompt_embeds, batch.prompt_mask, self.positions(batch))

    def positions(self, batch: Batch) -> Tensor:
        """(B, P) positions of the prompts."""
        return self.lalm.positions(batch.prompt_ids, batch.prompt_mask)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluation mode: a checkpointed model in training mode drops the cache."""
        self.lalm.eval()
        try:
            yield
        finally:
            self.lalm.train()

    def roll_out(self, batch: Batch, prefix: Prefix) -> Rollouts:
        """G answers to every prompt; fresh ones each step, the same ones however the batch is laid out."""
        with self.evaluating():
            return sample_behind(
                self.lalm,
                prefix,
                group_size=self.group_size,
                max_new_tokens=self.max_new_tokens,
                temperature=self.temperature,
                top_p=self.top_p,
                seed=self.seed * 1_000_003 + self.global_step,
                keys=[example.id for example in batch.examples],
            )

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
        self, batch: Batch, prompt_embeds: Tensor, prefix: Prefix, rollouts: Rollouts, adv_BG: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The GRPO loss of a micro-batch. Without a KL term, groups without signal are left out of the forward."""
        keep_B = has_signal(adv_BG) if self.kl_coefficient == 0 else torch.ones_like(adv_BG[:, 0], dtype=torch.bool)
        if not bool(keep_B.any()):
            return attached_zero(self.parameters()), {}
        ref_BGR = None
        if self.kl_coefficient > 0:
            with reference_policy(self.lalm):
                ref_BGR = self.logprobs(batch, prompt_embeds, None, rollouts, keep_B)
        logp_BGR = self.logprobs(batch, prompt_embeds, prefix, rollouts, keep_B)
        return grpo_loss(
            logp_BGR,
            logp_BGR.detach(),
            adv_BG[keep_B],
            rollouts.answer_mask[keep_B],
            num_answers=adv_BG.numel(),
            clip=self.clip_range,
            reference_logp=ref_BGR,
            kl_coefficient=self.kl_coefficient,
        )

    def logprobs(
        self, batch: Batch, prompt_embeds: Tensor, prefix: Prefix | None, rollouts: Rollouts, keep_B: Tensor
    ) -> Tensor:
        """Log-probabilities of the kept prompts' answers, in the form of the update; the same arithmetic either way.

        Policy and reference take the same form, so that they differ by nothing but their weights.
        """
        answers = rollouts.answer_ids[keep_B], rollouts.answer_mask[keep_B]
        if not self.one_pass:
            return answer_logprobs(
                self.lalm,
                prompt_embeds[keep_B],
                batch.prompt_mask[keep_B],
                *answers,
                temperature=self.temperature,
                prompt_positions=self.positions(batch)[keep_B],
            )
        prefix = prefix or self.run_prompts(batch, prompt_embeds)
        kept = prefix if bool(keep_B.all()) else take(self.lalm, prefix, keep_B)
        return answer_logprobs_behind(self.lalm, kept, *answers, temperature=self.temperature)
