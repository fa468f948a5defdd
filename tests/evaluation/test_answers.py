from __future__ import annotations

import json
from pathlib import Path

import pytest

from timepro_lit.evaluation.answers import pool, read_answers, report, score_answers, write_evaluation
from timepro_lit.inference.answering import Answer
from timepro_lit.metrics.event_f1 import EventF1
from timepro_lit.metrics.grounding import GroundingIoU
from timepro_lit.records import Event, Example
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.sound_events import SoundEventDetection

TASKS = {"ag": Grounding(), "sed": SoundEventDetection(["dog"])}
METRICS = {"ag": (GroundingIoU(),), "sed": (EventF1(0.2, ["dog"]),)}


def answer(number: int, task: str, text: str) -> Answer:
    query = "a dog barks" if task == "ag" else None
    events = (Event(1.0, 2.0, query or "dog"),)
    example = Example(f"{number}-{task}", task, f"{number}.flac", 4.0, events, query)
    return Answer(example, TASKS[task].prompt(example), text, TASKS[task].parse(text), truncated=False)


def system(right: int) -> list[Answer]:
    """Four clips, two questions each; the first `right` clips are answered exactly, one clip not readably."""
    exact, wrong = {"ag": '{"a dog barks": [1.00, 2.00]}', "sed": '{"dog": [1.00, 2.00]}'}, "I hear a dog."
    return [answer(n, task, exact[task] if n < right else wrong) for n in range(4) for task in ("ag", "sed")]


def test_scores_and_the_parse_rate_over_all_tasks() -> None:
    scores = score_answers(system(right=3), METRICS)
    assert scores["ag"].values["mIoU"] == 75.0
    assert scores["all"].values["parse_rate"] == 75.0


def test_predictions_read_back_give_the_same_scores(tmp_path: Path) -> None:
    answers = [*system(right=2)[:-1], answer(3, "sed", '\u2028 "quotes" \x00\n{"dog": [3.00, 9.00]}')]
    scores = score_answers(answers, METRICS)
    write_evaluation(tmp_path, answers, scores, lambda audio: f"/somewhere/{audio}", {"truncated": 2})
    again = score_answers(read_answers(tmp_path, TASKS), METRICS)
    assert {task: s.values for task, s in again.items()} == {task: s.values for task, s in scores.items()}
    summary = json.loads((tmp_path / "scores.json").read_text())
    assert summary["all"]["truncated"] == 0.0
    assert summary["skipped"] == {"truncated": 2}
    assert summary["repairs"] == {"prose": 4, "unclear": 3}
    first = json.loads((tmp_path / "predictions.jsonl").read_text().split("\n")[0])
    assert first["audio"] == "/somewhere/0.flac"
    # A run that was interrupted pairs answers that it reads with answers that it has just got.
    assert report({"sft": again, "grpo": scores})["intervals"]["grpo - sft"]["ag"]["mIoU"] == (0.0, 0.0)
    assert first["scores"]["IoU"] == 100.0


def test_the_report_pairs_each_row_with_the_one_before() -> None:
    rows = {"zero_shot": score_answers(system(right=0), METRICS), "sft": score_answers(system(right=4), METRICS)}
    numbers = report(rows | {"grpo": rows["sft"]})
    assert numbers["n_test"] == 4
    assert numbers["sft"] == {"ag": {"mIoU": 100.0, "R@0.5": 100.0, "R@0.7": 100.0, "R@0.9": 100.0},
                              "sed": {"Eb-F1": 100.0}, "parse_rate": 100.0}  # fmt: skip
    assert numbers["intervals"]["sft - zero_shot"]["ag"]["mIoU"] == (100.0, 100.0)
    assert numbers["intervals"]["grpo - sft"]["parse_rate"] == (0.0, 0.0)


def test_seeds_are_pooled_clip_by_clip() -> None:
    seeds = [score_answers(system(right), METRICS) for right in (1, 2, 3)]
    pooled = pool(seeds)
    assert pooled["ag"].values["mIoU"] == pytest.approx(50.0)  # (1 + 2 + 3) / 12
    assert len(pooled["ag"].rows) == 4  # clips, not answers, are what a bootstrap draws
    with pytest.raises(ValueError, match="not evaluated on the same ag examples"):
        pool([seeds[0], score_answers(system(3)[2:], METRICS)])
