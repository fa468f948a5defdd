"""Processes of a run that its first one has started end with it.

Whoever meets nobody waits: a process that was still starting when the first one was killed would look for it for half
an hour, and hold its memory meanwhile.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping

LAUNCHER = "TIMEPRO_LAUNCHER"
"""Environment variable: the process that started this one, if one of ours did."""
LAUNCH = "TIMEPRO_LAUNCH"
"""Environment variable: `this_launch` of that process."""
_LOOKS_EVERY_S = 1.0
_STARTS = (
    ("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT"),
    ("TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "MASTER_PORT"),
)
"""What srun and torchrun tell all processes that they start together."""
_launch = ""


def launch_of(env: Mapping[str, str], pid: int) -> str:
    """Equal in all processes of one start of a run, and another the next time; "" where nothing tells.

    >>> launch_of({}, 12) == launch_of({"TIMEPRO_LAUNCH": "12", "NODE_RANK": "0", "LOCAL_RANK": "1"}, 13)
    True
    """
    if "LOCAL_RANK" in env and LAUNCH in env:  # started by one that has told
        return env[LAUNCH]
    if "NODE_RANK" in env:  # by hand on each node, of which not all may know of the job
        return ""
    for names in _STARTS:
        if names[0] in env:
            return " ".join(f"{name}={env.get(name, '')}" for name in names)
    return "" if any(name.endswith("RANK") for name in env) else str(pid)


def this_launch() -> str:
    """That of this process; "" where nobody has called `end_with_launcher`."""
    return _launch


def end_with_launcher() -> None:
    """Watch whoever started this process as one of several of a run; whatever it starts will watch this one."""
    global _launch
    _launch = os.environ[LAUNCH] = launch_of(os.environ, os.getpid())
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
