"""The root schema of `timepro_lit.predict`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from timepro_lit.settings.places import Paths


@dataclass
class PredictConfig:
    """Root of `conf/predict.yaml`."""

    checkpoint: str = MISSING
    """Run directory, or folder of `export`."""
    audio: str = MISSING
    """File, or folder that is searched for audio files."""
    task: dict[str, Any] = field(default_factory=dict)
    """One of those that the model was trained on; it is asked in the run's own words."""
    query: str | None = None
    """What to look for, where the task asks for one."""
    queries: str | None = None
    """File with one query a line, each asked about every recording; a .jsonl of qid, query, vid asks each its own."""
    classes: list[str] = field(default_factory=list)
    """To look for, where the task has a closed set of them; empty = those the model was trained on."""
    vote: int | None = None
    """So many answers to each question are sampled and voted over; null = one greedy answer."""
    vote_temperature: float = 1.0
    """At which they are sampled."""
    seed: int = 0
    """By which they are sampled."""
    row: str | None = None
    """Of a run's table: a stage, or zero_shot for the base model; null = the last stage."""
    base: str | None = None
    """Checkpoint of the base model; null = where the settings say."""
    device: str | None = None
    """Null = the GPU where there is one."""
    batch_size: int = 8
    """Recordings that are asked about together, with up to 16 questions about each; more count as another one."""
    window_s: float | None = None
    """Longer recordings are heard in windows of so many seconds; null = those that are more than is heard at once."""
    hop_s: float | None = None
    """From one window to the next, in seconds; null = half of a window."""
    merge_iou: float = 0.5
    """From which IoU on two windows speak of one event."""
    figures: bool = False
    """Also draw a timeline for each recording."""
    format: Any = field(default_factory=list)
    """Also write labels: of audacity, raven, srt, webvtt, jams, csv one or several; or dcase2026_task6, to submit."""
    output_dir: str = MISSING
    """Where predictions.jsonl, the figures and the labels go."""
    trust: list[str] = field(default_factory=list)
    """Classes beyond those of timepro_lit that the folder's settings may name: they are called."""
    paths: Paths = field(default_factory=Paths)
