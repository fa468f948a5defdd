"""Signals: a run that is asked to stop says so, stops with the signal's exit code, and goes on when called again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench import TIMEOUT_S, Case, Skipped, Trial
from processes import Command, Done, until
from tiny_run import TWO_PROCESSES
from verdict import Wrong, shown

SIGNALS = {"TERM": signal.SIGTERM, "INT": signal.SIGINT, "USR1": signal.SIGUSR1}
JOB = "4711"
# phase -> where it begins with one process and with two, what the run says when it has come there, seconds to wait
PHASES = {
    "preparation": ("nothing", "nothing", "run directory", 0.3),
    "sft": ("data", "data", "sft 0/", 0.8),
    "grpo": ("sft", "sft-two", "grpo 0/", 1.0),
    "evaluation": ("stages", None, "testing grpo 0/", 0.1),
}


def cases() -> Iterator[Case]:
    """All signals."""
    for phase, (one, two, said, within_s) in PHASES.items():
        for name in SIGNALS:
            for to_all in (False, True):
                whom = "the group" if to_all else "the main process"
                act = partial(_asked_to_stop, name=name, to_all=to_all, said=said, within_s=within_s)
                yield Case("signal", f"{name} in {phase} to {whom}", one, partial(act, processes=1))
                if two in ("data", "sft-two"):
                    yield Case("signal", f"{name} in {phase} to {whom} of two", two, partial(act, processes=2))
    for phase in ("sft", "grpo"):
        start, _, said, within_s = PHASES[phase]
        act = partial(_requeued, said=said, within_s=within_s)
        yield Case("signal", f"USR1 in {phase} under Slurm", start, act)


def _asked_to_stop(trial: Trial, name: str, to_all: bool, said: str, within_s: float, processes: int) -> str:
    # One process in three starts as with a user, the others share this one's imports.
    trial.spawned = processes == 2 or (name == "TERM") == to_all
    if processes == 2:
        trial.extra, trial.whole = TWO_PROCESSES, "whole-two"
    command = trial.start()
    _send(trial, command, SIGNALS[name], to_all, said, within_s)
    done = command.wait(TIMEOUT_S)
    if done.code == 0 and (trial.place.run / "finished.json").exists():
        raise Skipped("it was done before the signal did anything")
    _check_stopped(done, 128 + SIGNALS[name])
    trial.finish()
    return ""


def _send(trial: Trial, command: Command, number: int, to_all: bool, said: str, within_s: float) -> None:
    until(lambda: said in command.out or command.ended(), TIMEOUT_S)
    until(command.ended, trial.rng.uniform(0, within_s))
    if command.ended():
        raise trial.too_late(command)
    if to_all:
        os.killpg(command.pid, number)
    else:
        os.kill(command.pid, number)


def _check_stopped(done: Done, code: int) -> None:
    lines = [line for line in done.err.splitlines() if line.strip()]
    if done.code != code:
        raise Wrong(f"exit code {done.code} in place of {code}; {shown(done)}")
    if len(lines) != 1:
        raise Wrong(f"stopped with {len(lines)} lines in place of a sentence; {shown(done)}")


def _requeued(trial: Trial, said: str, within_s: float) -> str:
    """Slurm's warning: the job asks once to be requeued, and the requeued command goes on."""
    bin_folder = trial.place.folder.with_name("bin")
    environment = _slurm(bin_folder)
    command = trial.start(environment=environment)
    _send(trial, command, signal.SIGUSR1, False, said, within_s)
    done = command.wait(TIMEOUT_S)
    calls = (bin_folder / "calls").read_text().splitlines() if (bin_folder / "calls").exists() else []
    if calls != [f"requeue {JOB}"]:
        raise Wrong(f"scontrol was called with {calls}; exit code {done.code}; {shown(done)}")
    if "Traceback" in done.err:
        raise Wrong(f"a traceback; {shown(done)}")
    if found := list(trial.place.folder.rglob("*hpc_ckpt*")):
        raise Wrong(f"left {found[0].name}, a state of Lightning's own")
    trial.finish()
    return ""


def _slurm(folder: Path) -> dict[str, str]:
    """The environment of a job with one task, and a scontrol that notes how it is called."""
    folder.mkdir()
    scontrol = folder / "scontrol"
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n')
    scontrol.chmod(0o755)
    zeros = dict.fromkeys(("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID"), "0")
    ones = dict.fromkeys(("SLURM_NTASKS", "SLURM_NTASKS_PER_NODE", "SLURM_NNODES", "SLURM_JOB_NUM_NODES"), "1")
    named = {"SLURM_JOB_ID": JOB, "SLURM_JOBID": JOB, "SLURM_JOB_NAME": "x", "SLURM_NODELIST": "localhost"}
    return {**zeros, **ones, **named, "PATH": f"{folder}:{os.environ['PATH']}"}
