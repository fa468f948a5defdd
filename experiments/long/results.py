"""Length generalisation from the runs of run.sh: each row by the length of the test clips, and what it gains on others.

python experiments/long/results.py outputs/long [results.json]

Writes results.json, and prints it as tables: means over seeds in percent, differences with their 95% intervals.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from timepro_lit.evaluation.answers import PREDICTIONS, read_answers
from timepro_lit.evaluation.gathering import Evaluated
from timepro_lit.evaluation.numbers import Trained, figures_of, scores_by_task
from timepro_lit.evaluation.over_runs import evaluated_in
from timepro_lit.evaluation.publish import codes_of
from timepro_lit.figures.formats import markdown_row
from timepro_lit.records import Answer

ROWS = {
    "ablation_sft_baseline": "SFT baseline",
    "ablation_random_init": "+ ASTP, random init",
    "ablation_astp": "+ ASTP",
    "ablation_adaptive": "+ ASTP + RL (adaptive)",
}
PAIRS = (("+ ASTP", "SFT baseline"), ("+ ASTP, random init", "SFT baseline"), ("+ ASTP + RL (adaptive)", "+ ASTP"))
AS_TRAINED = "as trained"
"""In place of a length: clips as in the training."""
SHOWN = (("ag", "mIoU"), ("sed", "Eb-F1"), ("dac", "METEOR"), ("dac", "Eb-F1"))


def answers_by_length(one: Evaluated) -> Iterator[tuple[str, list[Answer]]]:
    """A model's answers to clips as in its training, and to clips of each other length."""
    if one.run is None or one.folder.parents[1] != one.run:  # votes are no row here
        return
    yield AS_TRAINED, read_answers(one.folder, one.tasks)
    seen: dict[int, Path] = {}
    for place in sorted(one.run.glob(f"evaluation-test-*/evaluation/{one.folder.name}")):
        answers = read_answers(place, one.tasks)
        lengths = {round(answer.example.duration_s) for answer in answers}
        if len(lengths) != 1:
            raise ValueError(f"{place / PREDICTIONS}: its clips are of {sorted(lengths)} s, where one length belongs")
        [seconds] = lengths
        if (earlier := seen.setdefault(seconds, place)) != place:
            raise ValueError(f"{place} and {earlier} both have clips of {seconds} s: remove one of them")
        yield f"{seconds} s", answers


def results(folder: Path) -> dict[str, Any]:
    """By the length of the test clips: figures as of a report, and each seed's; what code the runs were made by."""
    evaluated, odd = evaluated_in([str(folder / name) for name in ROWS])
    print(odd, end="", file=sys.stderr)
    scored: dict[str, dict[str, list[tuple[int | None, Any]]]] = {}
    for one in evaluated:
        for length, answers in answers_by_length(one):
            of_row = scored.setdefault(length, {}).setdefault(ROWS[one.system], [])
            of_row.append((one.seed, scores_by_task(answers, one.tasks)))
    found: dict[str, Any] = {}
    others = sorted((length for length in scored if length != AS_TRAINED), key=lambda length: int(length.split()[0]))
    for length in (AS_TRAINED, *others):
        rows = scored[length]
        trained = {
            name: Trained({task: [of[task] for _, of in seeds] for task in seeds[0][1]}, tuple(n for n, _ in seeds))
            for name, seeds in rows.items()
        }
        pairs = [pair for pair in PAIRS if {*pair} <= trained.keys()]
        of_seeds = {
            name: {f"{task}/{metric}": [one.values[metric] for one in row.scores[task]] for task, metric in SHOWN}
            for name, row in trained.items()
        }
        found[length] = figures_of(trained, evaluated[0].tasks, pairs) | {"of_seeds": of_seeds}
    return {"code": codes_of({one.run for one in evaluated if one.run}), "lengths": found}


def lines_of(found: Mapping[str, Any]) -> Iterator[str]:
    """Two tables in Markdown: scores, and differences."""
    head = ["test clips", *(f"{task.upper()} {metric}" for task, metric in SHOWN)]
    for title in ("row", "difference"):
        yield markdown_row([title, *head])
        yield markdown_row(["---"] * (1 + len(head)))
        for length, figures in found["lengths"].items():
            if title == "row":
                for name, scores in figures["scores"].items():
                    yield markdown_row([name, length, *(f"{scores[task][metric]:.1f}" for task, metric in SHOWN)])
            for later, earlier in figures["differences"] if title == "difference" else ():
                spans = figures["intervals"][f"{later} - {earlier}"]
                cells = ("{:+.1f} to {:+.1f}".format(*spans[task][metric]) for task, metric in SHOWN)
                yield markdown_row([f"{later} - {earlier}", length, *cells])
        yield ""


if __name__ == "__main__":
    root = Path(sys.argv[1])
    of_all = results(root)
    Path(sys.argv[2] if len(sys.argv) > 2 else root / "results.json").write_text(json.dumps(of_all, indent=1) + "\n")
    print("\n".join(lines_of(of_all)))
