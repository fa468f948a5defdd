"""Are votes better than the greedy answer, do their scores mean what they say, and what do they cost?

python experiments/voting/compare.py --run outputs/demo --out outputs/voting
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

import timepro_lit
from timepro_lit.data.collate import Collate
from timepro_lit.evaluation.publish import code_version
from timepro_lit.events.voting import Voting, vote
from timepro_lit.figures.reliability import reliability_figure
from timepro_lit.files.atomic import replacing, write_atomically
from timepro_lit.grpo.logprobs import answer_logprobs_behind
from timepro_lit.grpo.prefix import prefill
from timepro_lit.grpo.rollout import sample
from timepro_lit.inference.answering import MAX_ANSWER_TOKENS
from timepro_lit.inference.listener import Listener
from timepro_lit.lit.samples import make_ready, samples_of
from timepro_lit.metrics.calibration import Reliability, judged, reliability
from timepro_lit.metrics.moments import Moments
from timepro_lit.metrics.suite import Scores, difference_intervals, score
from timepro_lit.records import Answer, Batch, Prediction, Sample
from timepro_lit.settings.config import build_data
from timepro_lit.settings.stored import read_settings
from timepro_lit.tasks.base import ScoredTask

VOTES, COOL, SHARES = (4, 8, 16), 0.7, (0.25, 0.4, 0.5, 0.6, 0.75)
GREEDY, BY_LOGPROB = "greedy", "greedy, log-probability"
SHOWN = ("mIoU", "R@0.5", "R@0.7", "R@0.9", "R1@0.5", "R1@0.7", "mAP", "F1@IoU", "presence_F1", "METEOR", "Eb-F1")


def main() -> None:
    arguments = parsed()
    listener = timepro_lit.load(arguments.run, row=arguments.row, batch_size=arguments.batch_size)
    given = {} if arguments.data is None else {"data": str(arguments.data.absolute())}
    data = build_data(read_settings(arguments.run, given))
    make_ready(data, None)
    tasks, found, systems = listener.tasks, {}, {}
    for name in arguments.tasks or tasks:
        samples = samples_of(data, "test", name, None, arguments.clips)
        systems[name] = asked(listener, samples, arguments.votes)
        found[name] = figures(tasks[name], samples, systems[name])
    made = {"run": arguments.run.name, "clips": arguments.clips, "device": listener.device, "code": code_version()}
    write_atomically(arguments.out / "results.json", json.dumps(made | {"tasks": found}, indent=1) + "\n")
    write_atomically(arguments.out / "table.md", (text := table(found)))
    with replacing(arguments.out / "reliability.png") as file:
        panels = {tasks[name].title: lines(found[name]["systems"]) for name in found}
        reliability_figure(panels).savefig(file, dpi=150, format="png")
    print(text)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="run directory of timepro_lit.train")
    parser.add_argument("--row", help="of its table; the last stage where nothing is said")
    parser.add_argument("--data", type=Path, help="folder of the generated data, where it is another one now")
    parser.add_argument("--clips", type=int, default=100, help="questions of each task, the first of the test split")
    parser.add_argument("--tasks", nargs="*", help="all that the model answers, where nothing is said")
    parser.add_argument("--votes", nargs="+", type=int, default=VOTES)
    parser.add_argument("--batch-size", type=int, default=25)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def asked(
    listener: Listener, samples: Sequence[Sample], votes: Sequence[int]
) -> dict[str, tuple[float, list[Prediction]]]:
    """By system, seconds and answers; the last one's by the share that makes an event as well, at no more seconds."""
    most = max(votes)
    ways = {f"{n} votes": Voting(n) for n in votes} | {f"{most} votes, temperature {COOL}": Voting(most, COOL)}
    list(listener.answers(samples[:2]))  # so that the first system does not pay for what is made once
    seconds, answers = timed(lambda: list(listener.answers(samples)))
    found = {GREEDY: (seconds, [answer.prediction for answer in answers])}
    found[BY_LOGPROB] = timed(lambda: by_logprob(listener, samples))
    for name, voting in ways.items():
        seconds, answers = timed(lambda voting=voting: list(listener.answers(samples, voting=voting)))
        found[name] = seconds, [answer.prediction for answer in answers]
        if voting == Voting(most):
            found |= {f"{name}, share {share}": (seconds, again(listener, answers, share)) for share in SHARES}
    return found


def timed(do: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    done = do()
    return time.perf_counter() - start, done


def again(listener: Listener, answers: Sequence[Answer], share: float) -> list[Prediction]:
    """The same answers voted over with another share for an event."""
    by_label = bool(listener.tasks[answers[0].example.task].classes)
    return [vote([voter.prediction for voter in answer.voters], by_label, share) for answer in answers]


@torch.no_grad()
def by_logprob(listener: Listener, samples: Sequence[Sample]) -> list[Prediction]:
    """Greedy answers; the score of every segment is exp(mean log-probability of the answer's tokens)."""
    collate, left, found = Collate(listener.lalm.frontend, listener.tasks), iter(samples), []
    while part := list(islice(left, listener.batch_size)):
        batch = collate(part).to(listener.device)
        with listener.precision():
            found += scored_batch(listener, batch)
    return found


def scored_batch(listener: Listener, batch: Batch) -> list[Prediction]:
    lalm = listener.lalm
    frames = lalm.encode_audio(batch.features, batch.feature_mask)
    positions = lalm.positions(batch.prompt_ids, batch.prompt_mask)
    prefix = prefill(lalm, lalm.embed(batch.prompt_ids, frames), batch.prompt_mask, positions)
    said = sample(lalm, prefix, group_size=1, max_new_tokens=MAX_ANSWER_TOKENS, warp=None)
    logp_BGR = answer_logprobs_behind(lalm, prefix, said.answer_ids, said.answer_mask)
    scores = (logp_BGR.sum(-1) / said.answer_mask.sum(-1))[:, 0].exp().clamp(max=1).tolist()
    found = []
    for example, ids, sure in zip(batch.examples, said.answer_ids[:, 0].tolist(), scores, strict=True):
        read = listener.tasks[example.task].parse(lalm.frontend.text(ids))
        found.append(replace(read, events=tuple(replace(event, score=sure) for event in read.events)))
    return found


def figures(
    task: ScoredTask, samples: Sequence[Sample], systems: Mapping[str, tuple[float, list[Prediction]]]
) -> dict[str, Any]:
    """Of each system its metrics in percent with the difference to the greedy answer, ECE, and seconds a clip."""
    examples, found = [one.example for one in samples], {}
    greedy: Scores | None = None
    for name, (seconds, predictions) in systems.items():
        metrics = list(task.metrics())
        if task.takes_query and not any(isinstance(metric, Moments) for metric in metrics):
            metrics.append(Moments())
        scores = score(metrics, list(zip(predictions, examples, strict=True)))
        greedy = greedy or scores
        sure, right = judged(predictions, examples, by_label=bool(task.classes))
        scored = reliability(list(sure), list(right))
        chosen = [metric for metric in SHOWN if metric in scores.values]
        apart = difference_intervals([scores], [greedy])
        found[name] = {
            **{metric: scores.values[metric] for metric in chosen},
            "minus greedy, 95%": {metric: list(apart[metric]) for metric in chosen},
            "ECE": 100 * scored.ece if scored.counts else None,
            "seconds": seconds / len(samples),
            "reliability": {"scores": scored.scores, "right": scored.right, "counts": scored.counts},
        }
    return {"title": task.title, "questions": len(samples), "systems": found}


def lines(systems: Mapping[str, Any]) -> dict[str, Reliability]:
    """Those that the picture shows: scores are the same whatever share of the votes makes an event."""
    shown = [name for name in systems if "share" not in name and name != GREEDY]
    return {name: Reliability(**systems[name]["reliability"]) for name in shown}


def table(found: Mapping[str, Any]) -> str:
    """A table of Markdown for each task; * where the interval of the difference to the greedy answer excludes 0."""
    text = ""
    for of_task in found.values():
        systems = of_task["systems"]
        chosen = [metric for metric in SHOWN if metric in systems[GREEDY]]
        text += f"{of_task['title']}, {of_task['questions']} questions\n\n"
        text += f"| | {' | '.join([*chosen, 'ECE', 's a question'])} |\n|---|{'---|' * (len(chosen) + 2)}\n"
        for name, of in systems.items():
            cells = [f"{of[metric]:.1f}{starred(*of['minus greedy, 95%'][metric])}" for metric in chosen]
            ece = "-" if of["ECE"] is None else f"{of['ECE']:.1f}"
            text += f"| {name} | {' | '.join([*cells, ece, format(of['seconds'], '.2f')])} |\n"
        text += "\n"
    return text


def starred(low: float, high: float) -> str:
    return "*" if math.isfinite(low) and (low > 0 or high < 0) else ""


if __name__ == "__main__":
    main()
