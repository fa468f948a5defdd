"""Curves of several attempts at a stage are those of one."""

from __future__ import annotations

from pathlib import Path

from timepro_lit.lit.curve_rows import parse_rows, read_rows, rows_before, text_of


def test_a_torn_line_and_empty_fields_are_left_out(tmp_path: Path) -> None:
    assert read_rows(tmp_path / "none.csv") == []
    (tmp_path / "metrics.csv").write_text("step,loss\n2,6\n3,\n,")
    assert read_rows(tmp_path / "metrics.csv") == [{"step": "2", "loss": "6"}, {"step": "3"}]


def test_what_was_logged_before_a_state() -> None:
    rows = parse_rows("step,loss,val/ag/mIoU\n0,9,\n1,8,\n1,,40\n2,7,\n3,,50\n")
    assert [row["step"] for row in rows_before(rows, 2, validation_is_due=False)] == ["0", "1", "1"]
    assert [row.get("loss") for row in rows_before(rows, 2, validation_is_due=True)] == ["9", "8"]


def test_columns_that_came_later_are_columns_of_all() -> None:
    rows = [*parse_rows("step,loss\n0,9\n"), *parse_rows("step,other\n1,3\n")]
    assert text_of(rows) == "loss,other,step\n9,,0\n,3,1\n"
