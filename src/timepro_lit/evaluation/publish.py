"""What a reader gets: report.json, report.html and the table, of one run or of several seeds."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from timepro_lit.data.audio import read_audio
from timepro_lit.evaluation.answers import is_complete, read_answers
from timepro_lit.evaluation.numbers import figures_of, pool, scores_by_task
from timepro_lit.figures.run_report import write_report
from timepro_lit.figures.table import results_table
from timepro_lit.files.atomic import write_atomically
from timepro_lit.files.sealing import read_sealed, sealed
from timepro_lit.metrics.suite import Scores
from timepro_lit.records import RunDescription
from timepro_lit.runs.directory import Run
from timepro_lit.tasks.base import ScoredTask

_DATE = ("log", "-1", "--format=%cs")


def report_of(
    rows: Mapping[str, Mapping[str, Scores]],
    tasks: Mapping[str, ScoredTask],
    described: RunDescription,
    note: str | None = None,
    reused: Sequence[str] = (),
) -> dict[str, Any]:
    """The content of report.json: the figures of the rows, and what they are figures of.

    `note` is what a reader of scores on this test split must know, `reused` what of it other code made.
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
        "tasks": {name: _card(task) for name, task in tasks.items()},
        "stages": {key: row for key, row in named.items() if key != base},
        "rows": {key: row for key, row in named.items() if key in rows},
        **figures_of(rows, tasks),
        **({} if note is None else {"note": note}),
    }


def table_of(report: Mapping[str, Any]) -> str:
    """The table as text."""
    text = io.StringIO()
    Console(file=text, width=100).print(results_table(report))
    return text.getvalue()


def publish(directory: Path, report: Mapping[str, Any]) -> Path:
    """Write report.json and report.html; returns the page."""
    write_atomically(directory / "report.json", sealed(report))
    return write_report(directory, read_audio)


def pooled_report(
    runs: Sequence[Path], directory: Path, tasks: Mapping[str, ScoredTask], described: RunDescription
) -> str:
    """One report over runs that differ in their seed: sums over all seeds, bootstrap over clips; returns the table.

    The clips to listen to and the curves are those of the first run. Raises ValueError where a run lacks a row, or a
    file of it is damaged.
    """
    rows = [row.key for row in described.rows if is_complete(_evaluation(runs[0], row.key))]
    if not rows:
        raise ValueError(f"{runs[0]} has no evaluation")
    seeds: dict[str, list[dict[str, Scores]]] = {row: [] for row in rows}
    for run in runs:
        if (path := Run(run).damaged("evaluation/*", "*/metrics.csv")) is not None:
            raise ValueError(f"{path} is missing or damaged: the command that made the run makes it again")
        for row in rows:
            if not is_complete(_evaluation(run, row)):
                raise ValueError(f"{run} has no whole evaluation of {row}")
            seeds[row].append(scores_by_task(read_answers(_evaluation(run, row), tasks), tasks))
    reports = [read_sealed(run / "report.json") if (run / "report.json").exists() else {} for run in runs]
    reused = dict.fromkeys(note for report in reports for note in report.get("run", {}).get("reused", ()))
    pooled = {row: pool(of_row) for row, of_row in seeds.items()}
    report = report_of(pooled, tasks, described, reports[0].get("note"), list(reused))
    for name in ("evaluation", *report["stages"]):
        if (runs[0] / name).exists():
            link(directory / name, runs[0] / name)
    return f"{table_of(report)}page: {publish(directory, report)}\n"


def link(place: Path, target: Path) -> None:
    """A relative link, which survives a move of both."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(os.path.relpath(target.resolve(), place.parent.resolve()))


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


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()


def _evaluation(run: Path, row: str) -> Path:
    return run / "evaluation" / row


def _card(task: ScoredTask) -> dict[str, Any]:
    names = ("title", "takes_query", "classes", "headline", "watched", "clip_score")
    return {name: getattr(task, name) for name in names}
