"""What takes time linear in its input ends well within a minute of a processor; what does not, is ended there.

A guard and no benchmark: limits are far above what is measured, so that a slow or loaded machine changes nothing.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_most(seconds: float = 60.0) -> Iterator[None]:
    """Ends a hang, also one within a regular expression, after so many seconds of processor time."""

    def stop(signum: int, frame: object) -> None:
        raise TimeoutError(f"took longer than {seconds} s of processor time")

    previous = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)
