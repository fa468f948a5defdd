from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from timepro_lit.figures.table import Cell, results, results_table

SCORES: dict[str, Any] = {
    "zero_shot": {"ag": {"mIoU": 11.9}, "sed": {"Eb-F1": 3.4}, "parse_rate": 61.0},
    "sft": {"ag": {"mIoU": 71.7}, "sed": {"Eb-F1": 50.1}, "parse_rate": 99.8},
    "grpo": {"ag": {"mIoU": 74.4}, "sed": {"Eb-F1": 49.0}, "parse_rate": 100.0},
}
ROWS = {
    "zero_shot": {"name": "Zero-shot", "short": "Zero-shot"},
    "sft": {"name": "SFT with the time prompt", "short": "SFT"},
    "grpo": {"name": "GRPO, adaptive reward", "short": "GRPO"},
}
TASKS = {
    "ag": {"title": "Audio grounding", "headline": ["mIoU"]},
    "sed": {"title": "Sound event detection", "headline": ["Eb-F1"]},
}
REPORT: dict[str, Any] = {
    "run": {"name": "demo", "scale": "embedded", "model": "tiny_base", "seeds": [1], "code": "timepro_lit 0.1.0"},
    "tasks": TASKS,
    "rows": ROWS,
    "scores": SCORES,
    "n_test": 1200,
    "intervals": {
        "sft": {"ag": {"mIoU": [68.2, 74.9]}, "parse_rate": [99.1, 100.0]},
        "sft - zero_shot": {"ag": {"mIoU": [56.0, 63.1]}},
        "grpo - sft": {"ag": {"mIoU": [-0.4, 5.2]}, "sed": {"Eb-F1": [-2.0, -0.2]}},
    },
}


def printed(report: dict[str, Any]) -> str:
    """The table for a terminal of 80 columns, each run of white space one space."""
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(results_table(report))
    return " ".join(console.export_text().split())


def test_rows_are_those_of_the_report_and_then_their_differences() -> None:
    found = results(REPORT)
    assert [row.name for row in found.rows] == [
        "Zero-shot",
        "SFT with the time prompt",
        "GRPO, adaptive reward",
        "SFT − Zero-shot",
        "GRPO − SFT",
    ]
    assert [column.heading for column in found.columns] == ["AG mIoU", "SED Eb-F1", "Parse rate"]
    assert [column.group for column in found.columns] == ["Audio grounding", "Sound event detection", "All tasks"]
    assert [cell.value_text for cell in found.rows[1].cells] == ["71.7", "50.1", "99.8"]
    assert [cell.interval_text for cell in found.rows[1].cells] == ["68.2–74.9", "", "99.1–100.0"]
    assert [cell.value_text for cell in found.rows[4].cells] == ["+2.7", "−1.1", "+0.2"]
    assert found.rows[4].cells[0].interval_text == "−0.4 to 5.2"


def test_what_the_figures_are_of_and_what_must_be_known_about_the_data() -> None:
    text = printed(REPORT | {"note": "not the paper's test set"})
    assert text.startswith("demo, scale embedded, tiny_base, seed 1, timepro_lit 0.1.0: results on the test clips")
    assert "SFT: SFT with the time prompt; GRPO: GRPO, adaptive reward" in text
    assert "1,200 test examples" in text and text.endswith("not the paper's test set")


def test_an_experiment_that_both_names_begin_with_is_said_once() -> None:
    rows = {"a": {"name": "astp: SFT with the time prompt", "short": "astp"}}
    rows["b"] = {"name": "rl: GRPO, adaptive reward", "short": "rl: GRPO"}
    text = printed(REPORT | {"rows": rows, "scores": {key: REPORT["scores"]["sft"] for key in rows}})
    assert "astp: SFT with the time prompt; rl: GRPO: GRPO, adaptive reward" in text


def test_a_report_that_does_not_say_what_it_is_of_has_a_table_all_the_same() -> None:
    text = printed({key: value for key, value in REPORT.items() if key not in ("run", "n_test", "intervals")})
    assert text.startswith("results on the test clips, in percent")
    assert "bootstrap over the test clips" in text
    assert "bootstrap over 1,050 AG and 7 SED test examples" in printed(REPORT | {"n_test": {"ag": 1050, "sed": 7}})


def test_names_with_brackets_stand_as_they_are() -> None:
    report = REPORT | {"run": {"name": "[/b] [red]"}, "rows": {"sft": {"name": "[/i]", "short": "SFT [bold]"}}}
    text = printed(report | {"note": "[/u]"})
    assert "[/b] [red]: results" in text and "SFT [bold]: [/i]" in text and "[/u]" in text


def test_only_differences_whose_interval_excludes_zero_are_marked() -> None:
    found = results(REPORT)
    assert [[cell.direction for cell in row.cells] for row in found.rows] == [
        [0, 0, 0],
        [0, 0, 0],
        [0, 0, 0],
        [1, 0, 0],
        [0, -1, 0],
    ]
    assert Cell(1.0, (0.0, 2.0), is_difference=True).direction == 0


def test_without_grpo_there_are_two_rows_and_one_difference() -> None:
    found = results(REPORT | {"rows": {key: row for key, row in ROWS.items() if key != "grpo"}})
    assert [row.short for row in found.rows] == ["Zero-shot", "SFT", "SFT − Zero-shot"]


def test_values_that_do_not_exist_are_dashes_and_columns_without_any_are_left_out() -> None:
    scores = {"zero_shot": {"ag": {"mIoU": None}}, "sft": {"ag": {"mIoU": 5.0}, "sed": {"Eb-F1": float("nan")}}}
    found = results({"rows": {key: ROWS[key] for key in scores}, "scores": scores, "tasks": TASKS})
    assert [[cell.value_text for cell in row.cells] for row in found.rows] == [["–"], ["5.0"], ["–"]]


@pytest.mark.parametrize("report", [{"n_test": 3}, {"rows": {}, "scores": {}}])
def test_a_report_without_any_row_is_refused(report: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the report holds no row"):
        results(report)


def test_the_full_terminal_table_fits_80_columns_uncut() -> None:
    headlines = {"ag": ("mIoU", "R@0.5", "R@0.7", "R@0.9"), "sed": ("Eb-F1",), "dac": ("METEOR", "Eb-F1")}
    tasks = {task: {"title": task, "headline": list(metrics)} for task, metrics in headlines.items()}
    scores = {task: dict.fromkeys(metrics, 100.0) for task, metrics in headlines.items()} | {"parse_rate": 100.0}
    intervals = {key: {"ag": {"mIoU": [95.5, 100.0]}, "parse_rate": [100.0, 100.0]} for key in ROWS}
    intervals |= {"sft - zero_shot": {"ag": {"mIoU": [60.5, 100.0]}}, "grpo - sft": {"ag": {"mIoU": [-10.0, 5.2]}}}
    text = printed(REPORT | {"tasks": tasks, "scores": dict.fromkeys(ROWS, scores), "intervals": intervals})
    assert "…" not in text
    assert "60.5 to 100.0" in text
    assert "−10.0 to 5.2" in text
    assert "DAC METEOR" in text
