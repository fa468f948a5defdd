"""Loggers whose libraries are no dependency: a missing one is said before anything is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

EXTRAS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "lightning.pytorch.loggers.TensorBoardLogger": ("tensorboard", ("tensorboard", "tensorboardX")),
    "timepro_lit.lit.mlflow_logger.mlflow_logger": ("mlflow", ("mlflow",)),
    "timepro_lit.lit.trackio_logger.TrackioLogger": ("trackio", ("trackio",)),
}
"""Target -> the extra that brings what it needs, and packages of which one is enough."""


def missing_extras(loggers: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Faults of loggers that cannot work here. One that fails later is left out of its run instead."""
    for name, node in loggers.items():
        extra, packages = EXTRAS.get(str(node["_target_"]), ("", ()))
        if packages and not any(map(find_spec, packages)):
            yield f"logger.{name}: needs the extra {extra}: pip install 'timepro_lit[{extra}]'"
