"""What every test runs under: one thread (the tensors are tiny), no model hub, no upload."""

from __future__ import annotations

import os

# Read once by the libraries when they are imported, so set before any test module is; subprocesses inherit them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["WANDB_MODE"] = "offline"

from hypothesis import settings

# The same strings in every `make test`; other ones each time in `make fuzz` (ten strings to an example).
settings.register_profile("test", max_examples=2_000, deadline=None, derandomize=True, database=None)
settings.register_profile("fuzz", max_examples=100_000, deadline=None, database=None)
settings.load_profile("test")
