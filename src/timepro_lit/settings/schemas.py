"""The root schema of every door: which top-level keys there are, and what each of them means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

from timepro_lit.settings.app_schema import AppConfig
from timepro_lit.settings.places import CONF as CONF
from timepro_lit.settings.places import PACKAGE as PACKAGE
from timepro_lit.settings.places import ROOT as ROOT
from timepro_lit.settings.places import Paths
from timepro_lit.settings.predict_schema import PredictConfig

LAYERS = ("experiment", "scale", "debug")
"""Groups added with `+`, each of which may override the ones before it."""


@dataclass
class TrainConfig:
    """Root of `conf/train.yaml`: top-level keys that are not listed here do not compose."""

    model: Any = None
    lora: Any = None
    time_prompt: Any = None
    task: dict[str, Any] = field(default_factory=dict)
    data: Any = None
    sizes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What belongs to a scale: numbers of the stages, and of the data and the time prompt, which refer to them."""
    stage: dict[str, Any] = field(default_factory=dict)
    """Run in this order."""
    reward: Any = None
    """Stages that learn from rewards refer to it."""
    classes: list[str] = field(default_factory=list)
    """Sound event classes of the data."""
    trainer: Any = None
    callbacks: dict[str, Any] = field(default_factory=dict)
    logger: dict[str, Any] = field(default_factory=dict)
    paths: Paths = field(default_factory=Paths)
    name: str | None = None
    """Of the run; null = the experiment's."""
    scale: str = "embedded"
    """Name of the chosen scale; each scale sets its own."""
    scales: list[str] | None = None
    """Scales that the experiment is made for; null = any."""
    seed: int = 1
    """Of everything that is drawn."""
    checkpoint_every: int | None = 50
    """Optimiser steps after which a stage writes what it would go on from if it were killed; null = never."""
    init_from: str | None = None
    """Result folder of a stage to start the first stage from; null = the base model."""
    rows: list[str] | None = None
    """Of the table: zero_shot and names of stages; null = the last of them alone."""
    only: str | None = None
    """plan = say what the run would do and take, preflight = try one step of each stage; set by +debug=..."""
    reuse: str | None = None
    """anyway = also take stored results that differ in nothing but the code that made them; null = make them anew."""
    output_dir: str | None = None
    """Run directory; null = outputs/<experiment>/[<scale>-][<other overrides>-]seed<seed>."""


@dataclass
class EvaluateConfig:
    """Root of `conf/evaluate.yaml`."""

    run: str = MISSING
    """Run directory of `train`, whose settings are used again."""
    split: str = "test"
    """Of the data: test, val or train."""
    rows: list[str] | None = None
    """Stages to evaluate, "zero_shot" for the base model; null = all of them."""
    tasks: list[str] | None = None
    """Tasks to evaluate, as where other data have no questions of the rest; null = all of the run's."""
    vote: int | None = None
    """So many answers to each question are sampled and voted over; null = one greedy answer."""
    vote_temperature: float = 1.0
    """At which they are sampled."""
    seed: int = 0
    """By which they are sampled."""
    window_s: float | None = None
    """Longer examples are answered in windows of so many seconds; null = those that are more than is heard at once."""
    hop_s: float | None = None
    """From one window to the next, in seconds; null = half of a window."""
    merge_iou: float = 0.5
    """From which IoU on two windows speak of one event."""
    data: Any = None
    """Null = the run's."""
    trainer: Any = None
    """Null = the run's."""
    classes: list[str] = field(default_factory=list)
    """The run's own, if any: it is asked about no others."""
    trust: list[str] = field(default_factory=list)
    """Classes beyond those of timepro_lit that the folder's settings may name: they are called."""
    paths: Paths = field(default_factory=Paths)


@dataclass
class ReportConfig:
    """Root of `conf/report.yaml`."""

    runs: list[str] = MISSING
    """Run directories, folders with runs below them, globs, and folders of `timepro_lit.score`."""
    layout: str = "free"
    """Rows as they come, or those of the paper's tables: free, table1 or table3."""
    baseline: str | None = None
    """The row that all others are compared with; null = each with the row above."""
    quoted: bool = True
    """The paper's own figures beside ours, in its layouts."""
    output_dir: str | None = None
    """Where the report goes; null = below `reports` in the outputs folder, by the names of the runs."""
    trust: list[str] = field(default_factory=list)
    """Classes beyond those of timepro_lit that the folder's settings may name: they are called."""
    paths: Paths = field(default_factory=Paths)


@dataclass
class ScoreConfig:
    """Root of `conf/score.yaml`."""

    predictions: str = MISSING
    """Answers of the system: JSON lines or TSV."""
    references: str = MISSING
    """Manifest or TSV."""
    output_dir: str = MISSING
    """Where scores.json goes, and what `timepro_lit.report` takes the system into a table by."""
    system: str | None = None
    """What the system is called there; null = as the folder, or the one above where that is called as the task."""
    task: dict[str, Any] = field(default_factory=dict)
    """The one that was asked."""
    classes: list[str] = field(default_factory=list)
    """Of the macro average over sound event classes; empty = those of the references."""
    protocol: str | None = None
    """Of a challenge whose files both are, in place of a task: dcase2026_task6."""
    decimals: int | None = None
    """Where given, Eb-F1 stands a second time, its collars compared after rounding to so many decimals."""
    psds: bool = False
    """Also PSDS1 and PSDS2 of sound event detection, of events with scores; needs the extra psds and a manifest."""
    paths: Paths = field(default_factory=Paths)


@dataclass
class AttendConfig:
    """Root of `conf/attend.yaml`."""

    checkpoint: str = MISSING
    """Run directory, or folder of `export`."""
    task: dict[str, Any] = field(default_factory=dict)
    """One of those that the model was trained on."""
    audio: str | None = None
    """File that is asked about, and drawn."""
    query: str | None = None
    """What to look for, where the task asks for one."""
    split: str | None = None
    """Of the run's data, test, val or train: measure over its questions, in place of audio."""
    example: str | None = None
    """Id of one question of the split, which is drawn, with its reference."""
    num_questions: int = 200
    """Of the split; the first ones."""
    against: list[str] = field(default_factory=list)
    """Other run directories, measured on the same questions."""
    layers: list[int] = field(default_factory=lambda: [-1])
    """To draw, from 0; negative ones count from the last."""
    heads: list[int] = field(default_factory=list)
    """To average over; empty = all."""
    classes: list[str] = field(default_factory=list)
    """To look for, where the task has a closed set of them; empty = those the model was trained on."""
    row: str | None = None
    """Of a run's table: a stage; null = the last one."""
    base: str | None = None
    """Checkpoint of the base model; null = where the settings say."""
    device: str | None = None
    """Null = the GPU where there is one."""
    output_dir: str = MISSING
    """Where the pictures and attention.json go."""
    trust: list[str] = field(default_factory=list)
    """Classes beyond those of timepro_lit that the folder's settings may name: they are called."""
    paths: Paths = field(default_factory=Paths)


@dataclass
class ExportConfig:
    """Root of `conf/export.yaml`."""

    run: str = MISSING
    """Run directory."""
    output_dir: str = MISSING
    """New folder."""
    kind: str = "merged"
    """merged = whole weights, adapter = the adapter alone, full_omni_adapter = the same for a full Omni model."""
    row: str | None = None
    """Of the run's table: a stage, or zero_shot for the base model; null = the last stage."""
    trust: list[str] = field(default_factory=list)
    """Classes beyond those of timepro_lit that the folder's settings may name: they are called."""
    paths: Paths = field(default_factory=Paths)


@dataclass
class PrepareConfig:
    """Root of `conf/prepare.yaml`."""

    corpus: Any = MISSING
    """Which public format is read."""
    root: str = MISSING
    """Folder of the corpus as it was downloaded, its recordings included."""
    out: str = MISSING
    """Where the manifests and the counts go."""
    exclude: list[str] = field(default_factory=list)
    """Folders of other corpora to be trained with: recordings that they evaluate on are not trained on here."""
    tokenizer: str | None = None
    """Folder or hub name of a model, to count the answers that evaluation would cut off; null = not counted."""
    max_answer_tokens: int = 640
    """What evaluation reads of an answer."""
    shard_mb: int | None = None
    """Also pack the recordings into tar shards of about so many megabytes, and train from those."""
    num_workers: int = 2
    """Processes that listen to the recordings."""
    window_s: float = 30.0
    """Recordings that are longer are cut into windows of at most so many seconds, where all their events are known."""
    none_rate: float = 0.25
    """Of the windows of a long recording in which a query does not occur, the share that is asked all the same."""
    task: dict[str, Any] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)
    """Sound event classes of the corpus."""
    paths: Paths = field(default_factory=Paths)


SCHEMAS: Mapping[str, type] = {
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
    "report": ReportConfig,
    "score": ScoreConfig,
    "predict": PredictConfig,
    "attend": AttendConfig,
    "app": AppConfig,
    "export": ExportConfig,
    "prepare": PrepareConfig,
}
"""Of each door."""


def free_texts(door: str) -> list[str]:
    """Keys of a door whose values are any text: names, paths, queries."""
    return [field.name for field in fields(SCHEMAS[door]) if field.type in ("str", "str | None")]


def register() -> None:
    """Make the schemas known to Hydra, under the names that the yaml files' defaults lists use.

    With them what settings may ask for, `${classes_in:...}`: the classes of a folder of recordings, where one is given.
    """
    OmegaConf.register_new_resolver("classes_in", _classes_in, replace=True)
    store = ConfigStore.instance()
    for door, schema in SCHEMAS.items():
        store.store(name=f"{door}_schema", node=schema)


def _classes_in(of_data: str | None, of_corpus: str | None, otherwise: list[str]) -> list[str]:
    recordings = of_data or of_corpus
    if recordings is None:
        return otherwise
    folders = (Path(recordings) / "foreground").iterdir()
    return sorted(path.name for path in folders if path.is_dir() and not path.name.startswith("."))
