"""Where this package, its settings and what it writes lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omegaconf import MISSING

PACKAGE = Path(__file__).resolve().parents[1]
INSTALLED = (PACKAGE / "conf").is_dir()
"""Whether this is an installed wheel, which holds a copy of conf, and not a checkout, which has it at its top."""
CONF = PACKAGE / "conf" if INSTALLED else PACKAGE.parents[1] / "conf"
ROOT = Path.cwd() if INSTALLED else PACKAGE.parents[1]
"""What outputs and data lie below, unless told otherwise: an installed package is no place to write to."""


@dataclass
class Paths:
    """Folders. Results are written under `outputs`, generated data under `data`, and tables beside their manifests."""

    root: str = str(ROOT)
    assets: str = str(PACKAGE / "assets")
    data: str = MISSING
    outputs: str = MISSING
