from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from timepro_lit.figures.table import Cell, results, results_table

REPORT: dict[str, Any] = {
    "zero_shot": {"ag": {"mIoU": 11.9}, "sed": {"Eb-F1": 3.4}, "parse_rate": 61.0},
    "sft": {"ag": {"mIoU": 71.7}, "sed": {"Eb-F1": 50.1}, "parse_rate": 99.8},
    "grpo": {"ag": {"mIoU": 74.4}, "sed": {"Eb-F1": 49.0}, "parse_rate": 100.0},
    "n_test": 1200,
    "intervals": {
        "sft": {"ag": {"mIoU": [68.2, 74.9]}, "parse_rate": [99.1, 100.0]},
        "sft - zero_shot": {"ag": {"mIoU": [56.0, 63.1]}},
        "grpo - sft": {"ag": {"mIoU": [-0.4, 5.2]}, "sed": {"Eb-F1": [-2.0, -0.2]}},
    },
}


def test_rows_are_the_systems_and_then_their_differences() -> None:
    found = results(REPORT)
    assert [row.name for row in found.rows] == [
        "Zero-shot",
        "SFT with the time prompt",
        "After GRPO",
        "SFT − Zero-shot",
        "GRPO − SFT",
    ]
    assert [column.heading for column in found.columns] == ["AG mIoU", "SED Eb-F1", "Parse rate"]
    assert [cell.value_text for cell in found.rows[1].cells] == ["71.7", "50.1", "99.8"]
    assert [cell.interval_text for cell in found.rows[1].cells] == ["68.2–74.9", "", "99.1–100.0"]
    assert [cell.value_text for cell in found.rows[4].cells] == ["+2.7", "−1.1", "+0.2"]
    assert found.rows[4].cells[0].interval_text == "−0.4 to 5.2"


def test_what_must_be_known_about_the_data_stands_below() -> None:
    console = Console(file=io.StringIO(), width=100)
    console.print(results_table(REPORT | {"note": "not the paper's test set"}))
    assert "not the paper's test set" in console.file.getvalue()  # type: ignore[attr-defined]


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
    found = results({key: value for key, value in REPORT.items() if key != "grpo"})
    assert [row.short for row in found.rows] == ["Zero-shot", "SFT", "SFT − Zero-shot"]


def test_values_that_do_not_exist_are_dashes() -> None:
    found = results({"zero_shot": {"ag": {"mIoU": None}}, "sft": {"ag": {"mIoU": 5.0}, "sed": {"Eb-F1": float("nan")}}})
    assert [[cell.value_text for cell in row.cells] for row in found.rows] == [["–"], ["5.0"], ["–"]]


def test_a_report_without_any_system_is_refused() -> None:
    with pytest.raises(ValueError, match="none of the rows zero_shot, sft, grpo"):
        results({"n_test": 3})


def test_the_full_terminal_table_fits_80_columns_uncut() -> None:
    metrics = {"ag": dict.fromkeys(("mIoU", "R@0.5", "R@0.7", "R@0.9"), 77.7), "sed": {"Eb-F1": 100.0}}
    metrics |= {"dac": {"METEOR": 33.3, "Eb-F1": 40.0}, "parse_rate": 100.0}
    bounds = {"ag": {"mIoU": [95.5, 100.0]}, "parse_rate": [100.0, 100.0]}
    intervals = dict.fromkeys(("zero_shot", "sft", "grpo"), bounds)
    intervals |= {"sft - zero_shot": {"ag": {"mIoU": [60.5, 100.0]}}, "grpo - sft": {"ag": {"mIoU": [-10.0, 5.2]}}}
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(results_table({"zero_shot": metrics, "sft": metrics, "grpo": metrics, "intervals": intervals}))
    text = console.export_text()
    assert "…" not in text
    assert "60.5 to 100.0" in text
    assert "−10.0 to 5.2" in text
    assert "DAC METEOR" in text
