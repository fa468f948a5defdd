"""The report of a run as one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from timepro_lit.figures.clips import Clip, clip_html
from timepro_lit.figures.curves import Chart
from timepro_lit.figures.layout import html_text
from timepro_lit.figures.long_clips import LONG_S, long_clip_html
from timepro_lit.figures.table import MARKS, TEST, Cell, Column, ResultRow, Results, drawn, legend, origin, results

DEFAULT_TITLE = "When does it happen?"
_GLOSSARY = {
    "mIoU": "overlap of the answered and the true stretch of time, divided by their union, averaged over the clips",
    "R@0.5, R@0.7, R@0.9": "share of clips whose overlap is at least 0.5, 0.7 or 0.9",
    "Eb-F1": "event-based F1: an event counts as found when its onset is within 0.2 s and its offset within 0.2 s or a "
    "fifth of its length (for sound events the class must be right too, and the score is averaged over the classes)",
    "METEOR": "likeness of the captions to the reference captions, 0 to 100 (METEOR 1.5, variant joined: all "
    "captions of a clip in the order of their onsets, as one text)",
    "Parse rate": "share of answers in which an event list could be read; all others score 0",
}


@dataclass(frozen=True, slots=True)
class ClipGroup:
    """Test clips under a heading, and how they were chosen."""

    title: str
    note: str
    clips: Sequence[Clip]


def render_page(
    report: Mapping[str, Any],
    charts: Sequence[Chart],
    groups: Sequence[ClipGroup],
    *,
    title: str = DEFAULT_TITLE,
    introduction: str | None = None,
) -> str:
    """The whole page as text.

    `report` is the content of report.json. `introduction` is plain text that replaces the paragraph about the method.
    Raises ValueError where the report holds no row.
    """
    found = results(report)
    told = report["rows"] | report.get("stages", {})
    story = _introduction(told, report.get("split", TEST)) if introduction is None else html_text(introduction)
    origins = f'<p class="note">{html_text(origin(report))}</p>' if origin(report) else ""
    sections = (
        f'<header class="top"><h1>{html_text(title)}</h1><p class="lead">{story}</p>{origins}</header>',
        _results_section(found),
        _curves_section(charts),
        *(_clips_section(group) for group in groups),
    )
    return _page(title, sections)


def recording_page(clip: Clip) -> str:
    """A page about one recording, and what was answered about it."""
    return _page(clip.name, [f"<section>{long_clip_html(clip)}</section>"])


def _page(title: str, sections: Sequence[str]) -> str:
    script = _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{html_text(title)}</title><style>{_asset('page.css')}</style></head>\n"
        f"<body><main>{''.join(sections)}</main><script>{script}</script></body></html>\n"
    )


def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _introduction(rows: Mapping[str, Mapping[str, str]], split: str) -> str:
    told = " ".join(f"<b>{html_text(row['short'])}</b> {html_text(row['about'])}." for row in rows.values())
    clips = "test clips that the training never saw" if split == TEST else f"the {html_text(split)} clips"
    return (
        "Audio language models describe sounds well but place them badly in time. This run follows TimePro-RL to teach "
        f"one to say <em>when</em>. {told} Every figure below is measured on {clips}."
    )


def _results_section(found: Results) -> str:
    groups = [(task, list(columns)) for task, columns in groupby(found.columns, key=lambda c: c.task)]
    heads = "".join(
        f'<th colspan="{len(columns)}" scope="colgroup">{html_text(columns[0].group)}</th>' for _, columns in groups
    )
    names = "".join(
        f'<th scope="col"{_edge(found.columns, i)}>{html_text(c.label)}</th>' for i, c in enumerate(found.columns)
    )
    rows = "".join(_result_row(row, found.columns) for row in found.rows if not row.is_difference)
    differences = "".join(_result_row(row, found.columns) for row in found.rows if row.is_difference)
    if differences:
        heading = f'<th colspan="{len(found.columns) + 1}" scope="rowgroup">Paired differences</th>'
        differences = f'<tbody><tr class="between">{heading}</tr>{differences}</tbody>'
    return (
        '<section><h2>Results</h2><table class="results">'
        f"<thead><tr><td></td>{heads}</tr><tr><td></td>{names}</tr></thead>"
        f"<tbody>{rows}</tbody>{differences}</table>{_results_note(found)}</section>"
    )


def _results_note(found: Results) -> str:
    marked = (
        ' In <span class="up">▲</span> and <span class="down">▼</span> differences the interval excludes zero.'
        if any(row.is_difference for row in found.rows)
        else ""
    )
    marks = "".join(f" {html_text(meaning)}." for meaning in legend(found))
    noted = "" if found.note is None else f" The data: {html_text(found.note)}."
    shown = {column.label for column in found.columns}
    terms = "".join(
        f"<dt>{term}</dt><dd>{meaning}</dd>" for term, meaning in _GLOSSARY.items() if shown & set(term.split(", "))
    )
    return (
        '<p class="note">In percent; in small type the 95% interval by bootstrap over '
        f"{html_text(drawn(found))}.{marks}{marked}{noted}</p>"
        f"<details><summary>What the columns mean</summary><dl>{terms}</dl></details>"
    )


def _result_row(row: ResultRow, columns: Sequence[Column]) -> str:
    cells = "".join(
        f'<td data-label="{html_text(columns[i].heading)}"{_edge(columns, i)}>{_cell(cell)}</td>'
        for i, cell in enumerate(row.cells)
    )
    css = "difference" if row.is_difference else f"row-{row.kind}"
    seeds = f" <small>{row.num_seeds} seeds</small>" if row.num_seeds > 1 else ""
    return f'<tr class="{css}"><th scope="row">{html_text(row.name + MARKS.get(row.kind, ""))}{seeds}</th>{cells}</tr>'


def _cell(cell: Cell) -> str:
    interval = f"<small>{cell.interval_text}</small>" if cell.interval is not None else ""
    if not cell.direction:
        return f"<span>{cell.value_text}</span>{interval}"
    css, mark = ("up", "▲") if cell.direction > 0 else ("down", "▼")
    return f'<span class="{css}"><i title="the interval excludes zero">{mark}</i> {cell.value_text}</span>{interval}'


def _edge(columns: Sequence[Column], index: int) -> str:
    return ' class="edge"' if index == 0 or columns[index].task != columns[index - 1].task else ""


def _curves_section(charts: Sequence[Chart]) -> str:
    if not charts:
        return ""
    return f'<section><h2>Training</h2><div class="charts">{"".join(map(_chart, charts))}</div></section>'


def _chart(chart: Chart) -> str:
    legend = "".join(f'<span><i class="s{color}"></i>{html_text(name)}</span>' for name, color in chart.legend)
    legend = f'<div class="legend">{legend}</div>' if legend else ""
    note = f"<figcaption>{html_text(chart.note)}</figcaption>"
    return f"<figure><h3>{html_text(chart.title)}</h3>{legend}{chart.svg}{note}</figure>"


def _clips_section(group: ClipGroup) -> str:
    if not group.clips:
        return ""
    clips = "".join(long_clip_html(c) if c.duration_s > LONG_S else clip_html(c) for c in group.clips)
    return f'<section><h2>{html_text(group.title)}</h2><p class="note">{html_text(group.note)}</p>{clips}</section>'
