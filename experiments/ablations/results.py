"""The reports of run.sh as results.json and a table in Markdown: scores, and what each row gains on the one it changes.

python experiments/ablations/results.py outputs/table3/ablations [results.json]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from timepro_lit.evaluation.publish import codes_of
from timepro_lit.figures.formats import markdown_row

KEPT = ("rows", "scores", "intervals", "differences", "n_test")
COLUMNS = (("ag", "mIoU"), ("ag", "R@0.9"), ("sed", "Eb-F1"), ("dac", "METEOR"), ("dac", "Eb-F1"))


def results(folder: Path) -> dict[str, Any]:
    """What is kept of each report below a folder, by the name of its own, and what code its runs were made by."""
    found: dict[str, Any] = {}
    for path in sorted(folder.glob("*/report.json")):
        report = json.loads(path.read_text())
        runs = [folder.parent / name / f"seed{seed}" for name, row in report["rows"].items() for seed in row["seeds"]]
        found[path.parent.name] = {"code": codes_of(runs), **{key: report[key] for key in KEPT}}
    return found


def lines_of(found: Mapping[str, Any]) -> Iterator[str]:
    """A table of each report: the row that the others change on top, theirs with the 95% interval of the difference."""
    for report in found.values():
        [changed] = {earlier for _, earlier in report["differences"]}
        names = [changed, *(later for later, _ in report["differences"])]
        yield markdown_row(["row", "seeds", *(f"{task.upper()} {metric}" for task, metric in COLUMNS)])
        yield markdown_row(["---"] * (2 + len(COLUMNS)))
        for name in names:
            spans = report["intervals"].get(f"{name} - {changed}")
            cells = (_cell(report["scores"][name], spans, task, metric) for task, metric in COLUMNS)
            yield markdown_row([f"`{name}`", str(len(report["rows"][name]["seeds"])), *cells])
        yield ""


def _cell(scores: Mapping[str, Any], spans: Mapping[str, Any] | None, task: str, metric: str) -> str:
    if spans is None:
        return f"{scores[task][metric]:.1f}"
    low, high = spans[task][metric]
    return f"{scores[task][metric]:.1f} ({low:+.1f} to {high:+.1f})"


if __name__ == "__main__":
    root = Path(sys.argv[1])
    of_all = results(root)
    Path(sys.argv[2] if len(sys.argv) > 2 else root / "results.json").write_text(json.dumps(of_all, indent=1) + "\n")
    print("\n".join(lines_of(of_all)))
