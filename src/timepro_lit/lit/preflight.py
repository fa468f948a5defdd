"""One optimiser step of each stage on its longest rows, on the trainer that is chosen: does it fit, is it finite?

The step is a real one, with its strategy, precision and optimiser, and what it trains is thrown away. Answers are drawn
until they are as long as allowed, and groups without signal are run as well.
"""

from __future__ import annotations

import re
import resource
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torchdata.stateful_dataloader import StatefulDataLoader

from timepro_lit.data.whole_steps import WholeSteps
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lit.finite import non_finite
from timepro_lit.lit.fit import Plan, module_of, plan
from timepro_lit.lit.forecast import StageForecast
from timepro_lit.lit.grpo import GRPO
from timepro_lit.lit.interruption import keep_signals
from timepro_lit.lit.processes import gathered
from timepro_lit.lit.setting import Parts, Setting, quiet, release
from timepro_lit.planning.memory import readable
from timepro_lit.runs.stages import say


def preflight(parts: Parts, directory: Path, init_from: str | None, seed: int) -> None:
    """Say of each stage what its heaviest step takes; nothing is kept, and the run directory is left alone.

    Raises ValueError, in one sentence, for the first stage that does not fit or is not finite, and what a run would
    raise before it reads a weight.
    """
    quiet()
    parts.data.prepare_data()
    parts.model.make_checkpoint(parts.data.texts)
    setting, source = Setting(parts, directory, seed), parts.begun(init_from)
    if not parts.stage:
        say("preflight: there is no stage to try")
    plans = {name: plan(setting, name, stage, source) for name, stage in parts.stage.items()}
    for name, planned in plans.items():
        say(tried(setting, name, planned, source))


def tried(setting: Setting, name: str, planned: Plan, source: ModelSource) -> str:
    """What a stage's step took, in a line."""
    release()
    seed_everything(setting.seed, workers=True)
    data, stage = setting.parts.data, planned.stage
    examples = data.training_examples(stage.examples_per_task, setting.seed, stage.max_duration_s)
    forecast = StageForecast(stage, data, examples, source.frontend(), setting.seed)
    batches = planned.loader.batch_sampler
    divided = forecast.longest_step(batches.world_size)
    mine = divided[batches.rank] if stage.rows == "prompt" else _heaviest(divided[batches.rank], forecast.row_tokens)
    # Every process takes equally many.
    count = batches.num_micro_batches if stage.rows == "prompt" else min(2, batches.num_micro_batches)
    rows = [part.tolist() for part in mine] + [[]] * (count - len(mine))
    loader = StatefulDataLoader(planned.loader.dataset, batch_sampler=rows, collate_fn=planned.loader.collate_fn)
    largest = max((forecast.micro_batch(part) for share in divided for part in share), key=lambda one: one.tokens)
    what = f"{largest.rows} x {largest.length:,} tokens in its largest micro-batch"
    watch = Watch()
    module = module_of(setting, name, stage, source)
    trainer = setting.parts.trainer(
        callbacks=[watch],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=str(setting.directory / ".lightning"),
        **_one_step(planned.arguments, count),
    )
    keep_signals(trainer)
    with _named(f"stage.{name}: does not fit: {what}", f"stage.{name}"):
        trainer.fit(module, WholeSteps(loader, count) if stage.rows == "prompt" else loader)
    seen = gathered(watch.seen)
    if faults := [fault for one in seen for fault in one.faults]:
        raise ValueError(f"stage.{name}: {what}: {faults[0]}")
    peak, loading_s, step_s = (max(getattr(one, field) for one in seen) for field in ("peak", "loading_s", "step_s"))
    return (
        f"{name}: fits: {what}{_answers(module)}; {count} micro-batches of a step in {step_s:.1f} s, "
        f"loading {loading_s:.1f} s, {readable(peak)} at most on one of {len(seen)} processes"
    )


@contextmanager
def _named(what: str, stage: str) -> Iterator[None]:
    """Raise ValueError, with what to lower, where memory runs out."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        raise ValueError(
            f"{what} need more than there is ({_reason(error)}): lower {stage}.micro_batch_size or "
            "micro_batch_tokens, or take more memory"
        ) from error


def _heaviest(parts: list[np.ndarray], row_tokens: np.ndarray) -> list[np.ndarray]:
    """The micro-batch with the most tokens and the one with the longest row; two where there are two."""
    by_tokens = sorted(parts, key=lambda part: -float(row_tokens[part].max()) * len(part))
    by_length = sorted(by_tokens[1:], key=lambda part: -float(row_tokens[part].max()))
    return [*by_tokens[:1], *by_length[:1]]


def _one_step(arguments: Mapping[str, Any], count: int) -> dict[str, Any]:
    """The stage's arguments of the Trainer for one step of so many micro-batches, without validation."""
    kept = {key: value for key, value in arguments.items() if key not in ("val_check_interval", "overfit_batches")}
    return kept | {"max_steps": 1, "accumulate_grad_batches": count, "limit_val_batches": 0, "overfit_batches": 0.0}


def _answers(module: LightningModule) -> str:
    if not isinstance(module, GRPO):
        return ""
    return f", {module.group_size} answers of {module.max_new_tokens} tokens to each prompt"


@dataclass
class Seen:
    """What one process saw of the step."""

    loading_s: float = 0.0
    step_s: float = 0.0
    peak: float = 0.0
    """Bytes: of the GPU, or of the process."""
    faults: list[str] = field(default_factory=list)


class Watch(Callback):
    """Makes the step as heavy as it can be, and notes what it takes."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.started_s = time.monotonic()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.started_s = time.monotonic()
        _forget_peak(trainer.strategy.root_device)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if isinstance(pl_module, GRPO):
            pl_module.lalm.end_ids = (-1,)  # no token: every answer is as long as it may be
            pl_module.kept = every_group  # type: ignore[method-assign]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        now = time.monotonic()
        self.seen.loading_s, self.started_s = now - self.started_s, now

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs["loss"] if isinstance(outputs, Mapping) else outputs
        if not bool(torch.isfinite(loss)):
            self.seen.faults.append(f"the loss is {float(loss)}")
        if not len(batch) and batch.skipped:
            self.seen.faults.append(f"no recording could be used, {batch.skipped[0].message}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if non_finite(pl_module):
            self.seen.faults.append("the step leaves weights that are no numbers")
        self.seen.peak = _peak(trainer.strategy.root_device)
        self.seen.step_s = time.monotonic() - self.started_s


def every_group(adv_BG: Tensor) -> Tensor:
    """(B,) bool: none is left out, whatever its advantages."""
    return torch.ones_like(adv_BG[:, 0], dtype=torch.bool)


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux then measures the process's peak anew


def _peak(device: torch.device) -> float:
    """Bytes."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    with suppress(OSError):
        if found := re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text()):
            return 1024.0 * int(found[1])
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _is_out_of_memory(error: BaseException) -> bool:
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or "can't allocate memory" in str(error) or "out of memory" in str(error)


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
