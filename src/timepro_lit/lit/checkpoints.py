"""What a killed stage goes on from: its newest state, its validation scores and its curves so far."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from timepro_lit.atomic import write_atomically

SCORES = "scores.json"
EARLIER = "metrics.earlier.csv"
"""Curves of the attempts before this one, beside those that are being written."""


class StageCheckpoints(Callback):
    """Writes the state of a stage every so many optimiser steps, and keeps the newest; a killed write leaves the old.

    The states lie in `folder` as step-<n>.ckpt: a file, or a folder where DeepSpeed writes it.

    Args:
        folder: of this stage alone.
        every_steps: optimiser steps between two states; None writes none.
        window: optimiser steps that learn from the same rollouts. They are in no checkpoint, so a state is written
            when they have been used up.
    """

    def __init__(self, folder: Path, every_steps: int | None, window: int = 1) -> None:
        self.folder = folder
        self.every_steps = None if every_steps is None else -(-every_steps // window) * window
        self.seen_steps = 0

    @property
    def newest(self) -> Path | None:
        """The newest state, None before the first."""
        return max(self.folder.glob("step-*.ckpt"), key=step_of, default=None)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.seen_steps = trainer.global_step

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.seen_steps:  # within an optimiser step: gradients are in no checkpoint
            return
        self.seen_steps = trainer.global_step
        done = self.seen_steps >= trainer.estimated_stepping_batches  # what follows is short, and is done again
        if self.every_steps is not None and self.seen_steps % self.every_steps == 0 and not done:
            self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        """Write the state, then remove the one before."""
        before, path = self.newest, self.folder / f"step-{trainer.global_step}.ckpt"
        partial = path.with_suffix(".partial")
        trainer.save_checkpoint(partial)
        if trainer.is_global_zero:
            partial.rename(path)
            if before is not None:
                _remove(before)
        trainer.strategy.barrier()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero and not trainer.sanity_checking:
            found = {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith("val/")}
            write_atomically(self.folder / SCORES, json.dumps(found))

    @property
    def scores(self) -> dict[str, float]:
        """Those of the last validation, also of an attempt before this one."""
        path = self.folder / SCORES
        scores: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
        return scores


def step_of(state: Path) -> int:
    """The optimiser step after which a state was written.

    >>> step_of(Path("step-40.ckpt"))
    40
    """
    found = re.fullmatch(r"step-(\d+)\.ckpt", state.name)
    assert found is not None, state
    return int(found[1])


def _remove(state: Path) -> None:
    if state.is_dir():
        shutil.rmtree(state)
    else:
        state.unlink()


def set_curves_aside(folder: Path, step: int) -> None:
    """Before a stage goes on from `step`: keep what its curves say until there, since a new logger deletes them."""
    rows = [row for row in _rows(folder / EARLIER) + _rows(folder / "metrics.csv") if int(row["step"]) < step]
    if rows:
        _write(folder / EARLIER, rows)


def join_curves(folder: Path) -> None:
    """When a stage is done: put the curves of all its attempts into metrics.csv."""
    if (folder / EARLIER).exists():
        _write(folder / "metrics.csv", _rows(folder / EARLIER) + _rows(folder / "metrics.csv"))
        (folder / EARLIER).unlink()


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, sorted({column for row in rows for column in row}), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())


def check_readable(state: Path) -> None:
    """Raise ValueError, in one sentence, where a state cannot be read; a folder is left to DeepSpeed."""
    if state.is_dir():
        return
    try:
        torch.load(state, map_location="meta", weights_only=True, mmap=True)
    except Exception as error:  # torch raises whatever its unpickler and zip reader do
        reason = str(error).split("\n")[0]
        raise ValueError(f"{state} cannot be read ({reason}); delete {state.parent} to begin the stage anew") from error
