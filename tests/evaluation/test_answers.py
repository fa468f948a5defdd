from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from timepro_lit.evaluation.answers import is_complete, read_answers, write_evaluation
from timepro_lit.evaluation.numbers import figures_of, scores_by_task
from timepro_lit.records import Answer, Event, Example
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.sound_events import SoundEventDetection

TASKS = {"ag": Grounding(), "sed": SoundEventDetection(["dog"])}


def answer(number: int, task: str, text: str) -> Answer:
    query = "a dog barks" if task == "ag" else None
    events = (Event(1.0, 2.0, query or "dog"),)
    example = Example(f"{number}-{task}", task, f"{number}.flac", 4.0, events, query)
    return Answer(example, TASKS[task].prompt(example), text, TASKS[task].parse(text), truncated=False)


EXACT = [answer(n, "ag", '{"a dog barks": [1.00, 2.00]}') for n in range(2)]
ODD = [
    answer(0, "sed", '{"dog": [1.00, 2.00]}'),
    answer(1, "sed", "I hear a dog."),
    answer(2, "sed", '\u2028 "quotes" \x00\n{"dog": [3.00, 9.00]}'),
]


def test_predictions_read_back_give_the_same_scores(tmp_path: Path) -> None:
    scores = scores_by_task([*EXACT, *ODD], TASKS)
    write_evaluation(tmp_path, [*EXACT, *ODD], scores, lambda audio: f"/somewhere/{audio}", {})
    again = scores_by_task(read_answers(tmp_path, TASKS), TASKS)
    assert {task: s.values for task, s in again.items()} == {task: s.values for task, s in scores.items()}
    # A run that was interrupted pairs answers that it reads with answers that it has just got.
    between = figures_of({"sft": again, "grpo": scores}, TASKS)["intervals"]["grpo - sft"]
    assert between["ag"]["mIoU"] == between["sed"]["Eb-F1"] == (0.0, 0.0)


def test_every_answer_has_a_line_and_a_summary_says_what_was_odd(tmp_path: Path) -> None:
    assert not is_complete(tmp_path)
    answers = [*EXACT, *ODD]
    write_evaluation(tmp_path, answers, scores_by_task(answers, TASKS), lambda audio: f"/there/{audio}", {"silent": 2})
    assert is_complete(tmp_path)
    first = json.loads((tmp_path / "predictions.jsonl").read_text().split("\n")[0])
    assert (first["audio"], first["clip"], first["scores"]["IoU"]) == ("/there/0.flac", "0.flac", 100.0)
    summary = json.loads((tmp_path / "scores.json").read_text())
    assert summary["all"] == {"parse_rate": 80.0, "truncated": 0.0}
    assert summary["skipped"] == {"silent": 2}
    assert summary["repairs"] == {"prose": 2, "unclear": 1}


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"task": "dac"}, "is no answer of this run: KeyError('dac')"),
        ({"reference": [1]}, "is no answer of this run: TypeError"),
        ({"reference": [["1", 2.0, "dog"]]}, "onset must be a number of seconds"),
        ({"duration_s": float("nan")}, "NaN is not a number"),
        ({"clip": "../a.flac"}, "audio must be a plain path"),
        ({"text": 3}, "prompt and text must be text"),
    ],
)
def test_an_answer_that_is_none_is_named(tmp_path: Path, changed: dict[str, Any], fault: str) -> None:
    write_evaluation(tmp_path, EXACT, scores_by_task(EXACT, TASKS), str, {})
    path = tmp_path / "predictions.jsonl"
    first, second = map(json.loads, path.read_text().splitlines())
    path.write_text(f"{json.dumps(first)}\n{json.dumps(second | changed)}\n")
    with pytest.raises(ValueError) as refusal:
        read_answers(tmp_path, TASKS)
    assert str(refusal.value).startswith(f"{path}:2: ")
    assert fault in str(refusal.value)
    path.write_text("{")
    with pytest.raises(ValueError, match=r"predictions\.jsonl:1: is no answer of this run"):
        read_answers(tmp_path, TASKS)
