"""How the page is served: from this process alone, with its files in a folder that goes when the process ends."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from timepro_lit.playground.asking import Limits, Model
from timepro_lit.runs.stages import say

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def check_installed() -> None:
    """Raise ValueError where Gradio is not there."""
    found = find_spec("gradio")
    if found is None or found.origin is None:  # a folder of that name in the working directory, which is no package
        raise ValueError("the page needs the extra app: pip install 'timepro_lit[app]'")


def listening_port(host: str, port: int) -> int:
    """The port, or a free one for 0. Raises OSError that names what is in the way."""
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
            return int(taken.getsockname()[1])
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OSError(
            f"host and port: cannot listen at {host}, port {port}: {reason}; port=0 takes a free one"
        ) from error


def serve(models: Sequence[Model], limits: Limits, host: str, port: int, max_mb: float, max_waiting: int) -> None:
    """Show the page until the process is ended; no file outlives it."""
    port = listening_port(host, port)
    with tempfile.TemporaryDirectory(prefix="timepro-app-", ignore_cleanup_errors=True) as folder:
        # Gradio reads these as it is imported: where its files go, and that nobody is told of them.
        os.environ |= {"GRADIO_TEMP_DIR": folder, "GRADIO_ANALYTICS_ENABLED": "False"}
        from timepro_lit.playground.page import built, launched

        page = built(models, limits, Path(folder))
        launched(page, host, port, max_mb, max_waiting)
        say(f"the page: http://{f'[{host}]' if ':' in host else host}:{port} (Ctrl-C ends it)")
        if host not in LOOPBACK:
            say(f"host={host}: whoever reaches this machine can use the page")
        try:
            threading.Event().wait()
        finally:
            page.close(verbose=False)
