"""Answers about recordings as a table in a terminal."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from timepro_lit.events.voting import Voting
from timepro_lit.files.visible_text import visible
from timepro_lit.inference.listener import events_of
from timepro_lit.records import Answer


def table(
    answers: Sequence[Answer],
    faults: Mapping[str, str],
    num_files: int,
    path: Path,
    left_out: Path,
    voting: Voting | None = None,
) -> str:
    """A row an event, then how it was voted, and the recordings that were left out, by name and fault.

    `path` is the file of the answers, `left_out` that of the faults.
    """
    shown = Table(box=box.SIMPLE_HEAD)
    asked = any(answer.example.query for answer in answers)
    columns = ["recording", *(["query"] if asked else []), "onset", "offset", *(["votes"] if voting else []), "sound"]
    for column in columns:
        shown.add_column(column, justify="right" if column in ("onset", "offset", "votes") else "left")
    for answer in answers:
        head = [_on_a_line(text) for text in (answer.example.audio, *([answer.example.query or ""] if asked else []))]
        for event in events_of(answer):
            flag = "" if event.flag is None else f" ({event.flag})"
            times = [f"{event.onset:.2f}", f"{event.offset:.2f}"]
            votes = [f"{100 * (event.score or 0):.0f}%"] if voting else []
            cells = [*head, *times, *votes, _on_a_line(event.label)[:60] + flag]
            shown.add_row(*(Text(cell) for cell in cells))
            head = [""] * len(head)
        if not answer.prediction.events:
            first = answer.windows[0] if answer.windows else answer
            text = first.voters[0].text if first.voters else first.text
            said = "nothing" if answer.prediction.readable else f"unreadable: {visible(text, 60)}"
            shown.add_row(*(Text(cell) for cell in [*head, "", "", *([""] if voting else []), said]))
    text = io.StringIO()
    console = Console(file=text, width=110)
    console.print(shown)
    if voting:
        console.print(Text(f"voted: {voting}"), soft_wrap=True)
    for fault in faults.values():
        console.print(Text(f"left out: {_on_a_line(fault)}"), soft_wrap=True)
    if faults:
        said = f"{len(faults)} of {num_files} recordings were left out: {left_out}"
        console.print(Text(said), soft_wrap=True)
    console.print(Text(f"answers: {path}"), soft_wrap=True)
    return text.getvalue()


def _on_a_line(text: str) -> str:
    return " ".join(visible(text).split())
