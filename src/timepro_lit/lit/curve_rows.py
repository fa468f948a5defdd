"""Rows of the CSV file that a run's logger writes, over several attempts at a stage."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

Row = dict[str, str]


def read_rows(path: Path) -> list[Row]:
    """The rows of a file, none where there is no file; a last line that a kill has torn is left out."""
    return parse_rows(path.read_text(encoding="utf-8")) if path.exists() else []


def parse_rows(text: str) -> list[Row]:
    """The rows of CSV, without empty fields."""
    rows = [{column: value for column, value in row.items() if column and value} for row in _reader(text)]
    return [row for row in rows if row.get("step", "").isdigit()]


def rows_before(rows: Iterable[Row], step: int, validation_is_due: bool) -> list[Row]:
    """What was logged until so many optimiser steps were done, and what a validation then due will log left out."""

    def is_kept(row: Row) -> bool:
        validates = any(column.startswith("val/") for column in row)
        return int(row["step"]) < (step - 1 if validates and validation_is_due else step)

    return [row for row in rows if is_kept(row)]


def text_of(rows: Iterable[Row]) -> str:
    """Rows as CSV."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, sorted({column for row in rows for column in row}), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _reader(text: str) -> csv.DictReader[str]:
    return csv.DictReader(io.StringIO(text, newline=""))
