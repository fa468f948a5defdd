"""One GRPO step, phase by phase, beside what other trainers do with the same model, prompt, G and answer length.

python experiments/benchmarks/grpo_step.py [--prompts 1500] [--groups 4 8 16] [--dtype float32]

Forms, each in a process of its own (median seconds of each phase, peak memory above the loaded model):
    one_pass   ours: the update goes on from the rollout's forward of the prompt
    packed     ours: prompt and answers again, in one row
    naive      `generate` with the prompt G times, then G whole rows with logits of every position
    naive_answer_logits   the same, with logits of the answers alone
    sft        forward and backward of a fine-tuning step on the same clip, with one answer
    trl        TRL's GRPOTrainer on a text model of the same shape; `--trl` installs it into build/trl
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from model import write_checkpoint
from rich.console import Console
from rich.table import Table
from torch import Tensor

from timepro_lit.grpo.advantage import group_advantages
from timepro_lit.grpo.logprobs import answer_logprobs, answer_logprobs_behind
from timepro_lit.grpo.loss import Sampled, grpo_loss
from timepro_lit.grpo.prefix import prefill
from timepro_lit.grpo.rollout import sample_behind
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lalm.lora import LoRA, add_reference, reference_policy
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.records import Event, Example
from timepro_lit.rewards.adaptive import AdaptiveReward
from timepro_lit.rewards.event_f1 import EventF1Reward
from timepro_lit.rewards.iou import IoUReward
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.time_prompt.prompt import TimePrompt

ANSWER = 48
TRL_FOLDER = Path(__file__).resolve().parents[2] / "build" / "trl"
WARM_UP, REPEATS = 1, 5
FORMS = ("one_pass", "packed", "naive", "naive_answer_logits", "sft")


class Phases:
    """Seconds of each phase of a step."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds.setdefault(name, []).append(time.perf_counter() - started)

    def medians(self) -> dict[str, float]:
        return {name: round(statistics.median(of_phase[WARM_UP:]), 4) for name, of_phase in self.seconds.items()}


class Bench:
    """A clip as long as the prompt asks for, a model, and one step in each form."""

    def __init__(self, folder: str, prompt: int, group_size: int, dtype: str, kl: float) -> None:
        torch.manual_seed(0)
        self.lalm = ModelSource(Qwen2_5Omni(folder, dtype="float32"), TimePrompt(), LoRA(8, 32)).load().train()
        for name, weight in self.lalm.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight.data, std=0.02)
        self.lalm.end_ids = (-1,)  # every answer runs to its full length
        if kl:
            add_reference(self.lalm)
        self.kl, self.group_size = kl, group_size
        self.autocast = torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16")
        front = self.lalm.frontend
        text = "when is it? " * 2
        clip_s = (prompt - len(front.prompt_ids(text, 1))) / 50  # a frame and a timestamp every 0.04 s
        clip = (0.1 * np.random.default_rng(0).standard_normal(round(clip_s * 16_000))).astype(np.float32)
        self.features = front.features([clip])
        self.ids = torch.tensor([front.prompt_ids(text, front.num_frames(len(clip)))])
        self.mask = torch.ones_like(self.ids, dtype=torch.bool)
        self.example = Example("0", "ag", "0.wav", clip_s, (Event(0.5, 1.0, "it"),), "it")
        self.reward = AdaptiveReward(EventF1Reward(match_labels=False), IoUReward(per_class=False))
        self.phase = Phases()

    def step(self, form: str) -> None:
        self.lalm.zero_grad()
        with self.autocast:
            if form == "sft":
                self.sft()
            elif form.startswith("naive"):
                self.naive(full_logits=form == "naive")
            else:
                self.ours(one_pass=form == "one_pass")

    def embeds(self, repeats: int) -> Tensor:
        with self.phase("encode"), torch.no_grad():
            features, mask = (tensor.repeat_interleave(repeats, 0) for tensor in self.features)
            return self.lalm.embed(self.ids.expand(repeats, -1), self.lalm.encode_audio(features, mask))

    def ours(self, one_pass: bool) -> None:
        embeds = self.embeds(1)
        with self.phase("prefill"), torch.set_grad_enabled(one_pass):
            prefix = prefill(self.lalm, embeds, self.mask)
        with self.phase("decode"):
            rollouts = sample_behind(
                self.lalm, prefix, group_size=self.group_size, max_new_tokens=ANSWER, seed=0, keys=["0"]
            )
        adv_BG = self.advantages(rollouts.answer_ids[0])
        with self.phase("update"):
            answers = rollouts.answer_ids, rollouts.answer_mask

            def logprobs(behind: Any) -> Tensor:
                if one_pass:
                    return answer_logprobs_behind(self.lalm, behind or prefill(self.lalm, embeds, self.mask), *answers)
                return answer_logprobs(self.lalm, embeds, self.mask, *answers)

            reference = None
            if self.kl:
                with reference_policy(self.lalm):
                    reference = logprobs(None)
            self.learn(logprobs(prefix), reference, adv_BG, rollouts.answer_mask)

    def naive(self, full_logits: bool) -> None:
        embeds, outer = self.embeds(self.group_size), self.lalm.outer
        attention = torch.ones(embeds.shape[:2], dtype=torch.long)
        how = {"inputs_embeds": embeds, "attention_mask": attention, "do_sample": True, "top_k": 0}
        how |= {"eos_token_id": None, "pad_token_id": 0}
        self.lalm.eval()
        with self.phase("prefill"), torch.no_grad():
            outer.generate(**how, max_new_tokens=1)
        with self.phase("decode"), torch.no_grad():
            answers = outer.generate(**how, max_new_tokens=ANSWER, min_new_tokens=ANSWER)[:, -ANSWER:]
        self.phase.seconds["decode"][-1] -= self.phase.seconds["prefill"][-1]
        self.lalm.train()
        adv_BG = self.advantages(answers)
        with self.phase("update"):
            rows = torch.cat([embeds, self.lalm.embed(answers).to(embeds.dtype)], dim=1)

            def logprobs() -> Tensor:
                keep = 0 if full_logits else ANSWER + 1
                hidden = self.lalm.language_model(inputs_embeds=rows, use_cache=False).last_hidden_state
                logits = self.lalm.logits(hidden[:, -keep:])[:, -ANSWER - 1 : -1]
                return logits.log_softmax(-1).gather(-1, answers[..., None]).squeeze(-1)[None]

            reference = None
            if self.kl:
                with reference_policy(self.lalm):
                    reference = logprobs()
            self.learn(logprobs(), reference, adv_BG, torch.ones(1, *answers.shape, dtype=torch.bool))

    def advantages(self, answers: Tensor) -> Tensor:
        with self.phase("reward"):
            task, text = Grounding(), self.lalm.frontend.text
            group = self.reward.score([task.parse(text(ids)) for ids in answers.tolist()], self.example)
        rewards = [r + 0.1 * n for n, r in enumerate(group.total)]  # random weights answer nothing of worth
        return group_advantages(torch.tensor([rewards]))

    def learn(self, logp: Tensor, reference: Tensor | None, adv_BG: Tensor, mask: Tensor) -> None:
        loss, _ = grpo_loss(
            logp, logp.detach(), adv_BG, mask, sampled=Sampled(adv_BG.numel(), int(mask.sum())),
            reference_logp=reference, kl_coefficient=self.kl,
        )  # fmt: skip
        loss.backward()

    def sft(self) -> None:
        embeds = self.embeds(1)
        answer = torch.arange(ANSWER)[None, None] + 20
        with self.phase("update"):
            (
                -answer_logprobs(self.lalm, embeds, self.mask, answer, torch.ones_like(answer, dtype=torch.bool))
            ).mean().backward()


def measure(form: str, folder: str, prompt: int, group_size: int, dtype: str, kl: float) -> dict[str, Any]:
    """Medians of the phases of one form."""
    bench = Bench(folder, prompt, group_size, dtype, kl)
    before = _peak_mb()
    for _ in range(WARM_UP + REPEATS):
        bench.step(form)
    phases = bench.phase.medians()
    return {
        "form": form,
        "prompt": bench.ids.shape[1],
        "group_size": group_size,
        "dtype": dtype,
        "kl": kl,
        "phases_s": phases,
        "step_s": round(sum(phases.values()), 4),
        "peak_mb": round(_peak_mb() - before),
    }


def trl(prompt: int, group_size: int, dtype: str, kl: float, vocabulary: int) -> dict[str, Any]:
    """The same step by TRL, installed where nothing else sees it."""
    if not TRL_FOLDER.exists():
        packages = ["trl==1.16.0", "accelerate", "datasets", "dill", "multiprocess", "xxhash", "pandas"]
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(TRL_FOLDER)]
        subprocess.run([*install, *packages], check=True)
    settings = {"prompt": prompt, "group_size": group_size, "dtype": dtype, "kl": kl, "vocabulary": vocabulary}
    command = [sys.executable, str(Path(__file__).with_name("trl_step.py"))]
    command += [part for name, value in settings.items() for part in (f"--{name}", str(value))]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(TRL_FOLDER)})
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    case: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return case


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def table(cases: list[dict[str, Any]]) -> Table:
    """Seconds, and the ratio of each step and update to the naive form's."""
    shown = Table(title=f"GRPO step, answers of {ANSWER} tokens; in brackets the share of the naive form's")
    for column in ("prompt", "G", "KL", "form", "encode", "prefill", "decode", "reward", "update", "step", "peak MB"):
        shown.add_column(column, justify="left" if column == "form" else "right")
    for case in cases:
        key = ("prompt", "group_size", "kl", "dtype")
        naive = next((c for c in cases if c["form"] == "naive" and all(c[k] == case[k] for k in key)), None)
        phases = [case["phases_s"].get(name) for name in ("encode", "prefill", "decode", "reward", "update")]
        wholes = (
            (None, None, None) if naive is None else (naive["phases_s"]["update"], naive["step_s"], naive["peak_mb"])
        )
        parts = (phases[4], case["step_s"], case["peak_mb"])
        ratios = [_ratio(part, whole) for part, whole in zip(parts, wholes, strict=True)]
        cells = ["" if s is None else f"{s:.2f}" for s in phases[:4]]
        shown.add_row(str(case["prompt"]), str(case["group_size"]), f"{case['kl']:g}", case["form"], *cells, *ratios)
    return shown


def _ratio(part: float | None, whole: float | None) -> str:
    if part is None:
        return ""
    return f"{part:.2f}" if whole is None else f"{part:.2f} ({part / whole:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, nargs="+", default=[250, 1500])
    parser.add_argument("--groups", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--kl", type=float, nargs="+", default=[0.0, 0.04])
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=FORMS)
    parser.add_argument("--trl", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(**json.loads(arguments.one))))
        return
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(Path(folder), arguments.vocabulary)
        for prompt in arguments.prompts:
            for kl in arguments.kl:
                for group_size in arguments.groups:
                    for form in arguments.forms:
                        one = {"form": form, "folder": folder, "prompt": prompt, "group_size": group_size,
                               "dtype": arguments.dtype, "kl": kl}  # fmt: skip
                        command = [sys.executable, __file__, "--one", json.dumps(one)]
                        done = subprocess.run(command, capture_output=True, text=True)
                        if done.returncode:
                            raise SystemExit(done.stderr[-3000:])
                        cases.append(json.loads(done.stdout.splitlines()[-1]))
                        print(json.dumps(cases[-1]), flush=True)
                    if arguments.trl:
                        cases.append(trl(cases[-1]["prompt"], group_size, arguments.dtype, kl, arguments.vocabulary))
                        print(json.dumps(cases[-1]), flush=True)
    Console(width=140).print(table(cases))


if __name__ == "__main__":
    main()
