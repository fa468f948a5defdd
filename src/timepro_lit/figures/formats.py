r"""A results table as text for other programs: Markdown, LaTeX with booktabs, CSV."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Sequence
from itertools import groupby

from timepro_lit.figures.table import MARKS, MINUS, ResultRow, Results, drawn, legend

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", MINUS: "$-$", "\u2013": "--", "\u2020": r"\textdagger{}",
}  # fmt: skip
_FORMULA = re.compile(r"[=\-@\t\r]|\+(?! [\w ,.()-]*$)")
"""How a cell begins that a spreadsheet would compute; "+ ASTP", as the paper calls its rows, is at worst no number."""


def markdown(found: Results) -> str:
    r"""A table of GitHub's Markdown: figure and interval in a cell, the best figure of a column in bold."""
    heads = ["", "seeds", *(column.heading for column in found.columns)]
    lines = [markdown_row(heads), markdown_row(["---", *["--:"] * (len(heads) - 1)])]
    for row in found.rows:
        bold = best(found, row)
        cells = [
            _joined(f"**{cell.value_text}**" if is_best else cell.value_text, cell.interval_text, " ({})")
            for cell, is_best in zip(row.cells, bold, strict=True)
        ]
        lines.append(
            markdown_row([_escaped_markdown(row.short + MARKS.get(row.kind, "")), str(row.num_seeds or ""), *cells])
        )
    return "\n".join([*lines, "", f"{_note(found)}.", ""])


def latex(found: Results) -> str:
    r"""A `tabular` for `\usepackage{booktabs}`: tasks over their metrics, the best figure of a column in bold."""
    groups = [(group, len(list(columns))) for group, columns in groupby(found.columns, key=lambda c: c.group)]
    heads = " & ".join(rf"\multicolumn{{{size}}}{{c}}{{{_tex(group)}}}" for group, size in groups)
    rules, start = [], 2
    for _, size in groups:
        rules.append(rf"\cmidrule(lr){{{start}-{start + size - 1}}}")
        start += size
    names = " & ".join(_tex(column.label) for column in found.columns)
    lines = [
        f"% {_note(found)}.",
        rf"\begin{{tabular}}{{l{'r' * len(found.columns)}}}",
        r"\toprule",
        rf" & {heads} \\",
        " ".join(rules),
        rf" & {names} \\",
        r"\midrule",
        *(_latex_row(found, row) for row in found.rows if not row.is_difference),
    ]
    differences = [_latex_row(found, row) for row in found.rows if row.is_difference]
    return "\n".join(
        [*lines, *([r"\midrule", *differences] if differences else []), r"\bottomrule", r"\end{tabular}", ""]
    )


def comma_separated(found: Results) -> str:
    """A line a row: its kind and seeds, then of each metric the figure and both ends of its interval, unrounded."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    names = [column.heading for column in found.columns]
    lines.writerow(["row", "kind", "seeds", *(f"{name}{end}" for name in names for end in ("", " low", " high"))])
    for row in found.rows:
        figures = [bound for cell in row.cells for bound in (cell.value, *(cell.interval or (math.nan, math.nan)))]
        kind = "difference" if row.is_difference else row.kind
        cells = ["" if math.isnan(figure) else repr(float(figure)) for figure in figures]
        lines.writerow([_no_formula(row.short), kind, row.num_seeds or "", *cells])
    return text.getvalue()


def best(found: Results, row: ResultRow) -> list[bool]:
    """Of each cell of a row, whether its figure, as it is shown, is the best of its column; quoted ones never are."""
    competing = [other for other in found.rows if not other.is_difference and other.kind in ("ours", "other")]
    tops = [max((r.cells[n].value for r in competing if not math.isnan(r.cells[n].value)), default=math.nan)
            for n in range(len(found.columns))]  # fmt: skip
    return [
        row in competing and len(competing) > 1 and round(cell.value, 1) == round(top, 1)
        for cell, top in zip(row.cells, tops, strict=True)
    ]


def _latex_row(found: Results, row: ResultRow) -> str:
    cells = []
    for cell, is_best in zip(row.cells, best(found, row), strict=True):
        figure = rf"\textbf{{{_tex(cell.value_text)}}}" if is_best else _tex(cell.value_text)
        cells.append(_joined(figure, _tex(cell.interval_text), r" {{\scriptsize ({})}}"))
    name = _tex(row.short + MARKS.get(row.kind, ""))
    return rf"{'{}' if name.startswith(('[', '*')) else ''}{name} & {' & '.join(cells)} \\"  # \\[ would be a length


def _joined(figure: str, interval: str, form: str) -> str:
    return figure + (form.format(interval) if interval else "")


def _note(found: Results) -> str:
    said = [f"In percent; in brackets 95% intervals, bootstrap over {drawn(found)}", *legend(found), found.note or ""]
    return "; ".join(filter(None, said))


def markdown_row(cells: Sequence[str]) -> str:
    """A line of a table of GitHub's Markdown, of cells as they are.

    >>> markdown_row(["+ ASTP", "71.7"])
    '| + ASTP | 71.7 |'
    """
    return f"| {' | '.join(cells)} |"


def _escaped_markdown(text: str) -> str:
    return "".join(f"\\{c}" if c in "\\|*_`[]<>#" else c for c in " ".join(text.split()))


def _tex(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in " ".join(text.split()))


def _no_formula(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


WRITERS: dict[str, Callable[[Results], str]] = {"table.md": markdown, "table.tex": latex, "table.csv": comma_separated}
"""Name of a file -> what it holds."""
