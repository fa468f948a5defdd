"""From the runs of run.sh to results.json and two tables in Markdown: means over seeds, in percent.

python experiments/moments/results.py outputs/moments
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

TASK = "moments"
SHOWN = ("R1@0.7", "mAP", "F1@IoU", "presence_F1", "false_alarm_rate", "count_accuracy", "under_report", "over_report")
VOTED = ("R1@0.7", "mAP", "F1@IoU", "presence_F1", "ECE")
PLAIN = (("ag", "mIoU"), ("sed", "Eb-F1"), ("dac", "METEOR"), ("dac", "Eb-F1"))


def scores_of(evaluations: Sequence[Path]) -> dict[str, list[float]]:
    """Of each value, that of every seed, from folders of answers."""
    read = [json.loads((folder / "scores.json").read_text()) for folder in evaluations]
    values = {name: [of_seed[TASK][name] for of_seed in read] for name in SHOWN}
    plain = {f"{task}/{name}": [of_seed[task][name] for of_seed in read] for task, name in PLAIN}
    return values | plain


def results(folder: Path) -> dict[str, Any]:
    """Rows, greedy and voted, and the differences of GRPO and SFT with their intervals."""
    runs = sorted(folder.glob(f"{TASK}/seed*"))
    rows = {row: scores_of([run / "evaluation" / row for run in runs]) for row in ("zero_shot", "sft", "grpo")}
    present = sorted(folder.glob("moments_present/seed*/evaluation-test-*/evaluation/sft"))
    report = json.loads((folder / "report/report.json").read_text())
    votes: dict[str, Any] = {}
    gains: dict[str, list[list[float]]] = {}
    for row in ("zero_shot", "sft", "grpo"):
        for path in sorted(folder.glob(f"votes/{row}-seed*/results.json")):
            for system, of in json.loads(path.read_text())["tasks"][TASK]["systems"].items():
                known = votes.setdefault(row, {}).setdefault(system, {name: [] for name in VOTED})
                for name in VOTED:
                    known[name].append(of[name])
                if system == "8 votes":
                    gains.setdefault(row, []).append(of["minus greedy, 95%"]["mAP"])
    return {
        "seeds": [run.name for run in runs],
        "rows": rows,
        "sft_asked_only_for_what_occurs": scores_of(present),
        "intervals": {name: of[TASK] for name, of in report["intervals"].items() if TASK in of},
        "votes": votes,
        "votes_minus_greedy_mAP_95%": gains,
        "code": report["run"]["code"],
    }


def table(head: str, names: Sequence[str], rows: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Markdown, a line a row."""
    lines = [[head, *names], ["---"] * (len(names) + 1)]
    lines += [[row, *(f"{mean(of_row[name]):.1f}" for name in names)] for row, of_row in rows.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    root = Path(sys.argv[1])
    found = results(root)
    (root / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    rows = found["rows"] | {"sft, asked only for what occurs": found["sft_asked_only_for_what_occurs"]}
    print(table("row", [*SHOWN, *(f"{task}/{name}" for task, name in PLAIN)], rows))
    print(
        table("votes", VOTED, {f"{row}, {name}": of for row, by in found["votes"].items() for name, of in by.items()})
    )
