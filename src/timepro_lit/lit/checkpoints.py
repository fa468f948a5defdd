"""How a stage becomes one that can be killed: its states are written as it goes, and it goes on from the newest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from timepro_lit.files.atomic import naming, write_atomically
from timepro_lit.lit.curve_rows import Row, parse_rows, read_rows, rows_before, text_of
from timepro_lit.lit.finite import refuse_non_finite
from timepro_lit.lit.interruption import Interruption
from timepro_lit.lit.states import State, States
from timepro_lit.runs.stages import say


class StageCheckpoints(Callback):
    """Writes the state of a stage every so many optimiser steps, before each validation, and when a signal asks to.

    A state holds weights, optimiser, schedule, the place in the data and what has been skipped. The random numbers of
    torch are not in it: dropout, where there is any, draws others after a kill. It is written behind its step, and
    counts once the step is in the curves.

    Args:
        states: of this stage.
        every_steps: optimiser steps between two states; None writes none.
        window: optimiser steps that learn from the same rollouts. Those are in no state, so one is written when they
            have been used up.
        curves: the CSV file that the run's logger writes.
        interruption: what asks for a stop.
    """

    def __init__(
        self, states: States, every_steps: int | None, window: int, curves: Path, interruption: Interruption
    ) -> None:
        self.states = states
        self.every_steps = every_steps
        self.window = window
        self.curves = curves
        self.interruption = interruption
        self.scores: dict[str, float] = {}
        """Of the last validation."""
        self._rows_before: list[Row] = []
        self._validates_first = False
        self._seen_steps = 0
        self._is_due = False
        self._begun: tuple[int, bool] | None = None
        """Step of a state that does not count yet, and whether a validation follows upon it."""
        self._sealed_step: int | None = None
        self._stops = False

    def go_on(self) -> State | None:
        """The state to go on from; None where the stage begins. What is in the run's curves is of no use any more.

        Raises ValueError where it cannot be gone on from: written under another placement, or damaged.
        """
        state = self.states.newest()
        if state is not None:
            self._rows_before = parse_rows(state.curves)
            self._validates_first = state.validation_is_due
            self._sealed_step = state.step
        return state

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._seen_steps = trainer.global_step
        if self._validates_first:
            loop = trainer.fit_loop.epoch_loop.val_loop
            loop.restarting = False  # what it knows is of the validation before
            trainer.validating = True
            loop.run()
            trainer.training = True

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step == self._seen_steps:
            return
        self._seen_steps = trainer.global_step
        self._stops = self.interruption.agreed() > 0
        if self.every_steps is None:
            return
        self._is_due |= self._seen_steps % self.every_steps == 0
        validates = _validation_follows(trainer, batch_idx)
        # Gradients are in no state, nor are rollouts; and behind the last batch Lightning takes an epoch for begun.
        can_be_written = self._seen_steps % self.window == 0 and not trainer.is_last_batch
        if can_be_written and (self._is_due or validates or self._stops):
            self._is_due = False
            self._write(trainer, validates)

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        self._seal_and_stop(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._seal_and_stop(trainer)

    def on_validation_batch_end(self, trainer: Trainer, *_: Any) -> None:
        self._stops = self.interruption.agreed() > 0
        self._seal_and_stop(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.scores = {name: float(v) for name, v in trainer.callback_metrics.items() if name.startswith("val/")}

    def _write(self, trainer: Trainer, validates: bool) -> None:
        refuse_non_finite(trainer.lightning_module)
        step = trainer.global_step
        if trainer.is_global_zero:
            self.states.begin(step)
        trainer.strategy.barrier()
        with naming(self.states.path(step)):
            trainer.save_checkpoint(self.states.path(step))
        self._begun = step, validates

    def _seal_and_stop(self, trainer: Trainer) -> None:
        """Now that what was logged of the step is with the loggers."""
        if self._begun is not None:
            step, validates = self._begun
            self._begun, self._sealed_step = None, step
            if trainer.is_global_zero:
                for logger in trainer.loggers:
                    logger.save()
                self.states.seal(step, text_of(rows_before(self._rows(), step, validates)), validates)
        is_safe = self.every_steps is None or self._sealed_step == trainer.global_step
        if self._stops and is_safe:
            self._stops = False
            said = "no state is kept (checkpoint_every=null)"
            if self._sealed_step is not None:
                said = f"the state of step {self._sealed_step} is stored: the same command goes on from there"
            say(said)
            self.interruption.act()

    def join_curves(self) -> None:
        """When the stage is done: put the curves of all its attempts into the run's file."""
        if self._rows_before:
            write_atomically(self.curves, text_of(self._rows()))

    def _rows(self) -> list[Row]:
        return [*self._rows_before, *read_rows(self.curves)]


class EndsWithValidation(Callback):
    """Has what was trained validated when its last step is done, so that the scores are those of what is stored."""

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == trainer.max_steps:
            trainer.should_stop = True  # Lightning validates before it stops


def _validation_follows(trainer: Trainer, batch_idx: int) -> bool:
    """Whether Lightning validates right behind this batch."""
    every = trainer.val_check_batch
    if not trainer.enable_validation or every is None:
        return False
    if trainer.should_stop:
        return True
    place = trainer.fit_loop.total_batch_idx if trainer.check_val_every_n_epoch is None else batch_idx
    return bool((place + 1) % every == 0)
