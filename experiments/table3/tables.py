"""results.json as the tables of README.md, and its learning curves as curves.png beside it.

python experiments/table3/tables.py experiments/table3/results.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from matplotlib.figure import Figure

from timepro_lit.figures.formats import markdown_row
from timepro_lit.files.atomic import replacing

COLUMNS = (("ag", "mIoU"), ("ag", "R@0.7"), ("ag", "R@0.9"), ("sed", "Eb-F1"), ("dac", "METEOR"), ("dac", "Eb-F1"))
BESIDE = (("ag", "mIoU"), ("ag", "R@0.9"), ("sed", "Eb-F1"), ("dac", "METEOR"), ("dac", "Eb-F1"))
TASKS = ("ag", "sed", "dac")
DRAWN = (("ag", "mIoU"), ("sed", "Eb-F1"), ("dac", "Eb-F1"))


def lines_of(found: Mapping[str, Any]) -> Iterator[str]:
    """The tables as lines of Markdown: rows, claims, differences, curves of SFT, what has settled, and attention."""
    yield from _table(
        ("row", *(f"{task.upper()} {metric}" for task, metric in COLUMNS)),
        [(name, *(_score(row, task, metric) for task, metric in COLUMNS)) for name, row in found["rows"].items()],
    )
    yield from _table(
        ("claim", *(f"{task.upper()} {metric}" for task, metric in (*DRAWN, ("dac", "METEOR"))), "verdict"),
        [(claim["says"], *_differences(claim), f"**{claim['verdict']}**") for claim in found["claims"]],
    )
    yield from _table(
        ("difference", *(f"{task.upper()} {metric}" for task, metric in BESIDE)),
        [
            (pair, *(_difference(of[f"{task}/{metric}"]) for task, metric in BESIDE))
            for pair, of in found["differences"].items()
        ],
    )
    yield from _table(
        ("% of groups without signal", *map(str.upper, TASKS)),
        [(name, *(f"{of[task]:.1f}" for task in TASKS)) for name, of in found["without_signal"].items()],
    )
    for task, metric in DRAWN:
        curves = {name: of["sft"][f"val/{task}/{metric}"] for name, of in found["curves"].items() if set(of) == {"sft"}}
        steps = [step for step, *_ in next(iter(curves.values()))]
        rows = [(name, *(f"{point[1]:.1f}" for point in curve)) for name, curve in curves.items()]
        yield from _table((f"{task.upper()} {metric} after", *(f"{step:,.0f}" for step in steps)), rows)
    if found["settling"]:
        yield from _table(
            ("the baseline, in validation", "half of the steps", "all", "difference"),
            [
                (_title(key), f"{mean(of['half']):.1f}", f"{mean(of['whole']):.1f}", f"{of['difference']:+.1f}")
                for key, of in found["settling"]["validation"].items()
            ],
        )
    if attention := found["attention"]:
        layers = range(len(next(iter(attention["rows"].values()))["shares"]))
        yield from _table(
            (f"% of timestamp attention within {attention['within_s']} s of a boundary",
             *(f"layer {layer}" for layer in layers), "AG mIoU"),
            [("chance", *[f"{attention['chance']:.1f}"] * len(layers), "")]
            + [
                (f"{name}, seed {row['seed']}", *(f"{share:.1f}" for share in row["shares"]), f"{row['ag/mIoU']:.1f}")
                for name, row in attention["rows"].items()
            ],
        )  # fmt: skip


def picture(curves: Mapping[str, Any]) -> Figure:
    """Validation of the SFT rows over their steps: each seed thin, their mean thick."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    for axes, (task, metric) in zip(figure.subplots(1, len(DRAWN)), DRAWN, strict=True):
        axes.set(title=f"{task.upper()} {metric}, validation", xlabel="SFT steps")
        axes.grid(alpha=0.3)
        rows = {name: of["sft"][f"val/{task}/{metric}"] for name, of in curves.items() if set(of) == {"sft"}}
        for n, (name, points) in enumerate(rows.items()):
            steps, means, *seeds = zip(*points, strict=True)
            axes.plot(steps, means, color=f"C{n}", linewidth=2, marker="o", markersize=4, label=name)
            for values in seeds:
                axes.plot(steps, values, color=f"C{n}", linewidth=0.6, alpha=0.5)
        axes.legend(fontsize=8, loc="lower right")
    return figure


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for cells in (head, ["---"] * len(head), *rows):
        yield markdown_row(cells)
    yield ""


def _score(row: Mapping[str, Any], task: str, metric: str) -> str:
    low, high = row["intervals"][task][metric]
    return f"{row['scores'][task][metric]:.1f} ({low:.1f} to {high:.1f})"


def _differences(claim: Mapping[str, Any]) -> Iterator[str]:
    for task, metric in (*DRAWN, ("dac", "METEOR")):
        yield _difference(claim["differences"].get(f"{task}/{metric}"))


def _title(key: str) -> str:
    task, metric = key.split("/", 1)
    return f"{task.upper()} {metric}"


def _difference(of: Mapping[str, Any] | None) -> str:
    return "" if of is None else f"{of['difference']:+.1f} ({of['interval'][0]:.1f} to {of['interval'][1]:.1f})"


if __name__ == "__main__":
    place = Path(sys.argv[1])
    results = json.loads(place.read_text())
    print("\n".join(lines_of(results)), end="")
    with replacing(place.with_name("curves.png")) as file:
        picture(results["curves"]).savefig(file, format="png", dpi=120)
