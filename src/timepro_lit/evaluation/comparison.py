"""The content of a report over many runs: rows by method, means over seeds, differences, and the paper's figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from timepro_lit.evaluation.layouts import Layout, Line, laid_out
from timepro_lit.evaluation.numbers import Trained, figures_of
from timepro_lit.evaluation.quoted import COLUMNS
from timepro_lit.evaluation.systems import System
from timepro_lit.tasks.base import ScoredTask


def compared(
    systems: Sequence[System],
    tasks: Mapping[str, ScoredTask],
    layout: Layout = "free",
    quoted: bool = True,
    baseline: str | None = None,
) -> tuple[dict[str, Any], list[Line], list[System]]:
    """Rows and figures of report.json, its lines, and the systems that have no place in the layout.

    Differences are to the next row above that has the same base model, or to `baseline`, a row's name or the system it
    stands for. Raises ValueError where there is no such row.
    """
    lines, outside = laid_out(systems, layout, quoted)
    rows = {line.name: line.system.trained for line in lines if line.system is not None}
    if not rows:
        raise ValueError(f"layout: no run has a row of {layout}; layout=free shows all of them")
    pairs = _to_baseline(lines, baseline) if baseline else _to_row_above(lines)
    figures = figures_of(rows, tasks, [pair for pair in pairs if _share(rows, *pair)])
    figures["scores"] = {line.name: _scores(line, figures["scores"]) for line in lines}
    named = {
        line.name: {
            "name": line.system.name if line.system and layout == "free" else line.name,
            "short": line.name,
            "about": line.about,
            "kind": line.kind,
            "seeds": list(line.system.seeds) if line.system else [],
        }
        for line in lines
    }
    return {"rows": named, "layout": layout, **figures}, lines, outside


def _to_row_above(lines: Sequence[Line]) -> list[tuple[str, str]]:
    pairs, above = [], {}
    for line in lines:
        if line.kind == "ours":
            pairs += [(line.name, above[_model(line)])] if _model(line) in above else []
            above[_model(line)] = line.name
    return pairs


def _to_baseline(lines: Sequence[Line], baseline: str) -> list[tuple[str, str]]:
    trained = [line for line in lines if line.system is not None]
    chosen = [line for line in trained if baseline in _names(line)]
    if len(chosen) != 1:
        which = "is none of" if not chosen else "is the name of several of"
        raise ValueError(f"baseline: {baseline} {which} the rows {', '.join(line.name for line in trained)}")
    return [(line.name, chosen[0].name) for line in trained if line is not chosen[0]]


def _names(line: Line) -> list[str]:
    method = line.system.method if line.system else None
    own = [line.name, line.system.short if line.system else line.name]
    return own if method is None else [*own, method.experiment] if method.stages else own


def _model(line: Line) -> str | None:
    return line.system.method.model if line.system and line.system.method else None


def _share(rows: Mapping[str, Trained], later: str, earlier: str) -> bool:
    return bool(rows[later].scores.keys() & rows[earlier].scores.keys())


def _scores(line: Line, scores: Mapping[str, Any]) -> dict[str, Any]:
    if line.quoted is None:
        return dict(scores.get(line.name, {}))
    found: dict[str, Any] = {}
    for (task, metric), figure in zip(COLUMNS, line.quoted, strict=True):
        if figure is not None:
            found.setdefault(task, {})[metric] = figure
    return found
