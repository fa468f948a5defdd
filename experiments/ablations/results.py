"""The reports of run.sh as results.json and a table in Markdown: scores, and what each row gains on the one it changes.

python experiments/ablations/results.py outputs/table3/ablations [results.json]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

KEPT = ("rows", "scores", "intervals", "differences", "n_test")
COLUMNS = (("ag", "mIoU"), ("ag", "R@0.9"), ("sed", "Eb-F1"), ("dac", "METEOR"), ("dac", "Eb-F1"))


def results(folder: Path) -> dict[str, Any]:
    """What is kept of each report below a folder, by the name of its own, and what code its runs were made by."""
    found: dict[str, Any] = {}
    for path in sorted(folder.glob("*/report.json")):
        report = json.loads(path.read_text())
        runs = [run for row in report["rows"] for run in folder.parent.glob(f"{row}/seed*/report.json")]
        code = sorted({json.loads(run.read_text())["run"]["code"] for run in runs})
        found[path.parent.name] = {"code": code, **{key: report[key] for key in KEPT}}
    return found


def lines_of(found: Mapping[str, Any]) -> Iterator[str]:
    """A table of each report: the row that the others change on top, theirs with the 95% interval of the difference."""
    for report in found.values():
        [changed] = {earlier for _, earlier in report["differences"]}
        names = [changed, *(later for later, _ in report["differences"])]
        yield _line(["row", "seeds", *(f"{task.upper()} {metric}" for task, metric in COLUMNS)])
        yield _line(["---"] * (2 + len(COLUMNS)))
        for name in names:
            spans = report["intervals"].get(f"{name} - {changed}")
            cells = (_cell(report["scores"][name], spans, task, metric) for task, metric in COLUMNS)
            yield _line([f"`{name}`", str(len(report["rows"][name]["seeds"])), *cells])
        yield ""


def _cell(scores: Mapping[str, Any], spans: Mapping[str, Any] | None, task: str, metric: str) -> str:
    if spans is None:
        return f"{scores[task][metric]:.1f}"
    low, high = spans[task][metric]
    return f"{scores[task][metric]:.1f} ({low:+.1f} to {high:+.1f})"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    root = Path(sys.argv[1])
    of_all = results(root)
    Path(sys.argv[2] if len(sys.argv) > 2 else root / "results.json").write_text(json.dumps(of_all, indent=1) + "\n")
    print("\n".join(lines_of(of_all)))
