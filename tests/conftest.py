"""What every test runs under: one thread (the tensors are tiny), no model hub, no upload."""

from __future__ import annotations

import os

# Read once by the libraries when they are imported, so set before any test module is; subprocesses inherit them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["WANDB_MODE"] = "offline"
