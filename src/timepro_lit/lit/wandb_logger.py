"""Weights & Biases without its dozen lines a stage, and without its long waits."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.loggers import WandbLogger

INIT_S, LOGIN_S, FINISH_S = 20.0, 30.0, 60.0
"""Seconds to wait for its server when a stage begins, for an answer at the prompt for a key, and for the last uploads.
What has not been uploaded lies on disk, for `wandb sync`."""


def wandb_logger(save_dir: str, name: str, version: str, offline: bool = False, **arguments: Any) -> WandbLogger:
    """Lightning's logger with its `arguments`; offline it says nothing, online where the curves are."""
    import wandb

    settings = wandb.Settings(
        silent=offline, quiet=True, init_timeout=INIT_S, login_timeout=LOGIN_S, finish_timeout=FINISH_S,
        finish_timeout_raises=True,
    )  # fmt: skip
    logger = WandbLogger(name, save_dir, version, offline, settings=settings, **arguments)
    # Lightning hands it on although nobody has given it, and W&B warns of that.
    logger._wandb_init.pop("anonymous", None)
    return logger
