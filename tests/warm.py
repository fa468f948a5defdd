"""Commands of timepro_lit without the seconds that their imports take: forks of one process that has made them all.

Each pytest process has one such server, a program of its own without threads. What needs a process as users start it
(several processes, signals, other code) is started as they do.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import pkgutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

SEVERAL = ("trainer=ddp", "trainer=deepspeed")
FAULTS = Path(__file__).resolve().with_name("faults")


def command(
    door: str, *arguments: str, cwd: Path, timeout_s: float = 300.0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """`python -m timepro_lit.<door> <arguments>` in a folder; really so, where it starts further processes."""
    if any(argument.startswith(SEVERAL) for argument in arguments):
        program = [sys.executable, "-m", f"timepro_lit.{door}", *arguments]
        given = os.environ | environment
        return subprocess.run(program, env=given, capture_output=True, text=True, cwd=cwd, timeout=timeout_s)
    with TemporaryDirectory(prefix="command-") as logs:
        done = _answered({
            "door": door, "arguments": arguments, "cwd": str(cwd), "timeout_s": timeout_s,
            "environment": dict(os.environ) | environment, "logs": logs,
        })  # fmt: skip
    if "hang" in done:
        raise TimeoutError(done["hang"])
    return subprocess.CompletedProcess([door, *arguments], done["code"], done["out"], done["err"])


def _answered(asked: Mapping[str, Any]) -> dict[str, Any]:
    server = _server()
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(json.dumps(asked) + "\n")
    server.stdin.flush()
    line = server.stdout.readline()
    assert line, f"the server of commands ended with {server.wait()}"
    answer: dict[str, Any] = json.loads(line)
    return answer


@cache
def _server() -> subprocess.Popen[str]:
    server = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(server.kill)
    return server


def serve() -> None:
    """Answer requests, a line each, until there are no more."""
    sys.path[0] = str(FAULTS)
    from processes import Hang, fork

    import timepro_lit

    for module in pkgutil.walk_packages(timepro_lit.__path__, "timepro_lit."):
        if not module.name.startswith("timepro_lit.playground"):
            importlib.import_module(module.name)
    assert threading.active_count() == 1, "a fork has no threads but one"
    for line in sys.stdin:
        asked: Mapping[str, Any] = json.loads(line)
        cwd = Path(asked["cwd"])

        def prepare(cwd: Path = cwd, environment: Mapping[str, str] = asked["environment"]) -> None:
            os.chdir(cwd)
            sys.path[0] = str(cwd)
            os.environ.clear()
            os.environ.update(environment)

        started = fork(asked["door"], asked["arguments"], Path(asked["logs"]), prepare, {})
        try:
            done = started.wait(asked["timeout_s"])
            answer = {"code": done.code, "out": done.out, "err": done.err}
        except Hang as hang:
            answer = {"hang": f"{asked['door']} {asked['arguments']}: {hang}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
