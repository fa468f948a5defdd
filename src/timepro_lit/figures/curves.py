"""Learning curves as inline SVG: colours and text size come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from matplotlib.ticker import MaxNLocator

Rows = Sequence[Mapping[str, float]]
"""The rows of one stage's metrics.csv: column -> number, empty fields left out, always with "step"."""
Point = tuple[float, float]

TRAIN_LOSS = "train/loss"
REWARD = "grpo/reward"
KL = "grpo/kl"
SWITCHED = "grpo/switched"
"""Share of groups that were flat under the main reward, so that the auxiliary one came in."""
NO_SIGNAL = "grpo/no_signal"
"""Share of groups whose final rewards are all equal."""

NUM_COLORS = 8
"""Series colours of the page."""
_MAX_POINTS = 300
_WIDTH, _HEIGHT = 440, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 14, 34


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: (step, value) points in step order."""

    name: str
    points: Sequence[Point]
    color: int
    """Index of a series colour of the page."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the horizontal axis with its own steps: a stage of the training."""

    name: str
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture with a caption."""

    title: str
    note: str
    svg: str
    legend: Sequence[tuple[str, int]] = ()
    """Name and series colour of each line; empty where there is only one."""


def learning_charts(stages: Mapping[str, Rows], watched: Sequence[tuple[str, str]]) -> list[Chart]:
    """The charts that the stages have columns for, in the order of the training.

    `stages` are in this order, under the names to show; `watched` are the (task, metric) to follow in validation.
    """
    losses = [_loss_chart(name, rows) for name, rows in stages.items()]
    rewards = [chart for name, rows in stages.items() for chart in _reward_charts(name, rows)]
    return [chart for chart in (*losses, _validation_chart(stages, watched), *rewards) if chart is not None]


def series(rows: Rows, column: str) -> list[Point]:
    """(step, value) of the finite values of one column, in step order; of a repeated step the last row counts."""
    found = {row["step"]: row[column] for row in rows if column in row and math.isfinite(row[column])}
    return sorted(found.items())


def thinned(points: Sequence[Point], max_points: int = _MAX_POINTS) -> list[Point]:
    """At most `max_points` points, each the mean of a run of neighbours.

    >>> thinned([(0, 1.0), (1, 3.0), (2, 5.0), (3, 7.0)], max_points=2)
    [(0.5, 2.0), (2.5, 6.0)]
    """
    size = math.ceil(len(points) / max_points) if points else 1
    runs = [points[i : i + size] for i in range(0, len(points), size)] if size > 1 else []
    return [(sum(x for x, _ in r) / len(r), sum(y for _, y in r) / len(r)) for r in runs] if runs else list(points)


def smoothed(points: Sequence[Point]) -> list[Point]:
    """Centred running mean over about a tenth of the curve; at the ends over the part of the window that exists."""
    reach = len(points) // 20
    windows = [points[max(0, i - reach) : i + reach + 1] for i in range(len(points))]
    return [(x, sum(y for _, y in near) / len(near)) for (x, _), near in zip(points, windows, strict=True)]


def line_chart(
    segments: Sequence[Segment], alt: str, y_range: tuple[float, float] | None, percent: bool = False
) -> str:
    """SVG of one or more segments side by side over one vertical axis.

    Curves of more than 30 points are drawn twice, faint as they are and strong as a running mean.
    `y_range` None fits the data; `percent` multiplies the tick labels by 100.
    """
    values = [y for s in segments for line in s.lines for _, y in line.points]
    ticks = MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(*(y_range or _padded(min(values), max(values))))
    low, high = (y_range[0], y_range[1]) if y_range else (float(ticks[0]), float(ticks[-1]))
    ticks = [float(t) for t in ticks if low - 1e-9 <= t <= high + 1e-9]

    def y_at(value: float) -> float:
        return _TOP + (1 - (value - low) / (high - low)) * (_HEIGHT - _TOP - _BOTTOM)

    decimals = next(n for n in range(20) if all(abs(round(t, n) - t) < 1e-6 * (high - low) for t in ticks))
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(alt + _in_words(segments))}">']
    for tick in ticks:
        text = f"{tick * 100:.0f}%" if percent else f"{tick:.{decimals}f}"
        y = y_at(tick)
        parts.append(f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    room = (_WIDTH - _LEFT - _RIGHT) / len(segments)
    for index, segment in enumerate(segments):
        parts += _segment(segment, _LEFT + index * room, room, y_at, labelled=len(segments) > 1, is_first=index == 0)
    return "".join(parts) + "</svg>"


def _in_words(segments: Sequence[Segment]) -> str:
    """Where each curve begins and ends.

    >>> _in_words([Segment("SFT", [Line("AG mIoU", [(1, 30.0), (9, 71.25)], 0)])])
    ': SFT, AG mIoU from 30 to 71.2'
    """
    told = [
        f"{', '.join(filter(None, (segment.name, line.name)))} from {line.points[0][1]:.3g} to {line.points[-1][1]:.3g}"
        for segment in segments
        for line in segment.lines
        if line.points
    ]
    return f": {'; '.join(told)}" if told else ""


def _segment(
    segment: Segment, left: float, width: float, y_at: Callable[[float], float], labelled: bool, is_first: bool
) -> list[str]:
    last = max((x for line in segment.lines for x, _ in line.points), default=0)
    gap = 10 if labelled else 0

    def x_at(step: float) -> float:
        return left + gap / 2 + (step / last if last else 0.5) * (width - gap)

    bottom = _HEIGHT - _BOTTOM
    parts = []
    if not is_first:
        parts.append(f'<line class="divide" x1="{left:.1f}" x2="{left:.1f}" y1="{_TOP - 8}" y2="{bottom}"/>')
    if labelled:
        parts.append(f'<text class="stage" x="{left + 8:.1f}" y="{_TOP + 2}">{escape(segment.name)}</text>')
    ticks = MaxNLocator(nbins=3 if labelled else 4, integer=True).tick_values(0, last or 1)
    shown = [tick for tick in ticks if tick <= last]
    for tick in shown if is_first else shown[1:]:
        parts.append(f'<text x="{x_at(tick):.1f}" y="{bottom + 16}" text-anchor="middle">{tick:.0f}</text>')
    parts.append(f'<text x="{left + width / 2:.1f}" y="{_HEIGHT - 3}" text-anchor="middle">step</text>')
    for line in segment.lines:
        parts += _strokes(line, x_at, y_at)
    return parts


def _strokes(line: Line, x_at: Callable[[float], float], y_at: Callable[[float], float]) -> list[str]:
    def path(points: Sequence[Point], css: str) -> str:
        joined = " ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in points)
        return f'<polyline class="{css} s{line.color}" points="{joined}"/>'

    points = thinned(line.points)
    if len(points) > 30:
        return [path(points, "raw"), path(smoothed(points), "curve")]
    dots = [f'<circle class="dot s{line.color}" cx="{x_at(x):.1f}" cy="{y_at(y):.1f}" r="2.4"/>' for x, y in points]
    return [path(points, "curve"), *dots]


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = (high - low) * 0.05 or abs(high) * 0.1 or 1.0
    padded = low - margin
    return (0.0 if low >= 0 > padded else padded), high + margin


def _loss_chart(stage: str, rows: Rows) -> Chart | None:
    return _single(rows, TRAIN_LOSS, f"{stage} loss", "Cross-entropy on the answer tokens.")


def _reward_charts(stage: str, rows: Rows) -> list[Chart | None]:
    return [
        _single(rows, REWARD, f"{stage} reward", "Mean reward of the sampled answers, between 0 and 1."),
        _single(
            rows,
            KL,
            f"KL to the model before {stage}",
            f"Distance from the model {stage} started with, in nats a token.",
        ),
        _flat_chart(rows),
    ]


def _single(rows: Rows, column: str, title: str, note: str) -> Chart | None:
    points = series(rows, column)
    if not points:
        return None
    svg = line_chart([Segment("", [Line(title, points, 0)])], f"{title} over the training steps", None)
    return Chart(title, note, svg)


def _validation_chart(stages: Mapping[str, Rows], watched: Sequence[tuple[str, str]]) -> Chart | None:
    segments = []
    for name, rows in stages.items():
        lines = [
            Line(f"{task.upper()} {metric}", series(rows, f"val/{task}/{metric}"), i % NUM_COLORS)
            for i, (task, metric) in enumerate(watched)
        ]
        if any(line.points for line in lines):
            segments.append(Segment(name, [line for line in lines if line.points]))
    if not segments:
        return None
    shown = sorted({(line.color, line.name) for s in segments for line in s.lines})
    svg = line_chart(segments, "validation metrics over the training steps", None)
    return Chart("Validation metrics", "In percent, on clips the training never saw.", svg, [(n, c) for c, n in shown])


def _flat_chart(grpo: Rows) -> Chart | None:
    before, after = series(grpo, SWITCHED), series(grpo, NO_SIGNAL)
    if not after:
        return None
    lines = [Line("before (main reward alone)", before, 5), Line("after the adaptive reward", after, 2)]
    if not any(share for _, share in before):  # no group ever switched: a run without an auxiliary reward
        lines = [Line("main reward alone", after, 5)]
    svg = line_chart([Segment("", lines)], "share of groups without reward variance", (0.0, 1.0), percent=True)
    shares = " and ".join(f"{sum(y for _, y in s.points) / len(s.points):.0%} {s.name}" for s in lines)
    note = f"A group whose answers all score the same teaches nothing. Over the run: {shares}."
    return Chart("Groups without reward variance", note, svg, [(line.name, line.color) for line in lines])
