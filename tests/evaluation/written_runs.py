"""Runs as they lie on disk, with the settings that the command line makes, and a table over them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from timepro_lit.evaluation.answers import write_evaluation
from timepro_lit.evaluation.numbers import scores_by_task
from timepro_lit.evaluation.over_runs import report_over_runs
from timepro_lit.evaluation.reporting import Wish
from timepro_lit.records import Answer, Event, Example
from timepro_lit.runs.config_file import write_config
from timepro_lit.runs.determinants import grounds_of_scores
from timepro_lit.runs.origin import Origin
from timepro_lit.settings.config import tasks_of
from timepro_lit.settings.schemas import CONF, register
from timepro_lit.settings.stored import to_store

EXAMPLES = [Example(f"q{n}", "ag", f"{n}.flac", 4.0, (Event(1.0, 2.0, "a dog"),), "a dog") for n in range(4)]
RIGHT, WRONG = "[1.00, 2.00]", "[3.00, 4.00]"
ROW = {"zero_shot": "zero_shot", "ablation_eb_f1_only": "grpo", "ablation_adaptive": "grpo"}


@pytest.fixture(autouse=True, scope="module")
def hydra_at_conf() -> Iterator[None]:
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


@cache
def settings(experiment: str, seed: int, *overrides: str) -> dict[str, Any]:
    chosen = [f"+experiment={experiment}", "task=ag", f"seed={seed}", f"name={experiment}", *overrides]
    return to_store(compose("train", chosen))


def write_run(
    folder: Path, experiment: str, seed: int, right: int, *overrides: str, row: str = "", examples: Any = EXAMPLES
) -> Path:
    """A run whose last model answers the first `right` of the questions."""
    stored = settings(experiment, seed, *overrides)
    tasks = tasks_of(stored)
    texts = [RIGHT if n < right else WRONG for n in range(len(examples))]
    answers = [
        Answer(e, "When?", text, tasks["ag"].parse(text), False) for e, text in zip(examples, texts, strict=True)
    ]
    place = folder / "evaluation" / (row or ROW.get(experiment, "sft"))
    place.parent.mkdir(parents=True, exist_ok=True)
    scoring = grounds_of_scores(stored["task"])
    write_evaluation(place, answers, scores_by_task(answers, tasks), str, {}, Origin({}, {}), scoring)
    write_config(folder, stored)
    return folder


def reported(tmp_path: Path, *arguments: Path | str, **wish: Any) -> tuple[str, dict[str, Any]]:
    table = report_over_runs([str(a) for a in arguments], tmp_path / "report", Wish(**wish))
    return table, json.loads((tmp_path / "report" / "report.json").read_text())
