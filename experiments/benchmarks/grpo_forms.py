"""One GRPO step on a loaded model, in each of the forms that `grpo_step.py` compares, with a clock on every phase."""

from __future__ import annotations

import gc
import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import flops
import numpy as np
import torch
from model import RandomOnDevice
from torch import Tensor
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from timepro_lit.grpo.advantage import group_advantages
from timepro_lit.grpo.logprobs import answer_logprobs, answer_logprobs_behind
from timepro_lit.grpo.loss import Sampled, grpo_loss
from timepro_lit.grpo.prefix import Prefix, prefill
from timepro_lit.grpo.rollout import sample
from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lalm.lora import REFERENCE, LoRA, add_reference, reference_policy
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lalm.warping import warper
from timepro_lit.records import Event, Example, Rollouts
from timepro_lit.rewards.adaptive import AdaptiveReward
from timepro_lit.rewards.event_f1 import EventF1Reward
from timepro_lit.rewards.iou import IoUReward
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.time_prompt.prompt import TimePrompt

RANK = 8
"""Of LoRA."""
FORMS = ("one_pass", "packed", "naive", "naive_answer_logits", "sft", "greedy")
QUESTION = "when is it? " * 2
KINDS = {
    "attention": ("fmha", "flash", "attention", "sdpa"),
    "products": ("gemm", "nvjet", "cutlass", "cublas", "splitk", "gemv", "xmma"),
    "copies": ("copy", "memcpy", "memset", "catarray"),
    "elementwise": ("elementwise",),
}
"""Kinds of kernels and what their names hold; the first that fits. Casts are copies."""


@dataclass(frozen=True)
class Case:
    """What a step consists of."""

    form: str
    prompt: int
    """Tokens."""
    group_size: int
    dtype: str
    """float32, or bfloat16: of the base weights on a GPU, by autocast on a CPU."""
    kl: float
    vocabulary: int
    num_prompts: int = 1
    micro_batch: int = 1
    """Prompts to an update at a time; one_pass rolls out as many."""
    answer: int = 48
    device: str = "cpu"
    capture: bool = True
    """Whether our decoding steps on a GPU are replayed as one CUDA graph."""


class Phases:
    """Seconds of each phase, added up within a step."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.steps: list[dict[str, float]] = []
        self.watched: tuple[str, ...] = ()
        """Phases in which kernels are counted."""
        self.kernels: dict[str, dict[str, list[float]]] = {}
        """Of each of these, a kernel's name -> its seconds and how often it ran."""

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self._wait()
        if name in self.watched:
            with profile(activities=[ProfilerActivity.CUDA]) as seen:
                yield
                self._wait()
            for event in seen.key_averages():
                if event.device_type == DeviceType.CUDA:  # not the call that started it
                    found = self.kernels.setdefault(name, {}).setdefault(event.key, [0.0, 0])
                    found[0] += event.self_device_time_total / 1e6
                    found[1] += event.count
            return
        started = time.perf_counter()
        yield
        self._wait()
        self.steps[-1][name] = self.steps[-1].get(name, 0.0) + time.perf_counter() - started

    def medians(self, warm_up: int) -> dict[str, float]:
        """Over the steps after the first `warm_up`."""
        measured = self.steps[warm_up:]
        return {name: round(statistics.median(step[name] for step in measured), 4) for name in measured[0]}

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def load(folder: str, case: Case) -> LALM:
    """The model of a checkpoint folder, its adapter somewhere off its beginning; answers run to their full length."""
    torch.manual_seed(0)
    if case.device == "cuda":
        backbone: Qwen2_5Omni = RandomOnDevice("cuda", folder, dtype=case.dtype)
    else:
        backbone = Qwen2_5Omni(folder, dtype="float32")
    lalm = ModelSource(backbone, TimePrompt(), LoRA(RANK, 32)).load().to(case.device).train()
    for name, weight in lalm.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight.data, std=0.02)
    lalm.end_ids = (-1,)
    return lalm


class Bench:
    """Clips as long as the prompts ask for, and one step in the case's form."""

    def __init__(self, lalm: LALM, case: Case) -> None:
        self.lalm, self.case, self.phase = lalm, case, Phases(case.device)
        lalm.capture_steps = case.capture
        if case.kl and REFERENCE not in lalm.model.peft_config:
            add_reference(lalm)
        front, rng = lalm.frontend, np.random.default_rng(0)
        clip_s = (case.prompt - len(front.prompt_ids(QUESTION, 1))) / 50  # a frame and a timestamp every 0.04 s
        clips = 0.1 * rng.standard_normal((case.num_prompts, round(clip_s * 16_000))).astype(np.float32)
        self.features = [part.to(case.device) for part in front.features(list(clips))]
        ids = front.prompt_ids(QUESTION, front.num_frames(clips.shape[1]))
        self.ids = torch.tensor([ids] * case.num_prompts, device=case.device)
        self.example = Example("0", "ag", "0.wav", clip_s, (Event(0.5, 1.0, "it"),), "it")
        self.reward = AdaptiveReward(EventF1Reward(match_labels=False), IoUReward(per_class=False))

    def step(self) -> None:
        """Rollout, reward and update, without the optimiser."""
        case = self.case
        self.phase.steps.append({})
        self.lalm.zero_grad()
        micro_batches = torch.arange(case.num_prompts, device=case.device).split(case.micro_batch)
        with torch.autocast(case.device, torch.bfloat16, enabled=case.dtype == "bfloat16"):
            if case.form == "sft":
                for rows in micro_batches:
                    self.sft(rows)
            elif case.form == "one_pass":
                for rows in micro_batches:
                    self.one_pass(rows)
            elif case.form == "packed":
                self.packed(micro_batches)
            elif case.form == "greedy":
                self.greedy(torch.arange(case.num_prompts, device=case.device))
            else:
                self.naive()

    def embeds(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(B, P, D) prompts and their (B, P) mask."""
        with self.phase("encode"), torch.no_grad():
            ids = self.ids[rows]
            frames = self.lalm.encode_audio(*(part[rows] for part in self.features))
            return self.lalm.embed(ids, frames), torch.ones_like(ids, dtype=torch.bool)

    def roll_out(self, prefix: Prefix) -> Rollouts:
        keys = [str(n) for n in range(len(prefix))]
        with self.phase("decode"):
            return sample(
                self.lalm,
                prefix,
                group_size=self.case.group_size,
                max_new_tokens=self.case.answer,
                seed=0,
                keys=keys,
                warp=warper(),
            )

    def one_pass(self, rows: Tensor) -> None:
        embeds, mask = self.embeds(rows)
        with self.phase("prefill"):
            prefix = prefill(self.lalm, embeds, mask)
        rollouts = self.roll_out(prefix)
        adv_BG = self.advantages(rollouts.answer_ids)
        with self.phase("update"):
            answers, reference = (rollouts.answer_ids, rollouts.answer_mask), None
            if self.case.kl:
                with reference_policy(self.lalm):
                    reference = answer_logprobs_behind(self.lalm, prefill(self.lalm, embeds, mask), *answers)
            self.learn(answer_logprobs_behind(self.lalm, prefix, *answers), reference, adv_BG, rollouts.answer_mask)

    def packed(self, micro_batches: tuple[Tensor, ...]) -> None:
        embeds, mask = self.embeds(torch.cat(micro_batches))
        with self.phase("prefill"), torch.no_grad():
            prefix = prefill(self.lalm, embeds, mask)
        rollouts = self.roll_out(prefix)
        del prefix
        adv_BG = self.advantages(rollouts.answer_ids)
        with self.phase("update"):
            for rows in micro_batches:
                row = embeds[rows], mask[rows], rollouts.answer_ids[rows], rollouts.answer_mask[rows]
                reference = None
                if self.case.kl:
                    with reference_policy(self.lalm):
                        reference = answer_logprobs(self.lalm, *row)
                self.learn(answer_logprobs(self.lalm, *row), reference, adv_BG[rows], row[3])

    def naive(self) -> None:
        case, outer = self.case, self.lalm.outer
        embeds, _ = self.embeds(torch.arange(case.num_prompts, device=case.device).repeat_interleave(case.group_size))
        attention = torch.ones(embeds.shape[:2], dtype=torch.long, device=case.device)
        how = {"inputs_embeds": embeds, "attention_mask": attention, "do_sample": True, "top_k": 0}
        how |= {"eos_token_id": None, "pad_token_id": 0}
        self.lalm.eval()
        with self.phase("prefill"), torch.no_grad():
            outer.generate(**how, max_new_tokens=1)
        with self.phase("decode"), torch.no_grad():
            answers = outer.generate(**how, max_new_tokens=case.answer, min_new_tokens=case.answer)[:, -case.answer :]
        self.phase.steps[-1]["decode"] -= self.phase.steps[-1]["prefill"]
        self.lalm.train()
        answers_BGR = answers.view(case.num_prompts, case.group_size, case.answer)
        adv_BG = self.advantages(answers_BGR)
        with self.phase("update"):
            for n, group in enumerate(embeds.split(case.group_size)):
                self.naive_update(group, answers_BGR[n], adv_BG[n : n + 1])

    def naive_update(self, prompt_GPD: Tensor, answers_GR: Tensor, adv_1G: Tensor) -> None:
        """One prompt's G whole rows: as many as most trainers take at a time."""
        rows = torch.cat([prompt_GPD, self.lalm.embed(answers_GR).to(prompt_GPD.dtype)], dim=1)
        num = self.case.answer

        def logprobs() -> Tensor:
            keep = 0 if self.case.form == "naive" else num + 1
            hidden = self.lalm.language_model(inputs_embeds=rows, use_cache=False).last_hidden_state
            logits = self.lalm.logits(hidden[:, -keep:])[:, -num - 1 : -1]
            return logits.log_softmax(-1).gather(-1, answers_GR[..., None]).squeeze(-1)[None]

        reference = None
        if self.case.kl:
            with reference_policy(self.lalm):
                reference = logprobs()
        self.learn(logprobs(), reference, adv_1G, torch.ones_like(answers_GR, dtype=torch.bool)[None])

    def sft(self, rows: Tensor) -> None:
        embeds, mask = self.embeds(rows)
        answer = (torch.arange(self.case.answer, device=mask.device) + 20).expand(len(rows), 1, -1)
        with self.phase("update"):
            kept = torch.ones_like(answer, dtype=torch.bool)
            (-answer_logprobs(self.lalm, embeds, mask, answer, kept)).mean().backward()

    @torch.no_grad()
    def greedy(self, rows: Tensor) -> None:
        """Evaluation: one greedy answer to each prompt, all of them at once."""
        self.lalm.eval()
        embeds, mask = self.embeds(rows)
        with self.phase("prefill"):
            prefix = prefill(self.lalm, embeds, mask)
        with self.phase("decode"):
            sample(self.lalm, prefix, group_size=1, max_new_tokens=self.case.answer, warp=None)
        self.lalm.train()

    def advantages(self, answers_BGR: Tensor) -> Tensor:
        """(B, G), by the real rewards, to which something is added: random weights answer nothing of worth."""
        with self.phase("reward"):
            task, text, rewards = Grounding(), self.lalm.frontend.text, []
            for ids_GR in answers_BGR.tolist():
                group = self.reward.score([task.parse(text(ids)) for ids in ids_GR], self.example)
                rewards.append([reward + 0.1 * n for n, reward in enumerate(group.total)])
        return group_advantages(torch.tensor(rewards, device=answers_BGR.device))

    def learn(self, logp: Tensor, reference: Tensor | None, adv_BG: Tensor, mask: Tensor) -> None:
        loss, _ = grpo_loss(
            logp, logp.detach(), adv_BG, mask, sampled=Sampled(adv_BG.numel(), int(mask.sum())),
            reference_logp=reference, kl_coefficient=self.case.kl,
        )  # fmt: skip
        loss.backward()


def measure(lalm: LALM, case: Case, warm_up: int, repeats: int, with_kernels: bool = False) -> dict[str, Any]:
    """Medians of the phases of one case, TFLOP a second by count, and the peak memory above the loaded model.

    `with_kernels`: two more steps, and GPU seconds of each phase by kind of kernel, those of decoding for four tokens
    alone; the longest by name to standard output.
    """
    bench = Bench(lalm, case)
    if case.device == "cuda":
        _free()
    before = _memory_mb(case.device)
    for _ in range(warm_up + repeats):
        bench.step()
    peak_mb = round(_peak_mb(case.device) - before)
    seconds = bench.phase.medians(warm_up)
    length = bench.ids.shape[1]
    counts = flops.phases(lalm, RANK, case.form, case.num_prompts, length, case.group_size, case.answer, case.kl)
    found = asdict(case) | {
        "prompt": length,
        "repeats": repeats,
        "hardware": torch.cuda.get_device_name() if case.device == "cuda" else f"{torch.get_num_threads()} CPU cores",
        "phases_s": seconds,
        "step_s": round(sum(seconds.values()), 4),
        "tflops": {name: round(count / seconds[name] / 1e12, 3) for name, count in counts.items()},
        "peak_mb": peak_mb,
    }
    if with_kernels:
        found["kernels_s"] = {}
        for watched, answer in ((("encode", "prefill", "update"), case.answer), (("decode",), 5)):
            bench = Bench(lalm, replace(case, answer=answer))
            bench.phase.watched = watched
            bench.step()
            found["kernels_s"] |= {name: _by_kind(name, kernels) for name, kernels in bench.phase.kernels.items()}
    lalm.zero_grad()
    return found


def _by_kind(phase: str, kernels: dict[str, list[float]]) -> dict[str, float]:
    print(phase)
    for name, (seconds, times) in sorted(kernels.items(), key=lambda item: -item[1][0])[:25]:
        print(f"{seconds:9.4f} s {times:7d} x  {name[:180]}")
    print()
    sums: dict[str, float] = defaultdict(float)
    for name, (seconds, _) in kernels.items():
        kind = next((kind for kind, parts in KINDS.items() if any(part in name.lower() for part in parts)), "other")
        sums[kind] += seconds
    return {kind: round(seconds, 4) for kind, seconds in sums.items()}


def _memory_mb(device: str) -> float:
    """What the loaded model takes: of the process, or of what torch holds on the GPU."""
    return torch.cuda.memory_allocated() / 2**20 if device == "cuda" else _peak_mb(device)


def _peak_mb(device: str) -> float:
    """The most memory so far, of the same."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _free() -> None:
    """Forget what the case before left on the GPU."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
