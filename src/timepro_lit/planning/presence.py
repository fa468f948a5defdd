"""A list of what a run needs: there, missing, or on another machine that was not asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from timepro_lit.planning.page import drawn


@dataclass(frozen=True, slots=True)
class Item:
    """Something that a run needs."""

    name: str
    there: bool | None
    """None where it cannot be told without asking another machine."""
    said: str
    """Where it is, or what to do."""


def listing(items: Iterable[Item]) -> str:
    """The list as text, what is missing first."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for item in sorted(items, key=lambda one: one.there is not False):
        word = {True: "there", False: "MISSING", None: "not asked"}[item.there]
        table.add_row(word, Text(item.name), Text(item.said))  # whose brackets are no markup
    return drawn(table)
