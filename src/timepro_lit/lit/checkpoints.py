"""What a killed stage goes on from: its newest state, its validation scores and its curves so far."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from timepro_lit.files.atomic import fsync_folder, write_atomically

SCORES, PLACEMENT, CURVES = "scores.json", "placement.json", "metrics.csv"

Row = dict[str, str]


class StageCheckpoints(Callback):
    """Writes the state of a stage every so many optimiser steps, and keeps the newest; a killed write leaves the old.

    A state holds weights, optimiser, schedule, the place in the data and what has been skipped. The random numbers of
    torch are not in it: dropout, where there is any, draws others after a kill.

    Args:
        folder: of this stage's states alone.
        every_steps: optimiser steps between two states; None writes none.
        window: optimiser steps that learn from the same rollouts. Those are in no state, so one is written when they
            have been used up.
        curves: the CSV file that the run's logger writes.
        placement: what the place in the data depends on: number of processes, workers, micro-batches, strategy.

    The states are step-<n>.ckpt: a file, or a folder where DeepSpeed writes it.
    """

    def __init__(
        self, folder: Path, every_steps: int | None, window: int, curves: Path, placement: Mapping[str, Any]
    ) -> None:
        self.folder = folder
        self.every_steps = every_steps
        self.window = window
        self.curves = curves
        self.placement = dict(placement)
        self.seen_steps = 0
        self.step_has_ended = False
        self.is_due = False

    @property
    def newest(self) -> Path | None:
        """The newest state, None before the first."""
        return max(self.folder.glob("step-*.ckpt"), key=step_of, default=None)

    @property
    def scores(self) -> dict[str, float]:
        """Those of the last validation, also of an attempt before this one."""
        path = self.folder / SCORES
        scores: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
        return scores

    def go_on(self) -> Path | None:
        """The state to go on from, with the curves until there set aside; None where the stage begins.

        Raises ValueError where it cannot be gone on from: written under another placement, or damaged.
        """
        state = self.newest
        if state is None:
            return None
        anew = f"delete {self.folder} to begin the stage anew"
        before = json.loads((self.folder / PLACEMENT).read_text())
        if before != self.placement:
            raise ValueError(
                f"{state} was written with {before}, and this is {self.placement}: run it as before, or {anew}"
            )
        _check_readable(state, anew)
        self._keep_curves(step_of(state))
        self.curves.unlink(missing_ok=True)  # a new logger would, some time later
        return state

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.seen_steps = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.step_has_ended = trainer.global_step > self.seen_steps
        self.seen_steps = trainer.global_step
        if self.step_has_ended and self.every_steps is not None:
            self.is_due |= self.seen_steps % self.every_steps == 0
        # Lightning takes a validation for done that was due at the step of a state.
        if not _validation_follows(trainer, batch_idx):
            self._save_if_due(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            found = {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith("val/")}
            write_atomically(self.folder / SCORES, json.dumps(found))
        self._save_if_due(trainer)

    def _save_if_due(self, trainer: Trainer) -> None:
        # Gradients are in no state, nor are rollouts; and behind the last batch Lightning takes an epoch for begun.
        ends_a_window = self.step_has_ended and self.seen_steps % self.window == 0
        if self.is_due and ends_a_window and not trainer.is_last_batch:
            self.is_due = False
            self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        """Write the state, then remove the one before."""
        before, path = self.newest, self.folder / f"step-{trainer.global_step}.ckpt"
        partial = path.with_suffix(".partial")
        trainer.save_checkpoint(partial)
        if trainer.is_global_zero:
            write_atomically(self.folder / PLACEMENT, json.dumps(self.placement))
            self._keep_curves(trainer.global_step)
            _make_durable(partial)
            partial.rename(path)
            fsync_folder(self.folder)
            if before is not None:
                _remove(before)
        trainer.strategy.barrier()

    def _keep_curves(self, step: int) -> None:
        """What the curves of all attempts say until a step: beside the states, for any run that goes on from them."""
        rows = [row for row in self._curves() if int(row["step"]) < step]
        if rows:
            _write(self.folder / CURVES, rows)

    def join_curves(self) -> None:
        """When the stage is done: put the curves of all its attempts into the run's file."""
        if (self.folder / CURVES).exists():
            _write(self.curves, self._curves())

    def _curves(self) -> list[Row]:
        return _once([*_rows(self.folder / CURVES), *_rows(self.curves)])


class EndsWithValidation(Callback):
    """Has what was trained validated when its last step is done, so that the scores are those of what is stored."""

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == trainer.max_steps:
            trainer.should_stop = True  # Lightning validates before it stops


def step_of(state: Path) -> int:
    """The optimiser step after which a state was written.

    >>> step_of(Path("step-40.ckpt"))
    40
    """
    found = re.fullmatch(r"step-(\d+)\.ckpt", state.name)
    assert found is not None, state
    return int(found[1])


def _validation_follows(trainer: Trainer, batch_idx: int) -> bool:
    """Whether Lightning validates right behind this batch."""
    every = trainer.val_check_batch
    if not trainer.enable_validation or every is None:
        return False
    if trainer.should_stop:
        return True
    place = trainer.fit_loop.total_batch_idx if trainer.check_val_every_n_epoch is None else batch_idx
    return bool((place + 1) % every == 0)


def _check_readable(state: Path, anew: str) -> None:
    """Raise ValueError where a state cannot be read; a folder is left to DeepSpeed."""
    if state.is_dir():
        return
    try:
        torch.load(state, map_location="meta", weights_only=True, mmap=True)
    except Exception as error:  # torch raises whatever its unpickler and zip reader do
        reason = str(error).split("\n")[0]
        raise ValueError(f"{state} cannot be read ({reason}): {anew}") from error


def _make_durable(state: Path) -> None:
    for path in [state] if state.is_file() else [p for p in state.rglob("*") if p.is_file()]:
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _remove(state: Path) -> None:
    if state.is_dir():
        shutil.rmtree(state)
    else:
        state.unlink()


def _rows(path: Path) -> list[Row]:
    """The rows of a CSV file, without empty fields; a last line that a kill has torn is left out."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = [{column: value for column, value in row.items() if column and value} for row in csv.DictReader(file)]
    return [row for row in rows if row.get("step", "").isdigit()]


def _once(rows: Iterable[Row]) -> list[Row]:
    return [dict(row) for row in dict.fromkeys(tuple(sorted(row.items())) for row in rows)]


def _write(path: Path, rows: list[Row]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, sorted({column for row in rows for column in row}), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())
