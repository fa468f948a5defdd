"""What a run says while it works: `RunProgress` measures, and shows the line of `progress_line`.

In a terminal the line is a bar; a log gets it every so many seconds, and where a stage begins and ends.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from timepro_lit.lit.progress_line import (
    Course,
    Left,
    Pace,
    behind,
    head_of,
    rest_of,
    run_left,
    stage_left,
    validations_left,
)

LOG_EVERY_S, REFRESH_EVERY_S = 30.0, 0.5


class Bar:
    """The line in a terminal."""

    every_s = REFRESH_EVERY_S

    def __init__(self, console: Console) -> None:
        text = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
        # Redrawn by hand: a thread of its own would be one more that the data's workers are forked beside.
        self.bar = Progress(text, BarColumn(bar_width=None), console=console, auto_refresh=False, expand=True)
        self.task = self.bar.add_task("", visible=False)
        loggers = [h for h in logging.getLogger().handlers if isinstance(h, logging.StreamHandler)]
        self.streams = {h: h.stream for h in loggers if h.stream in (sys.stdout, sys.stderr)}
        self.bar.start()
        for handler in self.streams:
            handler.setStream(sys.stdout)  # rich has put itself there, and prints above the bar

    def show(self, line: str, done: int, total: int) -> None:
        """Draw it anew."""
        limit = total if total > 0 else None
        self.bar.update(self.task, description=line, completed=done, total=limit, visible=True, refresh=True)

    def close(self) -> None:
        """Leave the line as it is."""
        self.bar.stop()
        for handler, stream in self.streams.items():
            handler.setStream(stream)


class Log:
    """The line where nobody watches."""

    def __init__(self, every_s: float) -> None:
        self.every_s = every_s

    def show(self, line: str, done: int, total: int) -> None:
        """Say it once more."""
        print(line, flush=True)

    def close(self) -> None:
        """A log has no end."""


class RunProgress(Callback):
    """Shows how far a stage is in training and validation, or a row in its test, and the run with it.

    A stage that goes on from a state counts its steps from there. Times are those of this process alone.

    Args:
        name: of the stage or the row.
        course: of the run.
        log_every_s: seconds between two lines of a log.
        now: the time in seconds.
        console: where to; None = stdout.
    """

    def __init__(
        self,
        name: str,
        course: Course,
        log_every_s: float = LOG_EVERY_S,
        now: Callable[[], float] = time.monotonic,
        console: Console | None = None,
    ) -> None:
        self.name = name
        self.course = course
        self.log_every_s = log_every_s
        self.now = now
        self.console = console
        self.display: Bar | Log | None = None
        self.steps, self.batches = Pace(), Pace()
        self.values: dict[str, float] = {}
        self.seen_steps = self.validated_steps = 0
        self.done = 0
        """Batches of the validation, or of the test, that is under way."""
        self.began_s = self.lap_s = self.shown_s = now()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._begin(trainer)
        self.seen_steps = self.validated_steps = trainer.global_step
        self._show_training(trainer)

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.seen_steps:
            return
        self.seen_steps = trainer.global_step
        self.steps.note(self._lap())
        if self._is_due() or self.seen_steps == trainer.max_steps:
            # Read seldom: on a GPU it waits for the step.
            self.values = {name: float(value) for name, value in trainer.progress_bar_metrics.items()}
        if self._is_due():
            self._show_training(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._lap()

    def on_validation_batch_end(self, trainer: Trainer, *_: Any) -> None:
        self._note_batch()
        if self._is_due():
            self._show_validation(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.done, self.validated_steps = 0, trainer.global_step
        self._lap()  # a step's time is without it

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._show_training(trainer, took_s=self.now() - self.began_s)
        self._close()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._begin(trainer)
        self._show_test(trainer)

    def on_test_batch_end(self, trainer: Trainer, *_: Any) -> None:
        self._note_batch()
        if self._is_due():
            self._show_test(trainer)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._show_test(trainer, took_s=self.now() - self.began_s)
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._close()

    def _begin(self, trainer: Trainer) -> None:
        self.began_s = self.lap_s = self.now()
        if trainer.is_global_zero:
            console = self.console or Console(force_terminal=sys.stdout.isatty())
            watched = console.is_terminal and not console.is_dumb_terminal
            self.display = Bar(console) if watched else Log(self.log_every_s)

    def _close(self) -> None:
        if self.display is not None:
            self.display.close()
            self.display = None

    def _lap(self) -> float:
        """Seconds since the last call."""
        before, self.lap_s = self.lap_s, self.now()
        return self.lap_s - before

    def _note_batch(self) -> None:
        self.batches.note(self._lap())
        self.done += 1

    def _is_due(self) -> bool:
        return self.display is not None and self.now() - self.shown_s >= self.display.every_s

    def _left(self, trainer: Trainer, is_over: bool) -> dict[str, Left | None]:
        """Of the stage, and of the run."""
        step, num_steps, batch_s = trainer.global_step, trainer.max_steps, self.batches.one_s
        if num_steps < 0:
            return {}
        every = (trainer.val_check_batch or math.inf) / trainer.accumulate_grad_batches
        num_validations = validations_left(self.validated_steps, num_steps, every)
        num_batches = num_validations * sum(trainer.num_val_batches) - self.done
        stage = Left(0.0) if is_over else stage_left(num_steps - step, self.steps.one_s, num_batches, batch_s)
        rows = len(self.course.rows) * -(-self.course.batches_per_row // trainer.world_size)
        return {"stage": stage, "run": run_left(stage, behind(self.course.stages, self.name), rows, batch_s)}

    def _show_training(self, trainer: Trainer, took_s: float | None = None) -> None:
        left = self._left(trainer, is_over=took_s is not None)
        rest = rest_of(self.values, self.steps.one_s, "steps", left, took_s)
        self._show(self.name, trainer.global_step, trainer.max_steps, rest)

    def _show_validation(self, trainer: Trainer) -> None:
        rest = rest_of({}, self.batches.one_s, "batches", self._left(trainer, is_over=False), None)
        self._show(f"{self.name} validation", self.done, sum(trainer.num_val_batches), rest)

    def _show_test(self, trainer: Trainer, took_s: float | None = None) -> None:
        total, batch_s = sum(trainer.num_test_batches), self.batches.one_s
        row = stage_left(0, 0.0, total - self.done, batch_s)
        left = {"row": row, "run": run_left(row, 0, behind(self.course.rows, self.name) * total, batch_s)}
        self._show(f"testing {self.name}", self.done, total, rest_of({}, batch_s, "batches", left, took_s))

    def _show(self, what: str, done: int, total: int, rest: str) -> None:
        self.shown_s = self.now()
        if self.display is not None:
            head = head_of(what, done, total)
            self.display.show(f"{head}, {rest}" if rest else head, done, total)
