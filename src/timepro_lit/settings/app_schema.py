"""The root schema of the page on which a model is tried."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from timepro_lit.settings.places import Paths


@dataclass
class AppConfig:
    """Root of `conf/app.yaml`."""

    checkpoint: str = MISSING
    """Run directory, or folder of `export`."""
    compare: str | None = None
    """A second one, whose answers stand beside the first's."""
    row: str | None = None
    """Of the table of the first, a stage, or zero_shot for the base model; null = the last stage."""
    compare_row: str | None = None
    """Of the second's; the same folder may be given twice with two rows."""
    base: str | None = None
    """Checkpoint of the base model of both; null = where their settings say."""
    device: str | None = None
    """Null = the GPU where there is one."""
    host: str = "127.0.0.1"
    """Address to listen at; the default one is reached from this machine alone."""
    port: int = 7860
    """To listen at; 0 = any that is free."""
    max_mb: float = 50.0
    """Larger recordings are not taken."""
    max_seconds: float = 600.0
    """Longer recordings are not asked about; those longer than what a model hears at once are heard in windows."""
    max_queries: int = 8
    """Asked about a recording at once."""
    max_waiting: int = 8
    """Visitors who may wait while the models answer another one; more are told to come again."""
    trust: list[str] = field(default_factory=list)
    """Classes beyond those of timepro_lit that the folders' settings may name: they are called."""
    paths: Paths = field(default_factory=Paths)
