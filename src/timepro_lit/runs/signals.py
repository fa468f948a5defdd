"""Signals that end a process: with one sentence, and the exit code that a shell gives to what a signal has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from timepro_lit.runs.stages import is_rank_zero

Handler = Callable[[int, FrameType | None], object]

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
_REQUEUE_S = 60.0
"""As long as Slurm may take to have a job queued again."""
NOBODY = (signal.SIG_DFL, signal.default_int_handler)
"""Handlers that were there before anybody wanted one. An ignored signal stays ignored: nohup and shells ask for it."""


class Stopped(SystemExit):
    """Ends the process with 128 + the signal's number."""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Have signals end what runs inside, at once; those that somebody handles already are left to them.

    SIGUSR1 is Slurm's warning that the time is over or the job is pre-empted: it also has the job queued again.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()  # nowhere else can a handler be set
    ours = [number for number in ENDING if in_main_thread and signal.getsignal(number) in NOBODY]
    before = {number: signal.signal(number, _end) for number in ours}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    said = f"stopped by {signal.Signals(number).name}"
    if number == signal.SIGUSR1 and (job := slurm_job()) is not None and is_rank_zero():
        said += f"; {_requeue(job)}"
    elif number == signal.SIGUSR1 and slurm_job() is not None and frame is not None:
        # Slurm ends the step, and scontrol with it, when the first process leaves; without a frame, it has been held
        # back until rank zero was done.
        time.sleep(_REQUEUE_S)
    if is_rank_zero():
        print(said, file=sys.stderr, flush=True)
    raise Stopped(128 + number)


def slurm_job() -> str | None:
    """What Slurm calls the job that this process belongs to; None outside of one."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")


def _requeue(job: str) -> str:
    try:
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, timeout=_REQUEUE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"job {job} could not be queued again: {error}"
    if done.returncode:
        return f"job {job} could not be queued again: {' '.join((done.stderr or done.stdout).split())}"
    return f"job {job} is queued again"
