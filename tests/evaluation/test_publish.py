from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from timepro_lit.evaluation.answers import write_evaluation
from timepro_lit.evaluation.numbers import scores_by_task
from timepro_lit.evaluation.publish import code_version, publish, report_of, table_of
from timepro_lit.metrics.base import FloatArray, SumMetric, ratio
from timepro_lit.metrics.parse_rate import ParseRate
from timepro_lit.records import Answer, Event, Example, Prediction, Row, RunDescription
from timepro_lit.runs.origin import Grounds, Origin
from timepro_lit.tasks.grounding import Grounding


class RightNumber(SumMetric):
    """The share of answers that hold as many events as there are."""

    def __init__(self) -> None:
        super().__init__(num_sums=2)

    def rows(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> FloatArray:
        right = [len(p.events) == len(e.events) for p, e in zip(predictions, examples, strict=True)]
        return np.stack([np.ones(len(right)), np.array(right, dtype=np.float64)], axis=1)

    def values(self, sums: FloatArray) -> dict[str, FloatArray]:
        return {"right_number": 100.0 * ratio(sums[..., 1], sums[..., 0])}

    def clip_scores(self, prediction: Prediction, example: Example) -> dict[str, float]:
        return {"right": 100.0 * (len(prediction.events) == len(example.events))}


class Knocks:
    """A task that nobody else knows: an answer of n letters k stands for n knocks."""

    name = "knocks"
    title = "Knocks on the door"
    takes_query = False
    classes = ()
    headline = ("right_number",)
    watched = ("right_number",)
    clip_score = "right"

    def prompt(self, example: Example) -> str:
        return "Who knocks?"

    def target(self, example: Example) -> str:
        return "k" * len(example.events)

    def parse(self, text: str) -> Prediction:
        return Prediction((Event(0.0, 1.0, "knock"),) * text.count("k"), readable=True)

    def metrics(self) -> tuple[SumMetric, ...]:
        return RightNumber(), ParseRate()


TASKS = {"ag": Grounding(), "knocks": Knocks()}
ROWS = (
    Row("zero_shot", "Zero-shot", "Zero-shot", "is the base model as it comes"),
    Row("warm_up", "Warm-up without timestamps", "Warm-up", "teaches the model to count"),
)
DESCRIBED = RunDescription("doorstep", "embedded", "tiny_base", (1, 2), ROWS)


def answers(right: int) -> list[Answer]:
    """Four clips with a question of each task, of which the first `right` clips are answered exactly."""
    given = []
    for number in range(4):
        for name, task in TASKS.items():
            query = "a knock" if task.takes_query else None
            example = Example(f"{number}-{name}", name, f"{number}.flac", 4.0, (Event(1.0, 2.0, "knock"),), query)
            text = {"ag": "[1.00, 2.00]", "knocks": "k"}[name] if number < right else "kk"
            given.append(Answer(example, task.prompt(example), text, task.parse(text), truncated=False))
    return given


def write_run(directory: Path, **right: int) -> Path:
    """A run directory with an evaluation of each row, of which `right` clips were answered exactly."""
    for row, number in right.items():
        given = answers(number)
        write_evaluation(
            directory / "evaluation" / row,
            given,
            scores_by_task(given, TASKS),
            str,
            {},
            Origin({}, {}),
            Grounds({}, {}),
        )
    (directory / "warm_up").mkdir()
    (directory / "warm_up" / "metrics.csv").write_text("step,val/knocks/right_number\n1,10\n2,20\n")
    return directory


def words(text: str) -> str:
    return " ".join(text.split())


def test_report_table_and_page_say_what_the_figures_are_of(tmp_path: Path) -> None:
    scored = {"zero_shot": scores_by_task(answers(0), TASKS), "warm_up": scores_by_task(answers(4), TASKS)}
    report = report_of(scored, TASKS, DESCRIBED, note="four clips alone")
    code = report["run"]["code"]
    assert code.startswith("timepro_lit ")
    assert report["run"] == {
        "name": "doorstep", "scale": "embedded", "model": "tiny_base", "seeds": [1, 2], "code": code
    }  # fmt: skip
    said = f"doorstep, scale embedded, tiny_base, seeds 1, 2, {code}"
    page = publish(tmp_path, report).read_text(encoding="utf-8")
    for text in (words(table_of(report)), page):
        assert said in text
        assert "four clips alone" in text
    assert "<b>Warm-up</b> teaches the model to count." in page
    assert json.loads((tmp_path / "report.json").read_text())["rows"]["warm_up"]["name"] == "Warm-up without timestamps"


def test_another_split_is_called_by_its_name(tmp_path: Path) -> None:
    run, scored = write_run(tmp_path, warm_up=3), {"warm_up": scores_by_task(answers(3), TASKS)}
    of_test, of_val = (report_of(scored, TASKS, DESCRIBED, split=split) for split in ("test", "val"))
    assert of_val == of_test | {"split": "val"}
    table, page = words(table_of(of_val)), publish(run, of_val).read_text(encoding="utf-8")
    assert "results on the val clips, in percent" in table and "bootstrap over 4 val examples of each task" in table
    assert "measured on the val clips." in page and "4 val examples of each task" in page and "4 val clips" in page
    assert not re.search(r"\btest (clip|example)", table + page)
    assert "results on the test clips" in words(table_of(of_test))


def test_a_row_that_was_not_evaluated_is_left_out() -> None:
    report = report_of({"warm_up": scores_by_task(answers(4), TASKS)}, TASKS, DESCRIBED)
    assert list(report["rows"]) == list(report["scores"]) == list(report["intervals"]) == ["warm_up"]
    assert "note" not in report


def test_a_task_that_nobody_else_knows_is_shown_by_what_it_says_of_itself(tmp_path: Path) -> None:
    run = write_run(tmp_path, zero_shot=1, warm_up=3)
    scored = {"zero_shot": scores_by_task(answers(1), TASKS), "warm_up": scores_by_task(answers(3), TASKS)}
    report = report_of(scored, TASKS, DESCRIBED)
    assert report["tasks"]["knocks"] == {
        "title": "Knocks on the door", "takes_query": False, "classes": (), "headline": ("right_number",),
        "watched": ("right_number",), "clip_score": "right",
    }  # fmt: skip
    assert report["scores"]["warm_up"]["knocks"] == {"right_number": 75.0}
    assert "KNOCKS Right number 25.0 75.0 +50.0" in words(table_of(report))
    page = publish(run, report).read_text(encoding="utf-8")
    assert '<th colspan="1" scope="colgroup">Knocks on the door</th>' in page
    assert ">Right number</th>" in page
    assert "<span>Knocks on the door</span>" in page and "<em>100</em>" in page  # beside an answer to a clip
    assert "Validation metrics" in page and "<h4>Knocks on the door</h4>" in page


def test_the_code_is_named_by_its_version_and_in_a_checkout_by_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    said = f"timepro_lit {version('timepro_lit')}"
    assert code_version().startswith(said)
    monkeypatch.setenv("PATH", "")  # no git
    assert code_version() == said
