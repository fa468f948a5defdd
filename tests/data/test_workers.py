from __future__ import annotations

import subprocess
import sys

LEFT_BEHIND = """
import os, signal
from torchdata.stateful_dataloader import StatefulDataLoader
from timepro_lit.data.workers import ignore_signals

batches = iter(StatefulDataLoader(range(100), num_workers=2, worker_init_fn=ignore_signals))
next(batches)
os.kill(batches._workers[0].pid, signal.SIGKILL)
list(batches)
"""


def test_a_process_whose_loader_was_killed_ends_with_the_other_ones() -> None:
    done = subprocess.run([sys.executable, "-c", LEFT_BEHIND], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "atexit" not in done.stderr
