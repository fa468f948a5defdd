"""Processes that read or make recordings: signals are for the run that started them, and they end with it."""

from __future__ import annotations

import atexit
import multiprocessing.util
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

import torch


def ignore_signals(worker: int = 0) -> None:
    """Of a worker: what a whole process group is sent is for its parent, which may still need it."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)


@atexit.register  # after what multiprocessing registers when it is imported, hence called before it
def _end_daemons() -> None:
    """End the loaders' processes that a run ended by an exception has left: asked to, they would not, see above.

    multiprocessing asks them, and waits for ever.
    """
    daemons = [process for process in multiprocessing.active_children() if process.daemon]
    if daemons:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch would call their end an error
    for process in daemons:
        process.kill()


@contextmanager
def worker_pool(num_workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes to hand work to; what has not begun when an exception comes is left undone."""
    pool = ProcessPoolExecutor(num_workers, initializer=_begin)
    try:
        yield pool
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


def _begin() -> None:
    ignore_signals()
    torch.set_num_threads(1)  # there is a process for each core already
    # A pool's processes would otherwise wait for ever for a parent that was killed.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
