"""Weights & Biases without its dozen lines a stage, and without its long waits."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import WandbLogger

INIT_S, LOGIN_S, FINISH_S = 20.0, 30.0, 60.0
"""Seconds to wait for its server when a stage begins, for an answer at the prompt for a key, and for the last uploads.
What has not been uploaded lies on disk, for `wandb sync`."""


def wandb_logger(
    save_dir: str, name: str, version: str, run: str | None = None, offline: bool = False, **arguments: Any
) -> WandbLogger:
    """Lightning's logger with its `arguments`; offline it says nothing, online where the curves are.

    A stage is a job of the type `name`, called `run` on the dashboard. Its id follows from the run directory,
    `save_dir`, and the stage, so that a stage that goes on after a kill goes on there as well; `version` is not used.
    """
    import wandb

    settings = wandb.Settings(
        silent=offline, quiet=True, init_timeout=INIT_S, login_timeout=LOGIN_S, finish_timeout=FINISH_S,
        finish_timeout_raises=True,
    )  # fmt: skip
    id_ = hashlib.sha256(f"{Path(save_dir).absolute()}/{name}".encode()).hexdigest()[:16]
    logger = WandbLogger(run or name, save_dir, id_, offline, settings=settings, job_type=name, **arguments)
    # Lightning hands it on although nobody has given it, and W&B warns of that.
    logger._wandb_init.pop("anonymous", None)
    return logger
