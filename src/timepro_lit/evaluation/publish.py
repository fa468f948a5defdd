"""What a reader gets of one run: report.json, report.html and the table."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from timepro_lit.data.audio import read_place
from timepro_lit.data.streaming import blocks_of
from timepro_lit.evaluation.numbers import Trained, figures_of
from timepro_lit.figures.run_report import write_report
from timepro_lit.figures.table import TEST, results_table
from timepro_lit.files.atomic import write_atomically
from timepro_lit.files.json_object import defined
from timepro_lit.files.sealing import sealed
from timepro_lit.metrics.suite import Scores
from timepro_lit.records import RunDescription
from timepro_lit.tasks.base import ScoredTask

_DATE = ("log", "-1", "--format=%cs")


def report_of(
    rows: Mapping[str, Mapping[str, Scores]],
    tasks: Mapping[str, ScoredTask],
    described: RunDescription,
    note: str | None = None,
    reused: Sequence[str] = (),
    split: str = TEST,
) -> dict[str, Any]:
    """The content of report.json: the figures of the rows, and what they are figures of.

    `note` is what a reader of scores on this `split` must know, `reused` what of it other code made.
    """
    run = {
        "name": described.name,
        "scale": described.scale,
        "model": described.model,
        "seeds": list(described.seeds),
        "code": code_version(),
        **({"reused": list(reused)} if reused else {}),
    }
    named = {row.key: {"name": row.name, "short": row.short, "about": row.about} for row in described.rows}
    base = described.rows[0].key
    return {
        "run": run,
        "tasks": cards(tasks),
        "stages": {key: row for key, row in named.items() if key != base},
        "rows": {key: row for key, row in named.items() if key in rows},
        **figures_of({key: _once(scores) for key, scores in rows.items()}, tasks),
        **({} if note is None else {"note": note}),
        **({} if split == TEST else {"split": split}),
    }


def table_of(report: Mapping[str, Any]) -> str:
    """The table as text."""
    text = io.StringIO()
    Console(file=text, width=100).print(results_table(report))
    return text.getvalue()


def publish(directory: Path, report: Mapping[str, Any]) -> Path:
    """Write report.json and report.html; returns the page."""
    write_atomically(directory / "report.json", sealed(defined(report)))
    return write_report(directory, read_place, blocks_of)


def code_version() -> str:
    """Of this package: its version and, in a checkout, the commit and its date.

    For example "timepro_lit 0.1.0 at 435137d-dirty of 2026-11-27".
    """
    said = f"timepro_lit {version('timepro_lit')}"
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return said
    try:
        return f"{said} at {_git(root, 'describe', '--always', '--dirty', '--exclude=*')} of {_git(root, *_DATE)}"
    except (OSError, subprocess.SubprocessError):
        return said


def codes_of(runs: Iterable[Path]) -> list[str]:
    """What code made runs that are at their end, by their own reports: each once, as `code_version` says it."""
    return sorted({json.loads((run / "report.json").read_text())["run"]["code"] for run in runs})


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()


def cards(tasks: Mapping[str, ScoredTask]) -> dict[str, Any]:
    """What tasks say of themselves, for tables and pages."""
    names = ("title", "takes_query", "classes", "headline", "watched", "clip_score")
    return {key: {name: getattr(task, name) for name in names} for key, task in tasks.items()}


def _once(scores: Mapping[str, Scores]) -> Trained:
    return Trained({task: [of_task] for task, of_task in scores.items()})
