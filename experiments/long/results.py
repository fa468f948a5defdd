"""Length generalisation from the runs of run.sh: each row's scores by the length of the test clips.

python experiments/long/results.py outputs/long

Writes results.json, and prints it as a table: means over seeds, in percent.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import mean
from typing import Any

SHOWN = (("ag", "mIoU"), ("sed", "Eb-F1"), ("dac", "METEOR"), ("dac", "Eb-F1"))


def results(folder: Path) -> dict[str, Any]:
    """Experiment -> seconds of the test clips -> task/metric -> the value of each seed, in their order."""
    found: dict[str, Any] = {}
    seen: dict[tuple[str, str, str], Path] = {}
    for report in sorted(folder.glob("*/seed*/evaluation-test-*/report.json")):
        scores = json.loads(report.read_text())["scores"]
        row = list(scores)[-1]  # after the last stage
        answers = report.parent / "evaluation" / row / "predictions.jsonl"
        with answers.open() as lines:
            lengths = {round(json.loads(line)["duration_s"]) for line in lines}
        if len(lengths) != 1:
            raise ValueError(f"{answers}: its clips are of {sorted(lengths)} s, where one length belongs")
        experiment, seed, seconds = report.parents[2].name, report.parents[1].name, str(lengths.pop())
        if (earlier := seen.setdefault((experiment, seed, seconds), report)) != report:
            raise ValueError(f"{report.parent} and {earlier.parent} both have clips of {seconds} s: remove one of them")
        of_length = found.setdefault(experiment, {}).setdefault(seconds, {})
        for task, metric in SHOWN:
            of_length.setdefault(f"{task}/{metric}", []).append(scores[row][task][metric])
    return found


def table(found: dict[str, Any]) -> str:
    """Markdown, a line for each row and length."""
    head = ["row", "test clips", *(f"{task} {metric}" for task, metric in SHOWN)]
    lines = [head, ["---"] * len(head)]
    for row, of_row in found.items():
        for seconds in sorted(of_row, key=int):
            values = [f"{mean(of_row[seconds][f'{task}/{metric}']):.1f}" for task, metric in SHOWN]
            lines.append([row, f"{seconds} s", *values])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    root = Path(sys.argv[1])
    of_all = results(root)
    (root / "results.json").write_text(json.dumps(of_all, indent=1) + "\n")
    print(table(of_all), end="")
