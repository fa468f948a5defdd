from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from timepro_lit.runs.launched import LAUNCH, LAUNCHER, launch_of

CHILD = (
    "import pathlib, sys, time\n"
    "from timepro_lit.runs.launched import end_with_launcher\n"
    "time.sleep(float(sys.argv[2]))\n"
    "end_with_launcher()\n"
    "pathlib.Path(sys.argv[1]).write_text('watches')\n"
    "time.sleep(60)\n"
)
PARENT = (
    "import os, subprocess, sys, time\n"
    "from timepro_lit.runs.launched import end_with_launcher\n"
    "end_with_launcher()\n"
    "child = subprocess.Popen([sys.executable, '-c', *sys.argv[1:]], env=os.environ | {'LOCAL_RANK': '1'})\n"
    "print(child.pid, flush=True)\n"
    "time.sleep(60)\n"
)


def test_processes_that_start_together_know_it() -> None:
    first = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0"}
    assert launch_of(first, 10) == launch_of(first | {"SLURM_PROCID": "1"}, 11)
    assert launch_of(first, 10) != launch_of(first | {"SLURM_RESTART_COUNT": "1"}, 10)
    assert launch_of(first | {"NODE_RANK": "0"}, 10) == launch_of({"NODE_RANK": "1"}, 11) == ""
    elastic = {"TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_RESTART_COUNT": "0", "MASTER_PORT": "29500"}
    assert launch_of(elastic | {"LOCAL_RANK": "0"}, 10) == launch_of(elastic | {"LOCAL_RANK": "1"}, 11)
    told = {"NODE_RANK": "0", "LOCAL_RANK": "1"}  # by Lightning to the processes that it starts
    assert launch_of({}, 10) == launch_of(told | {LAUNCH: "10"}, 11) != launch_of({}, 12)
    for name in ("NODE_RANK", "OMPI_COMM_WORLD_RANK"):  # nothing that all of them know
        assert launch_of({name: "0"}, 10) == launch_of({name: "1"}, 11) == launch_of(told | {LAUNCH: ""}, 12) == ""


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("late_s", ["0", "1"])
def test_a_process_ends_with_the_one_that_started_it_also_where_that_was_killed_before(
    tmp_path: Path, late_s: str
) -> None:
    note = tmp_path / "note"
    environment = {key: value for key, value in os.environ.items() if key not in (LAUNCHER, "LOCAL_RANK")}
    command = [sys.executable, "-c", PARENT, CHILD, str(note), late_s]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        while late_s == "0" and not note.exists():
            time.sleep(0.01)
        time.sleep(0.2)
        assert is_there(child)
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + 30
    while is_there(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_there(child)
