"""Slurm in miniature, on one machine: `sbatch`, `srun`, `scontrol`, `sacct` and `scancel` for the PATH of a test.

`slurm(folder)` puts them into a folder and returns the environment to find them; they write every call to
`calls(folder)`. sbatch runs the script in the background, an array one job after the other, after the jobs that it
depends on (afterok); srun starts the tasks as Slurm does, each with its SLURM_* variables; a job for which `scontrol
requeue` was called is run again, whatever its exit code. Signals are the test's own business: `pids(folder)` says which
processes srun has started last.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from timepro_lit.files.atomic import write_atomically

COMMANDS = ("sbatch", "srun", "scontrol", "sacct", "scancel")
FIRST_JOB = 4001
UNFINISHED = {"PENDING", "RUNNING"}


def slurm(folder: Path) -> dict[str, str]:
    """The environment of a login node, over that of this process."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    for name in COMMANDS:
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).resolve()} {folder} {name} "$@"\n')
        program.chmod(0o755)
    outside = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    return outside | {"PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"}


def task(num_tasks: int = 1, rank: int = 0, job: str = str(FIRST_JOB)) -> dict[str, str]:
    """What srun adds to the environment of a task, of a job on one node."""
    return {
        "SLURM_JOB_ID": job, "SLURM_JOB_NAME": "test", "SLURM_JOB_NODELIST": "localhost", "SLURM_NODELIST": "localhost",
        "SLURM_JOB_NUM_NODES": "1", "SLURM_NNODES": "1", "SLURM_NTASKS": str(num_tasks),
        "SLURM_NTASKS_PER_NODE": str(num_tasks), "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank),
        "SLURM_NODEID": "0",
    }  # fmt: skip


def calls(folder: Path, command: str) -> list[list[str]]:
    """The arguments of each call of a command."""
    log = folder / "calls.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    return [arguments for name, *arguments in map(json.loads, lines) if name == command]


def pids(folder: Path) -> list[int]:
    """Of the tasks that were started last, by rank."""
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def states(folder: Path) -> dict[str, str]:
    """What has become of each job."""
    return {path.suffix[1:]: path.read_text() for path in sorted(folder.glob("state.*"))}


def set_state(folder: Path, job: str, state: str) -> None:
    write_atomically(folder / f"state.{job}", state)


def wait(folder: Path, timeout_s: float = 300.0) -> None:
    """Until every job has ended."""
    end = time.monotonic() + timeout_s
    while UNFINISHED & set(states(folder).values()):
        assert time.monotonic() < end, states(folder)
        time.sleep(0.1)


def options_of(arguments: Sequence[str]) -> dict[str, str]:
    return {k: v for k, _, v in (a.removeprefix("--").partition("=") for a in arguments if a.startswith("--"))}


def sbatch(folder: Path, arguments: list[str]) -> None:
    given = [argument for argument in arguments if argument.startswith("--")]
    script, *rest = arguments[len(given) :]
    options = options_of(re.findall(r"^#SBATCH (--\S+)", Path(script).read_text(), re.MULTILINE)) | options_of(given)
    number = FIRST_JOB + len(calls(folder, "sbatch")) - 1
    array = range(int(options["array"].partition("%")[0].partition("-")[2]) + 1) if "array" in options else [None]
    jobs = [str(number) if index is None else f"{number}_{index}" for index in array]
    for job in jobs:
        set_state(folder, job, "PENDING")
    command = [sys.executable, __file__, str(folder), "run", json.dumps(options), *jobs, "--", script, *rest]
    log = (folder / "log").open("a")
    subprocess.Popen(command, start_new_session=True, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    print(number if "--parsable" in given else f"Submitted batch job {number}")


def run(folder: Path, arguments: list[str]) -> None:
    """One job after the other, each until it is not requeued."""
    middle = arguments.index("--")
    options = json.loads(arguments[0])
    before = options.get("dependency", "afterok").split(":")[1:]
    while any(states(folder)[job] in UNFINISHED for job in before):
        time.sleep(0.1)
    if not all(states(folder)[job] == "COMPLETED" for job in before):
        for job in arguments[1:middle]:
            set_state(folder, job, "CANCELLED")
        return
    for job in arguments[1:middle]:
        number, _, index = job.partition("_")
        num_tasks = options.get("ntasks-per-node", "1")
        array = {"SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": index} if index else {}
        env = os.environ | task(int(num_tasks), job=number) | array
        while True:
            set_state(folder, job, "RUNNING")
            requeued = len(calls(folder, "scontrol"))
            done = subprocess.run(["bash", *arguments[middle + 1 :]], env=env)
            if ["requeue", job] not in calls(folder, "scontrol")[requeued:]:
                break
        set_state(folder, job, "FAILED" if done.returncode else "COMPLETED")


def srun(folder: Path, arguments: list[str]) -> None:
    env, command, output = os.environ, list(arguments), "%t"
    while command[0].startswith("--"):
        option, _, _ = command.pop(0).partition("=")
        if option == "--output":
            output = command.pop(0)
    for letter, name in {"j": "SLURM_JOB_ID", "A": "SLURM_ARRAY_JOB_ID", "a": "SLURM_ARRAY_TASK_ID"}.items():
        output = output.replace(f"%{letter}", env.get(name, ""))
    num_tasks = int(env["SLURM_NTASKS"])
    of_tasks = [env | task(num_tasks, rank, env["SLURM_JOB_ID"]) for rank in range(num_tasks)]
    with ExitStack() as files:
        logs = [files.enter_context(open(folder / output.replace("%t", str(rank)), "a")) for rank in range(num_tasks)]
        tasks = [
            subprocess.Popen(command, env=of_task, stdout=log, stderr=log)
            for of_task, log in zip(of_tasks, logs, strict=True)
        ]
    (folder / "pids").write_text(" ".join(str(one.pid) for one in tasks))
    kills = "--kill-on-bad-exit=1" in arguments or env.get("SLURM_KILL_BAD_EXIT") == "1"
    while any(one.poll() is None for one in tasks):
        if kills and any(one.returncode for one in tasks):
            for one in tasks:
                one.kill()
        time.sleep(0.05)
    sys.exit(max(one.returncode % 256 for one in tasks))


def sacct(folder: Path, arguments: list[str]) -> None:
    print("JobID|State|NodeList", *(f"{job}|{state}|localhost" for job, state in states(folder).items()), sep="\n")


if __name__ == "__main__":
    folder, name, *arguments = Path(sys.argv[1]), *sys.argv[2:]
    if name in COMMANDS:
        with (folder / "calls.jsonl").open("a") as log:
            log.write(json.dumps([name, *arguments]) + "\n")
    if (does := globals().get(name)) is not None:
        does(folder, arguments)
