"""From the runs of run.sh to results.json: rows, differences, a verdict on each claim, curves, and what has settled.

python experiments/table3/results.py outputs/table3 [results.json]

The rule by which a claim is judged stands in README.md; it was written before the test split was opened.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Literal

from timepro_lit.evaluation.layouts import laid_out
from timepro_lit.evaluation.numbers import figures_of
from timepro_lit.evaluation.over_runs import evaluated_in
from timepro_lit.evaluation.publish import code_version, codes_of
from timepro_lit.evaluation.systems import System, systems_of
from timepro_lit.figures.curves import series
from timepro_lit.figures.run_report import read_curves

EXPERIMENTS = (
    "ablation_sft_baseline", "ablation_random_init", "ablation_astp", "ablation_eb_f1_only", "ablation_adaptive"
)  # fmt: skip
JUDGED = (("ag", "mIoU"), ("sed", "Eb-F1"), ("dac", "Eb-F1"))
METEOR = (("dac", "METEOR"),)
SETTLING = (("ag", "mIoU"), ("sed", "Eb-F1"))
SETTLED_POINTS, EQUAL_POINTS = 1.5, 1.0
BASELINE, RANDOM, ASTP = "SFT baseline", "+ ASTP, random init", "+ ASTP"
EB_F1_ONLY, ADAPTIVE = "+ ASTP + RL (Eb-F1 only)", "+ ASTP + RL (adaptive)"

OTHER_PAIRS = ((ASTP, RANDOM), (EB_F1_ONLY, ASTP))
"""Rows whose difference no claim is about."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper as a difference of two rows."""

    says: str
    later: str
    earlier: str
    side: Literal["above", "below", "not below"]


CLAIMS = (
    Claim("the time prompt helps", ASTP, BASELINE, "above"),
    Claim("random timestamps hurt", RANDOM, BASELINE, "below"),
    Claim("RL helps", ADAPTIVE, ASTP, "above"),
    Claim("the adaptive reward beats Eb-F1 alone", ADAPTIVE, EB_F1_ONLY, "above"),
    Claim("METEOR does not fall under the adaptive reward", ADAPTIVE, ASTP, "not below"),
)


def verdict(side: str, intervals: Sequence[Interval]) -> str:
    """Of a claim, by the 95% intervals of its differences in points: the rule of README.md."""
    if side == "not below":
        [(low, high)] = intervals
        return "does not hold" if high < 0 else "holds" if low > -EQUAL_POINTS else "cannot be told at this scale"
    turned = [(-high, -low) for low, high in intervals] if side == "below" else list(intervals)
    for_it, against = sum(low > 0 for low, _ in turned), sum(high < 0 for _, high in turned)
    if for_it >= 2 and not against:
        return "holds"
    equal = all(low > -EQUAL_POINTS and high < EQUAL_POINTS for low, high in turned)
    return "does not hold" if against or equal else "cannot be told at this scale"


def judged(claim: Claim, figures: Mapping[str, Any]) -> dict[str, Any]:
    """A claim with its differences in points and its verdict."""
    metrics = METEOR if claim.side == "not below" else JUDGED
    all_of_them = differences(claim.later, claim.earlier, figures)
    asked = {f"{task}/{metric}": all_of_them[f"{task}/{metric}"] for task, metric in metrics}
    found = verdict(claim.side, [tuple(of["interval"]) for of in asked.values()])
    return asdict(claim) | {"differences": asked, "verdict": found}


def differences(later: str, earlier: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    """By task and metric, the difference of two rows in points and its interval."""
    scores, spans = figures["scores"], figures["intervals"][f"{later} - {earlier}"]
    return {
        f"{task}/{metric}": {
            "difference": scores[later][task][metric] - scores[earlier][task][metric], "interval": list(span)
        }
        for task, of_task in spans.items() if isinstance(of_task, Mapping)
        for metric, span in of_task.items()
    }  # fmt: skip


def without_signal(system: System, tasks: Iterable[str]) -> dict[str, float]:
    """By task, the share of GRPO's groups whose advantages are all 0, in percent: mean over steps and seeds."""
    curves = [read_curves(one.run / "grpo" / "metrics.csv") for one in system.trainings if one.run]
    of_seeds = {task: [series(rows, f"grpo/{task}/no_signal") for rows in curves] for task in tasks}
    return {
        task: 100 * mean(mean(share for _, share in points) for points in of_seed)
        for task, of_seed in of_seeds.items() if all(of_seed)
    }  # fmt: skip


def attention_of(stored: Path, systems: Mapping[str, System]) -> dict[str, Any] | None:
    """What `attend` found of one model a row, by rows: share by layer and AG mIoU. None where it has not run.

    Runs are known by experiment and seed, the ends of their paths: the folder may have been moved or copied since.
    """
    if not stored.exists():
        return None
    found = json.loads(stored.read_text())
    shares = {Path(run).parts[-2:]: by_layer for run, by_layer in found.pop("shares").items()}
    rows = {}
    for name, system in systems.items():
        for n, training in enumerate(system.trainings):
            if training.run and (by_layer := shares.get(training.run.parts[-2:])):
                score = system.trained.scores["ag"][n].values["mIoU"]
                rows[name] = {"seed": system.seeds[n], "shares": by_layer, "ag/mIoU": score}
    return found | {"rows": rows} if rows else None


def curves_of(system: System) -> dict[str, dict[str, list[list[float]]]]:
    """Stage -> column -> [step, mean over seeds, each seed's value...] of what is watched in validation."""
    method = system.method
    found: dict[str, dict[str, list[list[float]]]] = {}
    for stage in method.stage_keys if method else ():
        rows = [read_curves(one.run / stage / "metrics.csv") for one in system.trainings if one.run]
        for task, metric in (*JUDGED, *METEOR):
            column = f"val/{task}/{metric}"
            points = [dict(series(of_seed, column)) for of_seed in rows]
            steps = sorted(set.intersection(*map(set, points)))
            table = [[step + 1, mean(p[step] for p in points), *(p[step] for p in points)] for step in steps]
            found.setdefault(stage, {})[column] = table
    return found


def settling(half: Mapping[int, Path], seeds: Sequence[int], curves: Mapping[str, Any]) -> dict[str, Any] | None:
    """Last validation of the baseline after half of its steps and after all of them, means over the same seeds.

    `half` are runs by their seeds; `seeds` are those of the columns of `curves`. None where they share none.
    """
    found = {}
    both = [seed for seed in seeds if seed in half]
    if not both:
        return None
    for task, metric in SETTLING:
        column = f"val/{task}/{metric}"
        halves = [series(read_curves(half[seed] / "sft" / "metrics.csv"), column)[-1] for seed in both]
        whole = [curves["sft"][column][-1][2 + seeds.index(seed)] for seed in both]
        difference = mean(whole) - mean(value for _, value in halves)
        found[f"{task}/{metric}"] = {"steps": halves[0][0] + 1, "half": [value for _, value in halves],
                                     "whole": whole, "difference": difference}  # fmt: skip
    settled = all(abs(of["difference"]) < SETTLED_POINTS for of in found.values())
    return {"seeds": both, "validation": found, "settled": settled}


def results(folder: Path) -> dict[str, Any]:
    """Everything that is said of the runs below a folder."""
    evaluated, odd = evaluated_in([str(folder / name) for name in EXPERIMENTS])
    print(odd, end="", file=sys.stderr)
    lines, _ = laid_out(systems_of(evaluated), "table3", quoted=False)
    systems = {line.name: line.system for line in lines if line.system is not None}
    claims = [claim for claim in CLAIMS if {claim.later, claim.earlier} <= systems.keys()]
    rows = {name: system.trained for name, system in systems.items()}
    pairs = list(dict.fromkeys((claim.later, claim.earlier) for claim in claims))
    pairs += [pair for pair in OTHER_PAIRS if set(pair) <= systems.keys()]
    figures = figures_of(rows, evaluated[0].tasks, pairs)
    curves = {name: curves_of(system) for name, system in systems.items()}
    half = {int(path.parent.name.removeprefix("seed")): path.parent for path in folder.glob("settling/seed*/sft")}
    return {
        "code": {"of_the_runs": codes_of({one.run for one in evaluated if one.run}), "of_this_file": code_version()},
        "rows": {
            name: {
                "seeds": list(system.seeds),
                "scores": figures["scores"][name],
                "intervals": figures["intervals"][name],
                "of_seeds": {
                    task: {metric: [one.values[metric] for one in rows[name].scores[task]]
                           for metric in evaluated[0].tasks[task].headline}
                    for task in evaluated[0].tasks
                },
                "settings": dict(system.method.settings) if system.method else {},
            }
            for name, system in systems.items()
        },
        "claims": [judged(claim, figures) for claim in claims],
        "differences": {f"{later} - {earlier}": differences(later, earlier, figures) for later, earlier in pairs},
        "without_signal": {
            name: without_signal(of, evaluated[0].tasks) for name, of in systems.items() if "grpo" in curves[name]
        },
        "settling": settling(half, systems[BASELINE].seeds, curves[BASELINE]) if BASELINE in curves else None,
        "curves": curves,
        "attention": attention_of(folder / "attention" / "share" / "attention.json", systems),
        "n_test": figures["n_test"],
    }  # fmt: skip


if __name__ == "__main__":
    found = results(Path(sys.argv[1]))
    Path(sys.argv[2] if len(sys.argv) > 2 else Path(sys.argv[1]) / "results.json").write_text(
        json.dumps(found, indent=1) + "\n"
    )
    for claim in found["claims"]:
        print(f"{claim['says']}: {claim['verdict']}")
