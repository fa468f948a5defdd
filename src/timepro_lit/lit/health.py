"""What an optimiser step costs: seconds by phase, tokens a second, memory. docs/logs.md says what each means."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from timepro_lit.lit.step_sums import Step, StepSums

COST = "cost/"
"""Begins the names of all that differs from run to run although the same is learnt."""
VALIDATION, DATA, LEARNING, OPTIMIZER, SAVING = "validation", "data", "forward_backward", "optimizer", "saving"
ROLLOUT, REWARD = "rollout", "reward"
OF_EVERY_STEP = (DATA, LEARNING, OPTIMIZER, SAVING)
TOKENS = "tokens"
STEP_S, PEAK = f"{COST}step_s", f"{COST}peak_memory_gb"


class Phases:
    """Seconds that this process has spent in each phase; it is in one at any time.

    Args:
        now: the time in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.now = now
        self.phase = DATA
        self.since_s = now()
        self.seconds: dict[str, float] = {}

    def enter(self, phase: str) -> str:
        """Go on to another phase; returns the one before."""
        before, now_s = self.phase, self.now()
        self.seconds[before] = self.seconds.get(before, 0.0) + now_s - self.since_s
        self.phase, self.since_s = phase, now_s
        return before

    @contextmanager
    def during(self, phase: str) -> Iterator[None]:
        """A phase within another one."""
        before = self.enter(phase)
        try:
            yield
        finally:
            self.enter(before)

    def begin(self) -> None:
        """Forget what was before."""
        self.enter(DATA)
        self.seconds = {}

    def take(self, *phases: str) -> dict[str, float]:
        """Seconds in these phases since the last call, 0 where there were none."""
        self.enter(self.phase)
        return {phase: self.seconds.pop(phase, 0.0) for phase in phases}


def note_cost(sums: StepSums, seconds: Mapping[str, float], device: torch.device) -> None:
    """Put what a step has cost this process so far into the step's sums."""
    for phase, one_s in seconds.items():
        sums.note(f"{COST}{phase}_s", one_s, 1.0)
    sums.note(STEP_S, sum(seconds.values()), 1.0)
    sums.peak(PEAK, peak_memory_gb(device))


def costs(step: Step) -> dict[str, float]:
    """What is known of a step's cost once it is known of all processes."""
    speed = step.totals.get(TOKENS, 0.0) / step.means[STEP_S] if step.means[STEP_S] else 0.0
    return {**step.peaks, f"{COST}tokens_per_s": speed}


def peak_memory_gb(device: torch.device) -> float:
    """Most memory in 1e9 bytes: on a GPU that of tensors since `forget_peak`, elsewhere the process's own so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def forget_peak(device: torch.device) -> None:
    """Let a stage's peak be its own."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def learning_rates(groups: list[dict[str, Any]]) -> dict[str, float]:
    """Those of an optimiser's groups, by the names that they have."""
    names = [f"/{group['name']}" if "name" in group else "" for group in groups]
    return {f"train/learning_rate{name}": float(group["lr"]) for name, group in zip(names, groups, strict=True)}
