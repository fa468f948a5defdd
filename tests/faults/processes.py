"""Commands of timepro_lit as processes that can be watched, killed and waited for.

A forked command shares the imports of the process that forks it, which saves ten seconds a run; its parent must have
no threads. A spawned one is `python -m timepro_lit.<door>`, as a user writes it; several processes are spawned.
"""

from __future__ import annotations

import atexit
import faulthandler
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

KILL_AT = Path(__file__).with_name("kill_at.py")
TOKEN = "FAULTS_COMMAND"
"""In the environment of a command and of all programs that it starts: tells its processes from others."""
AFTERLIFE_S = 20.0
"""How long processes may outlive the command that started them."""
DEFAULT_SIGNALS = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGUSR1: signal.SIG_DFL,
}


class Hang(Exception):
    """A command that does not end, or that leaves processes behind."""


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    """As a shell says it: 128 + n after signal n."""
    out: str
    err: str


class Command:
    """A running command in a process group of its own, with its output in files of `logs`."""

    def __init__(self, pid: int, logs: Path) -> None:
        self.pid = pid
        self.logs = logs
        self._code: int | None = None

    @property
    def out(self) -> str:
        return (self.logs / "out").read_text(errors="replace")

    @property
    def err(self) -> str:
        return (self.logs / "err").read_text(errors="replace")

    def ended(self) -> bool:
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self._code = code if code >= 0 else 128 - code
        return self._code is not None

    def wait(self, timeout_s: float) -> Done:
        """Its end. Raises Hang, and ends it, where it takes longer or leaves processes behind."""
        if not until(self.ended, timeout_s):
            os.kill(self.pid, signal.SIGABRT)  # faulthandler says where it stood
            until(self.ended, 5.0)
            self.end_all()
            stood = [line.strip() for line in self.err.splitlines() if line.startswith("  File")]
            raise Hang(f"did not end within {timeout_s:g} s; it stood in {stood[:8]}")
        if not until(lambda: not self.processes(), AFTERLIFE_S):
            left = [cmdline(pid) for pid in self.processes()]
            self.end_all()
            raise Hang(f"ended and left processes behind: {left}")
        assert self._code is not None
        return Done(self._code, self.out, self.err)

    def kill(self) -> None:
        """`kill -9` of the main process alone."""
        os.kill(self.pid, signal.SIGKILL)

    def end_all(self) -> None:
        """End every process of the command."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        until(self.ended, 10.0)

    def processes(self) -> list[int]:
        """Its living processes: those of its group, and the programs that it started in other ones."""
        own = f"{TOKEN}={self.logs}".encode()
        return [pid for pid in living() if _group(pid) == self.pid or own in _environment(pid)]

    def helpers(self, said: str) -> list[int]:
        """Its processes besides the main one, in whose command line or environment something is said."""
        found = [pid for pid in self.processes() if pid != self.pid]
        return [pid for pid in found if said in cmdline(pid) or said.encode() in _environment(pid)]


def fork(
    door: str, arguments: Sequence[str], logs: Path, prepare: Callable[[], None], environment: Mapping[str, str]
) -> Command:
    """Start `timepro_lit.<door>` in a fork of this process, in which `prepare` is called first."""
    logs.mkdir(parents=True, exist_ok=True)
    for name in ("out", "err"):
        (logs / name).touch()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _become(door, arguments, logs, prepare, environment)
    until(lambda: _group(pid) == pid, 5.0)
    return Command(pid, logs)


def spawn(
    door: str, arguments: Sequence[str], logs: Path, environment: Mapping[str, str], fault: str | None = None
) -> Command:
    """Start `python -m timepro_lit.<door>`; a fault is one for `kill_at.py`, and then its main process has it."""
    logs.mkdir(parents=True, exist_ok=True)
    module = f"timepro_lit.{door}"
    start = ["-m", module] if fault is None else [str(KILL_AT), fault, module]
    with (logs / "out").open("w") as out, (logs / "err").open("w") as err:
        process = subprocess.Popen(
            [sys.executable, *start, *arguments],
            stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=logs, start_new_session=True,
            env=os.environ | {TOKEN: str(logs), "PYTHONFAULTHANDLER": "1"} | dict(environment),
            preexec_fn=_default_signals,
        )  # fmt: skip
    process.returncode = 0  # Command waits for it
    return Command(process.pid, logs)


def until(condition: Callable[[], object], timeout_s: float) -> bool:
    """Wait for a condition; whether it came about."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def living() -> list[int]:
    """All processes that are no zombies."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _state(int(name)) not in ("", "Z", "X")]


def cmdline(pid: int) -> str:
    return _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace").strip()


def _become(
    door: str, arguments: Sequence[str], logs: Path, prepare: Callable[[], None], environment: Mapping[str, str]
) -> None:
    """What `python -m timepro_lit.<door>` does from its first line to its last; does not return."""
    code: object = 1
    try:
        os.setsid()
        _default_signals()
        for name, descriptor in (("out", 1), ("err", 2)):
            file = os.open(logs / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, descriptor)
        faulthandler.enable()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(logs)
        os.environ |= {TOKEN: str(logs)} | dict(environment)
        sys.argv = [door, *arguments]
        prepare()
        code = _code_of(importlib.import_module(f"timepro_lit.{door}").main)
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code if isinstance(code, int) else 1)


def _code_of(main: Callable[[], object]) -> object:
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except KeyboardInterrupt:
        traceback.print_exc()
        return 130
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _default_signals() -> None:
    for number, handler in DEFAULT_SIGNALS.items():
        signal.signal(number, handler)


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _stat(pid: int) -> list[str]:
    return _read(pid, "stat").decode(errors="replace").rpartition(")")[2].split()


def _state(pid: int) -> str:
    return next(iter(_stat(pid)), "")


def _group(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[2]) if len(fields) > 2 else None


def _environment(pid: int) -> list[bytes]:
    return _read(pid, "environ").split(b"\0")
