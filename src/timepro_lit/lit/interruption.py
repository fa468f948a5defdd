"""Signals while a model is at work: nothing is lost, and all processes leave together.

A signal is noted; where the work can be gone on from (a state is stored, a row's batch is done) the processes agree on
it, and hand it to whoever handled it before: the door, which ends the process, or submitit, which resubmits the job.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.environments import LightningEnvironment

from timepro_lit.lit.processes import gathered
from timepro_lit.runs.signals import Handler
from timepro_lit.runs.stages import is_rank_zero

HELD = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


class Interruption:
    """Holds signals back until they can be acted upon."""

    def __init__(self) -> None:
        self._asked = 0
        self._before: dict[int, Handler] = {}
        self._launcher: Any = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Signals that somebody handles are noted while the context lasts, and acted upon afterwards if not within.

        A second one is acted upon at once.
        """
        in_main_thread = threading.current_thread() is threading.main_thread()
        before = {number: signal.getsignal(number) for number in HELD if in_main_thread}
        self._before = {number: handler for number, handler in before.items() if callable(handler)}
        for number in self._before:
            signal.signal(number, self._note)
        try:
            yield
            self.act()
        finally:
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def agreed(self) -> int:
        """The signal that any process has been sent, 0 = none; every process has to ask, and gets the same."""
        return max(gathered(self._asked))

    def act(self) -> None:
        """Hand an agreed signal on; every process has to. Returns where its handler does, or there is none."""
        number = self.agreed()
        if not number:
            return
        self._asked = 0
        if is_rank_zero():
            try:
                self._hand_on(number)
            finally:
                gathered(None)  # nobody leaves before it, who may have to queue the job again
        else:
            gathered(None)
            if self._launcher is not None:
                sys.exit(0)  # another code would have Lightning kill rank zero
            self._hand_on(number)

    def _hand_on(self, number: int) -> None:
        if (handler := self._before.get(number)) is not None:  # another process may handle what this one does not
            handler(number, None)

    def watch(self, trainer: Trainer) -> None:
        """Know of the processes that Lightning has started, and watches."""
        own = isinstance(getattr(trainer.strategy, "cluster_environment", None), LightningEnvironment)
        self._launcher = trainer.strategy.launcher if own else None

    def _note(self, number: int, _: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self._asked:
            if is_rank_zero() and self._launcher is not None:
                self._launcher.kill(signal.SIGKILL)
            self._hand_on(number)
            return
        self._asked = number
        if is_rank_zero():
            os.write(1, f"{name}: waits until nothing is lost by it; a second one does not\n".encode())


class Interruptible(Callback):
    """Has an evaluation stop between two batches. Training stops behind a state of its own."""

    def __init__(self, interruption: Interruption) -> None:
        self.interruption = interruption

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.interruption.watch(trainer)

    def on_test_batch_end(self, trainer: Trainer, *_: Any) -> None:
        self.interruption.act()


def keep_signals(trainer: Trainer) -> None:
    """Leave signals to us: Lightning would write and load states of its own, and end with an exit code of 0."""
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
