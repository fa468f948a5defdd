"""`kill -9` at random moments, at exact points, of one of two processes, and of helpers."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from random import Random

from bench import TIMEOUT_S, Case, Skipped, Trial
from processes import Command, until
from tiny_run import CAPTIONS, TWO_PROCESSES, WORKERS
from verdict import Wrong, check_right, refusal

FIRST_STATE = "grpo-*.states/step-*[0-9]"
# (what, how often, where it begins, extra settings, seconds until the kill at the latest, after GRPO's first state)
RANDOM = (
    ("preparation", 4, "nothing", (), 2.5, False),
    ("sft", 10, "data", (), 5.0, False),
    ("grpo", 10, "sft", (), 5.0, False),
    ("grpo, after a state", 10, "sft", (), 1.5, True),
    ("sft, 2 workers", 5, "data", WORKERS, 6.0, False),
    ("grpo, 2 workers", 5, "sft", WORKERS, 6.0, False),
    ("grpo, 2 workers, after a state", 5, "sft", WORKERS, 1.5, True),
)


def cases(points: Sequence[tuple[str, str]], rng: Random) -> Iterator[Case]:
    """All kills; `points` are the file operations of a whole run."""
    for what, times, start, extra, within_s, after_state in RANDOM:
        for number in range(times):
            act = partial(_at_random, extra=extra, within_s=within_s, after_state=after_state, times=1)
            yield Case("kill at random", f"kill at random: {what} {number}", start, act)
    for number in range(3):
        act = partial(_at_random, extra=(), within_s=5.0, after_state=False, times=3)
        yield Case("kill at random", f"kill at random: three times {number}", "data", act)
    yield from _at_points(points, rng)
    for rank in (0, 1):
        for start in ("data", "data", "sft-two", "sft-two"):
            number = f"{start} {rng.randrange(1000)}"
            yield Case("kill of one of two", f"kill of rank {rank}: {number}", start, partial(_one_of_two, rank=rank))
    for number, start in enumerate(("data", "data", "sft", "sft", "stages", "stages")):
        yield Case("kill of a helper", f"kill of a loader worker: {start} {number}", start, _loader_worker)
    for number, start in enumerate(("data-captions", "sft-captions", "sft-captions")):
        yield Case("kill of a helper", f"kill of Java: {start} {number}", start, _java)


def _at_points(points: Sequence[tuple[str, str]], rng: Random) -> Iterator[Case]:
    """Before and after one of the times that each operation is done on each file."""
    for operation, file in dict.fromkeys(points):
        nth = 1 + rng.randrange(list(points).count((operation, file)))
        late = "grpo" in file or "report" in file or "finished" in file
        start = "nothing" if file.startswith("data") else "sft" if late else "data"
        # A state before one operation is the one after another; moves are what counts as commits.
        for when in ("before", "after") if operation in ("replace", "rename") else ("after",):
            fault = {"act": "kill", "operation": operation, "file": file, "nth": nth, "when": when}
            yield Case("kill at a point", f"kill {when} {operation} {nth} of {file}", start, partial(_at, fault=fault))


def _at(trial: Trial, fault: dict[str, object]) -> str:
    done = trial.start(fault=fault).wait(TIMEOUT_S)
    if done.code != 137:
        raise Skipped(f"exit code {done.code}: the point was not reached")
    trial.finish()
    return ""


def _at_random(trial: Trial, extra: tuple[str, ...], within_s: float, after_state: bool, times: int) -> str:
    trial.extra = extra
    for _ in range(times):
        command = trial.start()
        if after_state:
            _reached(command, lambda: any(trial.place.stages.glob(FIRST_STATE)))
        _ended_within(command, trial.rng.uniform(0, within_s))
        if command.ended():  # a fast machine: nothing was killed in this attempt
            break
        command.kill()
        command.wait(TIMEOUT_S)
    trial.finish()
    return ""


def _one_of_two(trial: Trial, rank: int) -> str:
    """The other process ends by itself, with an exit code that says so."""
    trial.extra, trial.spawned, trial.whole = TWO_PROCESSES, True, "whole-two"
    command = trial.start()
    _reached(command, lambda: "/4" in command.out)
    _ended_within(command, trial.rng.uniform(0, 4.0))
    found = command.helpers("LOCAL_RANK=1")
    if command.ended() or not found:
        raise trial.too_late(command)
    if rank == 0:
        command.kill()
    else:
        kill(found[0])
    done = command.wait(TIMEOUT_S)
    if done.code == 0:
        raise Wrong("exit code 0 of a run of which a process was killed")
    trial.finish()
    return ""


def _loader_worker(trial: Trial) -> str:
    trial.extra = WORKERS
    command = trial.start()
    return _helper(trial, command, lambda: command.helpers(""))


def _java(trial: Trial) -> str:
    trial.extra, trial.whole = CAPTIONS, "whole-captions"
    command = trial.start()
    return _helper(trial, command, lambda: command.helpers("meteor"))


def _helper(trial: Trial, command: Command, helpers: Callable[[], list[int]]) -> str:
    """The run goes on without it or says in a sentence that it cannot."""
    _reached(command, helpers)
    _ended_within(command, trial.rng.uniform(0, 0.5))
    found = helpers()
    if command.ended() or not found:
        raise trial.too_late(command)
    kill(trial.rng.choice(found))
    done = command.wait(TIMEOUT_S)
    said = ""
    if done.code == 0:
        check_right(trial.bench.made(trial.whole), trial.place, done)
    else:
        said = refusal(done, trial.place, names_file=False)
    trial.finish()
    return said


def _reached(command: Command, condition: Callable[[], object]) -> None:
    until(lambda: condition() or command.ended(), TIMEOUT_S)


def _ended_within(command: Command, seconds: float) -> bool:
    return until(command.ended, seconds)


def kill(pid: int) -> None:
    """`kill -9`, of one that may have ended by now."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        raise Skipped("it ended before the kill") from None
