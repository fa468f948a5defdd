"""GRPO with the evaluation metrics as reward (arXiv 2402.03300; reward: TimePro-RL, eq. (2)).

With one update per rollout the old log-probabilities are the current ones, detached, and clipping is idle. With
several, the loader brings each optimiser batch as often (`times` of `TrainingBatches`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import dropwhile
from typing import Literal, get_args

import torch
from torch import Tensor

from timepro_lit.grpo.advantage import group_advantages, has_signal
from timepro_lit.grpo.logprobs import See, answer_logprobs, answer_logprobs_behind
from timepro_lit.grpo.loss import Aggregate, AnswerMean, grpo_loss
from timepro_lit.grpo.prefix import Prefix, join, prefill, take
from timepro_lit.grpo.rollout import sample
from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.lora import add_reference, reference_policy, runs_alike_in_training, without_dropout
from timepro_lit.lalm.warping import warper
from timepro_lit.lit import health
from timepro_lit.lit.experience import Experience, Explored
from timepro_lit.lit.training import TrainingModule
from timepro_lit.metrics.base import SumMetric
from timepro_lit.records import Batch, Example, Rollouts
from timepro_lit.rewards.adaptive import OF_SWITCHED, AdaptiveReward, GroupReward, diagnostics
from timepro_lit.tasks.base import Task

Update = Literal["auto", "one_pass", "packed"]
"""one_pass: the update feeds the answers alone, behind the prompts that the rollout ran with their graph; packed:
prompts and answers again, in one row; no graph is kept, so that one rollout serves the whole optimiser step; auto:
one_pass, unless gradient checkpointing or LoRA dropout forbid it or, on a GPU, a step has several micro-batches."""

Place = tuple[int, tuple[str, ...]]
"""Of a micro-batch in its step: which one it is, and the ids of its examples, of which some may be left out."""


class GRPO(TrainingModule):
    """Continues the SFT adapter; the reference of the KL term is that adapter, frozen, beside the trained one."""

    shown = ("grpo/reward",)
    rows = ("prompt",)
    phases = (health.ROLLOUT, health.REWARD, *health.OF_EVERY_STEP)

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
        clip_range_high: float | None = None,
        aggregate: Aggregate | None = None,
        kl_coefficient: float = 0.04,
        scale_rewards: Literal["std", "none"] = "std",
        update: Update = "auto",
        updates_per_rollout: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(load_lalm, tasks, metrics, learning_rate, warmup_fraction, weight_decay)
        if update not in get_args(Update):
            raise ValueError(f"update must be one of {', '.join(get_args(Update))}, got {update!r}")
        if missing := [*dict.fromkeys([*(t for t in tasks if t not in self.scored), *reward.missing(tasks)])]:
            raise ValueError(f"there is no reward for task {', '.join(missing)}: name one in reward.main and auxiliary")
        self.reward = reward
        self.group_size = group_size
        self.temperature = temperature
        self.warp = warper(temperature, top_p)
        self.max_new_tokens = max_new_tokens
        self.clip_range = clip_range
        self.clip_range_high = clip_range_high
        self.aggregate = aggregate or AnswerMean()
        self.kl_coefficient = kl_coefficient
        self.needs_adapter = kl_coefficient > 0  # the reference is the adapter as it was
        self.scale_rewards = scale_rewards
        self.update = update
        self.updates_per_rollout = updates_per_rollout
        self.window: dict[Place, Experience] = {}
        self.window_from = 0  # the step of these rollouts
        self.explored: Explored | None = None
        """The newest rollouts, to look at."""
        self.seed = seed

    def configure_model(self) -> None:
        if self.lalm is None:
            super().configure_model()
            if self.kl_coefficient > 0:
                add_reference(self.lalm)
            without_dropout(self.lalm)  # policy, reference and rollout differ by nothing but their weights
            if self.update == "one_pass" and not runs_alike_in_training(self.lalm):
                raise ValueError(
                    "update=one_pass goes on from the rollout's own forward, which gradient checkpointing does not "
                    "allow: take update=packed or auto"
                )

    def loss(self, batch: Batch) -> tuple[Tensor, int]:
        experience = self.experience(batch)
        logp_BGR = self.logprobs(batch, experience)
        self.step_sums.add(health.TOKENS, batch.prompt_mask.sum() + experience.rollouts.answer_mask.sum())
        return self.policy_loss(experience, logp_BGR), self.aggregate.weight(experience.sampled)

    def experience(self, batch: Batch) -> Experience:
        """Answers to the batch and what they are worth: new ones, or those of an earlier update of this window."""
        place, updates_before = self.step_sums.num_micro_batches, self.global_step % self.updates_per_rollout
        if self.window_from != self.global_step - updates_before:
            # What is left was not asked for at each update: a recording could not be read at one of them.
            self.window, self.window_from = {}, self.global_step - updates_before
        key = place, _ids(batch)
        if key not in self.window:
            step = () if self.one_pass else dropwhile(lambda one: not len(one), batch.whole_step)  # from this one on
            keyed = {(at, _ids(one)): one for at, one in enumerate(tuple(step) or (batch,), place) if len(one)}
            self.explore({at: one for at, one in keyed.items() if at not in self.window})
        return self.window.pop(key) if updates_before + 1 == self.updates_per_rollout else self.window[key]

    def explore(self, step: Mapping[Place, Batch]) -> None:
        """Put answers to these batches, sampled in one loop, and what they are worth into the window."""
        batches = list(step.values())
        with self.clock.during(health.ROLLOUT):
            embeds = [self.prompt_embeds(batch) for batch in batches]
            prefixes: list[Prefix | None] = [self.run_prompts(*each) for each in zip(batches, embeds, strict=True)]
            prefix = join(self.lalm, prefixes)
            if not self.one_pass:
                prefixes = [None] * len(batches)  # frees their memory for the rollout
            examples = [example for batch in batches for example in batch.examples]
            rollouts = self.roll_out(examples, prefix)
        with self.clock.during(health.REWARD):
            groups = self.score(examples, rollouts)
        adv_BG = group_advantages(torch.tensor([g.total for g in groups], device=self.device), self.scale_rewards)
        self.note_rollouts(examples, rollouts, groups)
        self.explored = Explored(examples, rollouts, groups, adv_BG)
        first = 0
        for place, prompt_embeds, kept_prefix in zip(step, embeds, prefixes, strict=True):
            rows = slice(first, first + len(prompt_embeds))
            first += len(prompt_embeds)
            self.window[place] = Experience(
                prompt_embeds,
                kept_prefix,
                rollouts.of(rows),
                adv_BG[rows],
                self.kept(adv_BG[rows]),
            )

    @property
    def one_pass(self) -> bool:
        """Whether the update goes on from the rollout's own forward of the prompts."""
        if self.update != "auto":
            return self.update == "one_pass"
        # Decoding costs a GPU as much for one prompt as for many; a CPU gains little by more of them.
        many_rollouts = self.lalm.steps_are_captured and self.trainer.accumulate_grad_batches > 1
        return runs_alike_in_training(self.lalm) and not many_rollouts

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

    def roll_out(self, examples: Sequence[Example], prefix: Prefix) -> Rollouts:
        """G answers to every prompt; fresh ones each step, the same ones however the batch is laid out."""
        with self.evaluating():
            return sample(
                self.lalm,
                prefix,
                group_size=self.group_size,
                max_new_tokens=self.max_new_tokens,
                warp=self.warp,
                seed=self.seed * 1_000_003 + self.global_step,
                keys=[example.id for example in examples],
            )

    def score(self, examples: Sequence[Example], rollouts: Rollouts) -> list[GroupReward]:
        """Rewards of each group: text -> the task's own parse -> eq. (2)."""
        groups = []
        for example, ids_GR in zip(examples, rollouts.answer_ids.tolist(), strict=True):
            parse = self.scored[example.task].parse
            predictions = [parse(self.lalm.frontend.text(ids)) for ids in ids_GR]
            num_unreadable = sum(not prediction.readable for prediction in predictions)
            self.step_sums.note("grpo/unreadable", num_unreadable / len(predictions), len(predictions))
            groups.append(self.reward.score(predictions, example))
        return groups

    def note_rollouts(self, examples: Sequence[Example], rollouts: Rollouts, groups: Sequence[GroupReward]) -> None:
        """Lengths, and the diagnostics of eq. (2) over all groups and task by task."""
        num_answers = rollouts.truncated.numel()
        self.step_sums.note("grpo/length", rollouts.answer_mask.sum(-1).float().mean(), num_answers)
        self.step_sums.note("grpo/truncated", rollouts.truncated.float().mean(), num_answers)
        tasks = [example.task for example in examples]
        for name in (None, *sorted(set(tasks))):
            chosen = [group for group, task in zip(groups, tasks, strict=True) if name in (None, task)]
            prefix = "grpo" if name is None else f"grpo/{name}"
            num_switched = sum(group.switched for group in chosen)
            for key, value in diagnostics(chosen, self.reward.variance_threshold).items():
                self.step_sums.note(f"{prefix}/{key}", value, num_switched if key in OF_SWITCHED else len(chosen))

    def kept(self, adv_BG: Tensor) -> Tensor:
        """(B,) bool: without a KL term, groups without signal need no forward."""
        return has_signal(adv_BG) if self.kl_coefficient == 0 else torch.ones_like(adv_BG[:, 0], dtype=torch.bool)

    def policy_loss(self, experience: Experience, logp_BGR: Tensor | None) -> Tensor:
        """The GRPO loss of a micro-batch; `logp_BGR` of the kept groups, None where none is kept."""
        weight = self.aggregate.weight(experience.sampled)
        if logp_BGR is None:
            self.step_sums.note("grpo/loss", 0.0, weight)
            return self.zero_loss()
        if experience.old_BGR is None:
            experience.old_BGR = logp_BGR.detach()
        keep_B = experience.keep_B
        mask_BGR = experience.rollouts.answer_mask[keep_B]
        loss, stats = grpo_loss(
            logp_BGR,
            experience.old_BGR,
            experience.adv_BG[keep_B],
            mask_BGR,
            sampled=experience.sampled,
            aggregate=self.aggregate,
            clip=self.clip_range,
            clip_high=self.clip_range_high,
            reference_logp=experience.ref_BGR,
            kl_coefficient=self.kl_coefficient,
        )
        self.step_sums.note("grpo/loss", loss, weight)
        num_answers, num_tokens = mask_BGR.shape[0] * mask_BGR.shape[1], int(mask_BGR.sum())
        for name, value in stats.items():
            self.step_sums.note(f"grpo/{name}", value, num_answers if name == "kl" else num_tokens)
        return loss

    def logprobs(self, batch: Batch, experience: Experience) -> Tensor | None:
        """Log-probabilities of the kept groups' answers, None where none is kept.

        The reference's pass comes first, once for all updates. Both take one form, so that policy and reference differ
        by nothing but their weights.
        """
        if not bool(experience.keep_B.any()):
            return None
        if self.kl_coefficient > 0 and experience.ref_BGR is None:
            with reference_policy(self.lalm):
                experience.ref_BGR = self.logprobs_behind(batch, experience, None)
        prefix, experience.prefix = experience.prefix, None  # its graph serves one update
        see_entropy = partial(self.note_mean, "grpo/entropy")
        return self.logprobs_behind(batch, experience, prefix, see_entropy)

    def note_mean(self, name: str, values_N: Tensor) -> None:
        """Have the mean of these logged with the step."""
        self.step_sums.note(name, values_N.mean(), len(values_N))

    def logprobs_behind(
        self, batch: Batch, experience: Experience, prefix: Prefix | None, see_entropy: See | None = None
    ) -> Tensor:
        """The same with the adapter that is active now; `prefix` are the prompts, where it has run them already."""
        keep_B, rollouts = experience.keep_B, experience.rollouts
        answers = rollouts.answer_ids[keep_B], rollouts.answer_mask[keep_B]
        if not self.one_pass:
            return answer_logprobs(
                self.lalm,
                experience.prompt_embeds[keep_B],
                batch.prompt_mask[keep_B],
                *answers,
                temperature=self.temperature,
                prompt_positions=self.positions(batch)[keep_B],
                see_entropy=see_entropy,
            )
        prefix = prefix or self.run_prompts(batch, experience.prompt_embeds)
        kept = prefix if bool(keep_B.all()) else take(self.lalm, prefix, keep_B)
        return answer_logprobs_behind(self.lalm, kept, *answers, temperature=self.temperature, see_entropy=see_entropy)


def _ids(batch: Batch) -> tuple[str, ...]:
    return tuple(example.id for example in batch.examples)
