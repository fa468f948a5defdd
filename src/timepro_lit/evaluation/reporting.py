"""A report over many runs: report.json, report.html, the table in the formats that papers and programs want."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from timepro_lit.data.audio import read_place
from timepro_lit.data.streaming import blocks_of
from timepro_lit.evaluation.answers import PREDICTIONS, read_answers, write_lines
from timepro_lit.evaluation.comparison import compared
from timepro_lit.evaluation.gathering import Evaluated, is_run
from timepro_lit.evaluation.layouts import Layout, Line
from timepro_lit.evaluation.numbers import ALL_TASKS
from timepro_lit.evaluation.publish import cards, code_version
from timepro_lit.evaluation.systems import System, systems_of, tables_of
from timepro_lit.figures.comparison import ShownRow, comparison_page
from timepro_lit.figures.formats import WRITERS
from timepro_lit.figures.run_report import read_curves
from timepro_lit.figures.table import comparison_table, results, results_table
from timepro_lit.files.atomic import write_atomically
from timepro_lit.files.fragments import without_fragment
from timepro_lit.files.json_object import defined
from timepro_lit.files.sealing import sealed
from timepro_lit.runs.origin import read_record
from timepro_lit.tasks.base import ScoredTask

TITLES: Mapping[Layout, str] = {"table1": "Table 1", "table3": "Table 3"}
_MAX_ACROSS = 4
"""Rows of a table that stand side by side in a terminal."""
_WIDE = 170
"""Columns of a terminal: no interval is cut off."""


@dataclass(frozen=True)
class Wish:
    """How a report is to look."""

    layout: Layout = "free"
    quoted: bool = True
    """With the paper's own figures, where the layout is one of its tables."""
    baseline: str | None = None


def report_over(evaluated: Sequence[Evaluated], directory: Path, wish: Wish) -> str:
    """Write a report of all models that may stand in one table, each in a folder of its own; returns the tables.

    Raises ValueError where no model was evaluated, or the wish cannot be met by any table.
    """
    if not evaluated:
        raise ValueError("runs: none of them has an evaluation")
    if within := next((place for place in (directory, *directory.parents) if is_run(place)), None):
        raise ValueError(f"output_dir: {directory} lies in the run {within}, which has a report of its own")
    tables = tables_of(evaluated)
    for name in ("report.json", "report.html", *WRITERS) if len(tables) > 1 else ():
        (directory / name).unlink(missing_ok=True)  # of an earlier call, when all stood in one table
    names = _names(tables)
    texts, faults = [], []
    for name, members in zip(names, tables, strict=True):
        try:
            texts.append(_one(members, directory / name if len(tables) > 1 else directory, wish))
        except ValueError as error:
            if len(tables) == 1:
                raise
            faults.append(f"{name}: {error}\n")
    if not texts:
        raise ValueError("; ".join(fault.strip() for fault in faults))
    apart = f"{len(tables)} tables, since these are not to be compared: {', '.join(names)}\n" if len(tables) > 1 else ""
    return apart + "\n".join([*texts, *faults])


def _names(tables: Sequence[Sequence[Evaluated]]) -> list[str]:
    """Of each table its scale, and the tasks that it is of; numbered where that is not enough."""
    said = []
    for members in tables:
        scale = next((one.method.scale for one in members if one.method), "others")
        tasks = dict.fromkeys(task for one in members for task in one.scores if task != ALL_TASKS)
        said.append("-".join([scale, *tasks]))
    return [name if said.count(name) == 1 else f"{name}-{said[: n + 1].count(name)}" for n, name in enumerate(said)]


def _one(members: Sequence[Evaluated], directory: Path, wish: Wish) -> str:
    """The report of one table; returns it for a terminal."""
    systems = systems_of(members)
    tasks = _tasks(members)
    found, lines, outside = compared(systems, tasks, wish.layout, wish.quoted, wish.baseline)
    notes = _noted(members, "note")
    report = {
        "run": _run(systems, wish.layout) | {"reused": _noted(members, "reused")},
        "tasks": cards(tasks),
        "stages": {},
        **found,
        **({"note": "; ".join(notes)} if notes else {}),
    }
    write_atomically(directory / "report.json", sealed(defined(report)))
    for name, write in WRITERS.items():
        write_atomically(directory / name, write(results(report)))
    page = directory / "report.html"
    with TemporaryDirectory() as anew:
        rows = [_shown(line, Path(anew, str(number))) for number, line in enumerate(lines)]
        write_atomically(page, comparison_page(report, rows, directory, read_place, blocks_of))
    text = io.StringIO()
    small = len(lines) <= _MAX_ACROSS and wish.layout == "free" and wish.baseline is None
    Console(file=text, width=100 if small else _WIDE).print((results_table if small else comparison_table)(report))
    if outside:
        text.write(f"no row of {wish.layout}: {', '.join(system.short for system in outside)}\n")
    return f"{text.getvalue()}page: {page}\nbeside it: report.json, {', '.join(WRITERS)}\n"


def _tasks(members: Sequence[Evaluated]) -> dict[str, ScoredTask]:
    """Those that were scored, in the order of the runs' settings."""
    known: dict[str, ScoredTask] = {}
    for one in members:
        for name, task in one.tasks.items():
            if name in one.scores:
                known.setdefault(name, task)
    return known


def _run(systems: Sequence[System], layout: Layout) -> dict[str, Any]:
    methods = [system.method for system in systems if system.method]
    experiments = list(dict.fromkeys(method.experiment for method in methods))
    name = experiments[0] if len(experiments) == 1 else f"{len(experiments)} experiments"
    return {
        "name": TITLES.get(layout, name),
        "scale": next((method.scale for method in methods), None),
        "model": ", ".join(dict.fromkeys(method.model for method in methods)),
        "seeds": sorted({seed for system in systems for seed in system.seeds}),
        "code": code_version(),
    }


def _noted(members: Sequence[Evaluated], key: str) -> list[str]:
    """What the runs' own reports say that a reader must know, each once."""
    found: dict[str, None] = {}
    for run in dict.fromkeys(one.run for one in members if one.run):
        report = read_record(run / "report.json") or {}
        said = report.get("note") if key == "note" else report.get("run", {}).get(key)
        found |= dict.fromkeys([said] if isinstance(said, str) else said or [])
    return list(found)


def _shown(line: Line, anew: Path) -> ShownRow:
    """What a page needs; answers that were read anew lie in the folder `anew`, which does not exist yet."""
    if line.system is None:
        return ShownRow(line.name, None, {})
    first, method = line.system.trainings[0], line.system.method
    if first.read_anew:
        _write_anew(first, anew)
    answers = (anew if first.read_anew else first.folder) / PREDICTIONS
    paths = {key: [one.run / key / "metrics.csv" for one in line.system.trainings if one.run]
             for key in (method.stage_keys if method else ())}  # fmt: skip
    curves = {key: [read_curves(path) for path in found if path.is_file()] for key, found in paths.items()}
    return ShownRow(line.name, answers if answers.exists() else None, {k: c for k, c in curves.items() if c})


def _write_anew(one: Evaluated, folder: Path) -> None:
    """Its answers as its scores have them; the folder of a run stays as it is."""
    with (one.folder / PREDICTIONS).open("rb") as lines:
        places = {row["clip"]: without_fragment(row["audio"])[0] for row in map(json.loads, lines)}
    folder.mkdir()
    write_lines(folder, read_answers(one.folder, one.tasks), one.scores, places.__getitem__)
