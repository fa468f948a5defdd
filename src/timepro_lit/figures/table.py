"""The results of a run as rows and cells, and as a table for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

TEST = "test"
"""The split that figures are of where nothing else is said."""
MARKS = {"other": " †", "missing": " (missing)"}
"""Kind of a row -> what stands behind its name."""
KINDS = {
    "other": "† another system, whose answers were scored",
    "quoted": "quoted: the paper's own figures, on its data and models",
    "missing": "missing: no run has this row",
}
"""What the marks of a row mean."""
MINUS = "\N{MINUS SIGN}"
EN_DASH = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Column:
    """One metric of the results table."""

    task: str
    """Name of the task; empty for a figure over all tasks."""
    metric: str
    """Its key in report.json."""
    group: str
    """The task in words."""

    @property
    def label(self) -> str:
        """The metric in words."""
        return self.metric.replace("_", " ").capitalize() if self.metric.islower() else self.metric

    @property
    def heading(self) -> str:
        """Task and metric together, e.g. "AG mIoU"."""
        return f"{self.task.upper()} {self.label}".strip()


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure in percent (or percentage points) with its 95% interval; nan where it does not exist."""

    value: float
    interval: tuple[float, float] | None = None
    is_difference: bool = False

    @property
    def direction(self) -> int:
        """1 or -1 for a difference whose interval lies above or below zero, else 0."""
        if not self.is_difference or self.interval is None:
            return 0
        low, high = self.interval
        return int(low > 0) - int(high < 0)

    @property
    def value_text(self) -> str:
        """Such as "71.7", "+3.4" or an en dash.

        >>> Cell(71.68).value_text, Cell(3.42, is_difference=True).value_text
        ('71.7', '+3.4')
        """
        return _number(self.value, signed=self.is_difference)

    @property
    def interval_text(self) -> str:
        """Such as "68.2–74.9", of a difference "−0.3 to 5.2"; empty where there is no interval."""
        bounds = [_number(bound, signed=False) for bound in self.interval or ()]
        return (" to " if self.is_difference else EN_DASH).join(bounds)


@dataclass(frozen=True, slots=True)
class ResultRow:
    """The cells of one row, or of the difference of two, in the order of the table's columns."""

    name: str
    short: str
    cells: tuple[Cell, ...]
    is_difference: bool = False
    kind: str = "ours"
    """ours, other (a system whose answers were scored), quoted (from the paper) or missing."""
    num_seeds: int = 0
    """Trainings of which the cells are means; 0 where nothing was trained here."""


@dataclass(frozen=True, slots=True)
class Results:
    """Everything a results table shows."""

    columns: tuple[Column, ...]
    rows: tuple[ResultRow, ...]
    test_examples: str
    """How many the figures are of, in words."""
    note: str | None = None
    """What a reader of these numbers must know."""


def results(report: Mapping[str, Any]) -> Results:
    """The rows of `report` (the content of report.json, in percent), then the paired differences.

    Columns that no row has are left out. Raises ValueError where the report holds no row.
    """
    rows, scores, intervals = (report.get(key, {}) for key in ("rows", "scores", "intervals"))
    if not rows:
        raise ValueError("the report holds no row")
    columns = tuple(c for c in _columns(report) if any(math.isfinite(_value(scores[key], c)) for key in rows))
    found = [
        ResultRow(
            row["name"],
            row["short"],
            tuple(_cell(scores[key], intervals.get(key, {}), c) for c in columns),
            kind=row.get("kind", "ours"),
            num_seeds=len(row.get("seeds", ())),
        )
        for key, row in rows.items()
    ]
    neighbours = [(later, earlier) for earlier, later in pairwise(rows)]  # which older reports have, and say nothing of
    for later, earlier in report.get("differences", neighbours):
        between = intervals.get(f"{later} - {earlier}", {})
        gains = [_value(scores[later], c) - _value(scores[earlier], c) for c in columns]
        cells = tuple(
            Cell(gain, _interval(between, c), is_difference=True) for gain, c in zip(gains, columns, strict=True)
        )
        name = f"{rows[later]['short']} {MINUS} {rows[earlier]['short']}"
        found.append(ResultRow(name, name, cells, is_difference=True))
    return Results(
        columns, tuple(found), num_test_in_words(report.get("n_test"), report.get("split", TEST)), report.get("note")
    )


def num_test_in_words(counts: Mapping[str, int] | int | None, split: str = TEST) -> str:
    """How many examples the split has, by task, or in all as older reports have it.

    >>> num_test_in_words({"ag": 1050, "sed": 1168})
    '1,050 AG and 1,168 SED test examples'
    >>> num_test_in_words({"ag": 200, "sed": 200})
    '200 test examples of each task'
    """
    if not counts:
        return f"the {split} clips"
    if isinstance(counts, int):
        return f"{counts:,} {split} examples"
    if len(counts) > 1 and len(set(counts.values())) == 1:
        return f"{next(iter(counts.values())):,} {split} examples of each task"
    *others, last = [f"{count:,} {task.upper()}" for task, count in counts.items()]
    return f"{', '.join(others)} and {last} {split} examples" if others else f"{last} {split} examples"


def _columns(report: Mapping[str, Any]) -> list[Column]:
    tasks = report.get("tasks", {})
    headlines = [Column(name, metric, task["title"]) for name, task in tasks.items() for metric in task["headline"]]
    return [*headlines, Column("", "parse_rate", "All tasks")]


def results_table(report: Mapping[str, Any]) -> Group:
    """The results for a terminal of 80 columns: metrics down, rows and their differences across.

    Every word stands as it is, brackets included.
    """
    found = results(report)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", no_wrap=True, min_width=max(len(column.heading) for column in found.columns))
    for row in found.rows:
        table.add_column(Text(row.short), justify="right")
    for index, column in enumerate(found.columns):
        last_of_task = index + 1 == len(found.columns) or found.columns[index + 1].task != column.task
        table.add_row(Text(column.heading), *(_rich_cell(r.cells[index]) for r in found.rows), end_section=last_of_task)
    # Above and below, not as its title and caption: those would be as narrow as the table.
    return Group(_title(report), table, Text(_caption(found), style="dim"))


def comparison_table(report: Mapping[str, Any]) -> Group:
    """The results of many rows for a wide terminal: rows down, metrics across, then the differences."""
    found = results(report)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", min_width=24)
    table.add_column("seeds", justify="right")
    for column in found.columns:
        table.add_column(Text(column.heading.replace(" ", "\n", 1)), justify="right")
    for number, row in enumerate(found.rows):
        style = {"quoted": "dim italic", "missing": "dim"}.get(row.kind, "")
        name = Text(f"{row.short}{MARKS.get(row.kind, '')}", style=style)
        last = number + 1 == len(found.rows) or found.rows[number + 1].is_difference != row.is_difference
        seeds = str(row.num_seeds or "")
        table.add_row(name, seeds, *(_rich_cell(cell) for cell in row.cells), style=style, end_section=last)
    return Group(_title(report), table, Text(_caption(found), style="dim"))


def _title(report: Mapping[str, Any]) -> Text:
    split = report.get("split", TEST)
    return Text(f"{origin(report)}: results on the {split} clips, in percent".lstrip(": "), style="italic")


def origin(report: Mapping[str, Any]) -> str:
    """Where the figures come from: experiment, scale, model, seeds, version of the code and what other code made.

    Each as far as it is told.

    >>> origin({"run": {"name": "ablation_astp", "scale": "embedded", "model": "tiny_base", "seeds": [1, 2]}})
    'ablation_astp, scale embedded, tiny_base, seeds 1, 2'
    """
    run = report.get("run", {})
    seeds = run.get("seeds", ())
    said = [
        run.get("name"),
        run.get("scale") and f"scale {run['scale']}",
        run.get("model"),
        seeds and f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}",
        run.get("code"),
        *run.get("reused", ()),
    ]
    return ", ".join(part for part in said if part)


def _caption(found: Results) -> str:
    marked = "; * the interval of the difference excludes 0" if any(row.is_difference for row in found.rows) else ""
    note = "" if found.note is None else f"; {found.note}"
    # Over many runs both names begin with the experiment, "ablation_astp: SFT".
    experiments = [f"{row.short.partition(':')[0]}: " for row in found.rows]
    rows = zip(found.rows, experiments, strict=True)
    named = [f"{row.short}: {row.name.removeprefix(of)}" for row, of in rows if row.name != row.short]
    said = f"Below each figure its 95% interval, bootstrap over {drawn(found)}{marked}{note}"
    return "\n".join(filter(None, ("; ".join(named), said, "; ".join(legend(found)))))


def drawn(found: Results) -> str:
    """What the bootstrap draws, in words."""
    seeds = max(row.num_seeds for row in found.rows)
    return f"{found.test_examples}{f' and up to {seeds} seeds, of which a figure is the mean' if seeds > 1 else ''}"


def legend(found: Results) -> list[str]:
    """What the marks mean that rows of these results have."""
    return [meaning for kind, meaning in KINDS.items() if any(row.kind == kind for row in found.rows)]


def _rich_cell(cell: Cell) -> Text:
    style = {1: "bold green", -1: "bold red", 0: ""}[cell.direction]
    text = Text(cell.value_text + ("*" if cell.direction else ""), style=style, no_wrap=True)
    if cell.interval is not None:
        text.append("\n" + cell.interval_text, style="not bold dim")
    return text


def _number(value: float, signed: bool) -> str:
    if not math.isfinite(value):
        return EN_DASH
    text = f"{abs(value):.1f}"
    if text == "0.0":
        return text
    sign = MINUS if value < 0 else "+" if signed else ""
    return sign + text


def _cell(row: Mapping[str, Any], intervals: Mapping[str, Any], column: Column) -> Cell:
    return Cell(_value(row, column), _interval(intervals, column))


def _value(row: Mapping[str, Any], column: Column) -> float:
    value = _entry(row, column)
    return math.nan if value is None else float(value)


def _interval(row: Mapping[str, Any], column: Column) -> tuple[float, float] | None:
    bounds = _entry(row, column)
    if bounds is None or any(bound is None or not math.isfinite(bound) for bound in bounds):
        return None
    return float(bounds[0]), float(bounds[1])


def _entry(row: Mapping[str, Any], column: Column) -> Any:
    return (row.get(column.task, {}) if column.task else row).get(column.metric)
