from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from timepro_lit.figures.curves import Line, Segment, learning_charts, line_chart, series, smoothed, thinned

SFT = [{"step": float(s), "train/loss": 2.0 / (s + 1)} for s in range(50)] + [
    {"step": 25.0, "val/ag/mIoU": 20.0},
    {"step": 50.0, "val/ag/mIoU": 40.0, "val/sed/Eb-F1": 30.0},
]
GRPO = [
    {"step": float(s), "grpo/reward": 0.5, "grpo/kl": 0.01 * s, "grpo/switched": 0.5, "grpo/no_signal": 0.25}
    for s in range(10)
] + [{"step": 10.0, "val/ag/mIoU": 44.0}]


WATCHED = [("ag", "mIoU"), ("sed", "Eb-F1"), ("dac", "METEOR")]


def test_charts_follow_the_columns_there_are() -> None:
    titles = [chart.title for chart in learning_charts({"SFT": SFT, "GRPO": GRPO}, WATCHED)]
    assert titles == [
        "SFT loss",
        "Validation metrics",
        "GRPO reward",
        "KL to the model before GRPO",
        "Groups without reward variance",
    ]
    assert [chart.title for chart in learning_charts({"SFT": SFT}, WATCHED)] == ["SFT loss", "Validation metrics"]
    assert [chart.title for chart in learning_charts({"SFT": SFT}, [])] == ["SFT loss"]
    assert learning_charts({}, WATCHED) == []


def test_any_stage_may_learn_from_answers_or_from_rewards() -> None:
    both = learning_charts({"Warm-up": SFT, "Polish": SFT, "DAPO": GRPO}, WATCHED)
    assert [chart.title for chart in both][:4] == ["Warm-up loss", "Polish loss", "Validation metrics", "DAPO reward"]


def test_every_chart_is_well_formed_svg_with_its_points_inside() -> None:
    for chart in learning_charts({"SFT": SFT, "GRPO": GRPO}, WATCHED):
        svg = ElementTree.fromstring(chart.svg)
        _, _, width, height = map(float, svg.attrib["viewBox"].split())
        lines = svg.findall("polyline")
        assert lines
        for line in lines:
            for point in line.attrib["points"].split():
                x, y = map(float, point.split(","))
                assert 0 <= x <= width
                assert 0 <= y <= height


def test_validation_shows_both_stages_and_the_legend_only_metrics_that_exist() -> None:
    chart = learning_charts({"SFT": SFT, "GRPO": GRPO}, WATCHED)[1]
    texts = [text.text for text in ElementTree.fromstring(chart.svg).findall("text")]
    assert {"SFT", "GRPO"} <= set(texts)
    assert [name for name, _ in chart.legend] == ["AG mIoU", "SED Eb-F1"]


def test_flat_groups_are_told_before_and_after() -> None:
    chart = learning_charts({"GRPO": GRPO}, WATCHED)[-1]
    assert chart.note.endswith("50% before (main reward alone) and 25% after the adaptive reward.")


def test_without_an_auxiliary_reward_there_is_only_one_flat_share() -> None:
    rows = [{"step": float(s), "grpo/switched": 0.0, "grpo/no_signal": 0.5} for s in range(3)]
    [chart] = learning_charts({"GRPO": rows}, WATCHED)
    assert [name for name, _ in chart.legend] == ["main reward alone"]
    assert chart.note.endswith("50% main reward alone.")


def test_constant_and_single_point_curves_are_drawn() -> None:
    [chart] = learning_charts({"SFT": [{"step": 0.0, "train/loss": 0.0}]}, WATCHED)
    assert "nan" not in chart.svg


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ((30.0, 39.0), ["27.5", "30.0", "32.5", "35.0", "37.5", "40.0"]),
        ((0.05, 0.95), ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        ((0.0, 39.0), ["0", "20", "40", "60"]),
    ],
)
def test_lines_are_labelled_with_where_they_stand(values: tuple[float, float], ticks: list[str]) -> None:
    chart = line_chart([Segment("", [Line("", list(enumerate(values)), 0)])], "", None)
    assert re.findall(r'text-anchor="end">([-0-9.]+)<', chart) == ticks


def test_series_drops_what_is_not_finite_and_keeps_the_last_of_a_step() -> None:
    rows = [{"step": 2.0, "a": 5.0}, {"step": 1.0, "a": math.nan}, {"step": 0.0, "a": 1.0}, {"step": 2.0, "a": 6.0}]
    assert series(rows, "a") == [(0.0, 1.0), (2.0, 6.0)]


def test_thinning_and_smoothing_keep_the_mean() -> None:
    points = [(float(x), float(x % 2)) for x in range(1000)]
    thin = thinned(points, 300)
    assert len(thin) == 250
    assert {y for _, y in thin} == {0.5}
    smooth = smoothed(points[:40])
    assert [x for x, _ in smooth] == [x for x, _ in points[:40]]
    assert max(abs(y - 0.5) for _, y in smooth) < 0.2
