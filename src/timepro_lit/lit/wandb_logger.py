"""Weights & Biases without its dozen lines a stage."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.loggers import WandbLogger


def wandb_logger(save_dir: str, name: str, version: str, offline: bool = False, **arguments: Any) -> WandbLogger:
    """Lightning's logger with its `arguments`; offline it says nothing, online where the curves are."""
    import wandb

    settings = wandb.Settings(silent=offline, quiet=True)
    logger = WandbLogger(name, save_dir, version, offline, settings=settings, **arguments)
    # Lightning hands it on although nobody has given it, and W&B warns of that.
    logger._wandb_init.pop("anonymous", None)
    return logger
