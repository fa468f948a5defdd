"""Reading the comma- and tab-separated files of public corpora, a row at a time, with one sentence for each fault."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from timepro_lit.data.corpora.json_files import Fault
from timepro_lit.files.text_file import opened_text

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,9}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,2})?")


def rows(
    path: Path, columns: Sequence[str], delimiter: str = ",", has_header: bool = True
) -> Iterator[tuple[str, dict[str, str]]]:
    """(file:line, column -> cell) of each row, cells without outer spaces; empty lines are passed over.

    Comma-separated cells may be quoted, tab-separated ones are as they stand. Raises ValueError naming file and line
    where a column is missing, a row has fewer cells than columns, or the text cannot be read.
    """
    quoting = csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE
    with opened_text(path, newline="") as file:
        lines = csv.reader(file, delimiter=delimiter, quoting=quoting)
        try:
            header = [cell.strip() for cell in next(lines, [])] if has_header else list(columns)
            if missing := [name for name in columns if name not in header]:
                said = ", ".join(columns)
                raise ValueError(f"{path}:1: column {missing[0]!r} is missing; the first line must name {said}")
            places = [header.index(name) for name in columns]
            for cells in lines:
                if not any(cell.strip() for cell in cells):
                    continue
                where = f"{path}:{lines.line_num}"
                if len(cells) <= max(places):
                    raise ValueError(f"{where}: has {len(cells)} cells, and not {', '.join(columns)}")
                yield where, {name: cells[place].strip() for name, place in zip(columns, places, strict=True)}
        except csv.Error as error:
            raise ValueError(f"{path}:{lines.line_num}: cannot be read: {error}") from None
        except UnicodeDecodeError as error:  # before the line is counted
            raise ValueError(f"{path}:{lines.line_num + 1}: cannot be read: {error}") from None


def seconds(cell: str, name: str) -> float:
    """A cell as a number of seconds, which may be below 0. Raises Fault for all else: NaN, 1,5, 1_000, 00:05.

    >>> seconds("12.5", "onset")
    12.5
    """
    if not _NUMBER.fullmatch(cell):
        raise Fault(f"{name} is {cell!r:.80}, not a number of seconds")
    return float(cell)
