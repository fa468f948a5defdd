"""What became of a prepared corpus, beside the paper's Table 2, for the terminal."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

PAPER = {
    "ag": {"train": 61_862, "test": 483},
    "sed": {"train": 15_041, "test": 1_153},
    "dac": {"train": 92_443, "test": 741},
}
"""Questions in the paper's Table 2; its train is our train and val together."""
PAPERS_CORPORA = ("ftar", "desed")


def counts_text(counts: Mapping[str, Any]) -> str:
    """The tables of a corpus' counts, as `timepro_lit.data.preparation.prepare` returns them."""
    text = io.StringIO()
    console = Console(file=text, width=100)
    console.print(_examples(counts))
    if counts["note"]:
        console.print(Text(f"test: {counts['note']}"))
    if "none" in counts:
        said = ", ".join(f"{n:,} in {split}" for split, n in counts["none"].items())
        console.print(Text(f"questions whose answer is none: {said} (windows of up to {counts['window_s']:g} s)"))
    if counts["dropped"]:
        console.print(_dropped(counts["dropped"]))
    limit, long_answers = counts["max_answer_tokens"], counts["long_answers"]
    if long_answers is None:
        console.print(Text("answers were not counted in tokens: give tokenizer=FOLDER_OR_NAME"))
    else:
        said = ", ".join(f"{n:,} in {split}" for split, n in long_answers.items()) or "none"
        console.print(Text(f"answers of more than {limit} tokens: {said}"))
    return text.getvalue()


def _examples(counts: Mapping[str, Any]) -> Table:
    splits = sorted(
        counts["examples"],
        key=lambda name: ("train", "val", "test").index(name) if name in ("train", "val", "test") else 3,
    )
    papers = counts["corpus"] in PAPERS_CORPORA
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("questions")
    for split in splits:
        table.add_column(split, justify="right")
    for name in ("paper's train", "paper's test") if papers else ():
        table.add_column(name, justify="right", style="dim")
    tasks = sorted({task for of_split in counts["examples"].values() for task in of_split})
    for task in tasks:
        cells = [f"{counts['examples'][split].get(task, 0):,}" for split in splits]
        paper = [f"{PAPER[task][split]:,}" for split in ("train", "test")] if papers and task in PAPER else []
        table.add_row(task, *cells, *paper)
    return table


def _dropped(dropped: Mapping[str, Mapping[str, int]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    tasks = sorted({task for of_reason in dropped.values() for task in of_reason})
    table.add_column("not taken over")
    for task in tasks:
        table.add_column(task, justify="right")
    for reason, of_reason in dropped.items():
        table.add_row(Text(reason), *(f"{of_reason.get(task, 0):,}" for task in tasks))
    return table
