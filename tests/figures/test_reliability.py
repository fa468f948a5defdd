from __future__ import annotations

import io

from timepro_lit.figures.reliability import reliability_figure
from timepro_lit.metrics.calibration import reliability


def test_each_task_has_a_panel_and_each_system_a_line() -> None:
    votes, none = reliability([0.25, 0.75, 1.0], [False, True, True]), reliability([], [])
    figure = reliability_figure({"Audio grounding": {"8 votes": votes, "greedy": none}, "$x^": {"8 votes": votes}})
    first, second = figure.axes
    assert [text.get_text() for text in first.get_legend().get_texts()] == ["8 votes", "greedy"]
    assert first.get_title(loc="left") == "Audio grounding" and second.get_title(loc="left") == "$x^"
    assert list(first.lines[1].get_ydata()) == [0.0, 1.0, 1.0]
    figure.savefig(io.BytesIO(), format="png")
