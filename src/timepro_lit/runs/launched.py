"""Processes of a run that its first one has started end with it.

Whoever meets nobody waits: a process that was still starting when the first one was killed would look for it for half
an hour, and hold its memory meanwhile.
"""

from __future__ import annotations

import os
import threading
import time

LAUNCHER = "TIMEPRO_LAUNCHER"
"""Environment variable: the process that started this one, if one of ours did."""
_LOOKS_EVERY_S = 1.0


def end_with_launcher() -> None:
    """Watch whoever started this process as one of several of a run; whatever it starts will watch this one."""
    launcher = os.environ.get(LAUNCHER)
    os.environ[LAUNCHER] = str(os.getpid())
    if launcher is not None and "LOCAL_RANK" in os.environ and launcher.isdecimal():
        threading.Thread(target=_watch, args=(int(launcher),), daemon=True).start()


def _watch(launcher: int) -> None:
    if os.getppid() != launcher and _is_there(launcher):
        return  # it is no child of it, as under a shell or torchrun: those look after their own
    while os.getppid() == launcher:
        time.sleep(_LOOKS_EVERY_S)
    os._exit(1)  # without a word: what killed the first process is what counts


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
