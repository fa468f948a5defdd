"""The page of a report over many runs: all rows, their curves over each other, and the clips that tell most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from torch import Tensor

from timepro_lit.figures.clips import ShownTask
from timepro_lit.figures.curves import (
    KL,
    NO_SIGNAL,
    NUM_COLORS,
    REWARD,
    SWITCHED,
    TRAIN_LOSS,
    Chart,
    Line,
    Point,
    Rows,
    Segment,
    line_chart,
    series,
)
from timepro_lit.figures.page import DEFAULT_TITLE, ClipGroup, render_page
from timepro_lit.figures.run_report import (
    AUDIO_BYTES,
    BY_HASH,
    HOW_TO,
    ReadBlocks,
    load_clips,
    read_lines,
    select_audio,
    shown_tasks,
    watched,
)

_MAX_SHOWN = 6
"""Rows whose answers stand below a clip; of more, only the two that are compared."""
_NUM_CHANGED, _NUM_EXTREME, _NUM_DRAWN = 4, 2, 4
_CURVES = (
    (TRAIN_LOSS, "loss", "Cross-entropy on the answer tokens."),
    (REWARD, "reward", "Mean reward of the sampled answers, between 0 and 1."),
    (KL, "KL to the model before", "Distance from the model that the stage started with, in nats a token."),
    (SWITCHED, "groups that the main reward leaves flat", "Share of groups whose answers all have one main reward."),
    (NO_SIGNAL, "groups without reward variance", "A group whose answers all score the same teaches nothing."),
)
"""Column of metrics.csv, what it is called, what it says."""


@dataclass(frozen=True)
class ShownRow:
    """What a page needs of one row of a comparison."""

    name: str
    answers: Path | None
    """predictions.jsonl of one of its trainings."""
    curves: Mapping[str, Sequence[Rows]]
    """By stage, the metrics.csv of each training."""


def comparison_page(
    report: Mapping[str, Any],
    rows: Sequence[ShownRow],
    directory: Path,
    read_audio: Callable[[str], Tensor],
    read_blocks: ReadBlocks | None = None,
    title: str = DEFAULT_TITLE,
) -> str:
    """The page as text; `report` is the content of report.json, with the differences that were made.

    Audio paths that are relative start at `directory`. Raises ValueError naming file and line of a bad record.
    """
    pair = _pair(report, rows)
    shown = [row for row in rows if row.answers is not None]
    if len(shown) > _MAX_SHOWN:
        shown = [row for row in shown if row.name in pair]
    predictions = _in_one_place({row.name: read_lines(row.answers) for row in shown if row.answers is not None})
    tasks = shown_tasks(report["tasks"], predictions)
    groups = [
        ClipGroup(heading, note, load_clips(directory, predictions, read_audio, {n: n for n in predictions}, tasks,
                                            chosen, AUDIO_BYTES * len(chosen) // 12, read_blocks))
        for heading, note, chosen in _chosen(predictions, tasks, pair)
    ]  # fmt: skip
    charts = comparison_charts({row.name: row.curves for row in rows if row.curves}, watched(report))
    return render_page(report, charts, groups, title=title, introduction=_introduction(report))


def _in_one_place(predictions: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """The same answers, with one path for each recording: runs of other machines found it elsewhere."""
    places: dict[str, str] = {}
    for lines in predictions.values():
        for line in lines:
            places.setdefault(line["id"], line["audio"])
    return {row: [line | {"audio": places[line["id"]]} for line in lines] for row, lines in predictions.items()}


def comparison_charts(
    rows: Mapping[str, Mapping[str, Sequence[Rows]]], watched: Sequence[tuple[str, str]]
) -> list[Chart]:
    """A chart for each curve of each stage and each validated metric, with a line for each row: the mean of its seeds.

    What was measured only once is no curve. Rows that share a stage's result share its line.
    """
    stages = list(dict.fromkeys(stage for of_row in rows.values() for stage in of_row))
    columns = [*_CURVES, *((f"val/{t}/{m}", f"validation, {t.upper()} {m}", "In percent.") for t, m in watched)]
    charts = []
    for stage in stages:
        for column, name, note in columns:
            lines = _lines({row: of_row.get(stage, ()) for row, of_row in rows.items()}, column)
            if any(len(line.points) > 1 for line in lines):
                heading = f"{stage.upper()} {name}"
                svg = line_chart([Segment("", lines)], f"{heading} over the training steps", None)
                charts.append(Chart(heading, note, svg, [(line.name, line.color) for line in lines]))
    return charts


def _lines(rows: Mapping[str, Sequence[Rows]], column: str) -> list[Line]:
    """A row has its colour in every chart."""
    found: dict[tuple[Point, ...], Line] = {}
    for number, (name, seeds) in enumerate(rows.items()):
        points = tuple(_mean([dict(series(seed, column)) for seed in seeds]))
        if points:
            line = found.get(points, Line("", points, number % NUM_COLORS))
            found[points] = replace(line, name="; ".join(filter(None, (line.name, name))))
    return list(found.values())


def _mean(seeds: Sequence[Mapping[float, float]]) -> list[Point]:
    """The mean of several curves at the steps that all of them have."""
    steps = sorted(set.intersection(*(set(seed) for seed in seeds))) if seeds else []
    return [(step, fmean(seed[step] for seed in seeds)) for step in steps]


def _pair(report: Mapping[str, Any], rows: Sequence[ShownRow]) -> tuple[str, ...]:
    """The rows whose clips are compared, later and earlier: those of the last difference, else the last row alone."""
    with_answers = [row.name for row in rows if row.answers is not None]
    pairs = [pair for pair in report["differences"] if set(pair) <= set(with_answers)]
    return tuple(pairs[-1]) if pairs else tuple(with_answers[-1:])


def _chosen(
    predictions: Mapping[str, Sequence[Mapping[str, Any]]], tasks: Mapping[str, ShownTask], pair: Sequence[str]
) -> list[tuple[str, str, list[str]]]:
    """Heading, note and clips of each group; a clip stands in the first group that it belongs to."""
    if not pair or not any(predictions.values()):
        return []
    later = _clip_scores(predictions[pair[0]], tasks)
    groups = []
    if len(pair) > 1:
        earlier = _clip_scores(predictions[pair[1]], tasks)
        gains = {clip: later[clip] - earlier[clip] for clip in later if clip in earlier}
        moved = sorted((clip for clip in gains if gains[clip]), key=lambda clip: (-abs(gains[clip]), clip))
        note = (
            f"The clips whose answers gained or lost most from {pair[1]} to {pair[0]}, by the score of the clip alone."
        )
        groups.append(("Changed most", note, moved[:_NUM_CHANGED]))
    ranked = sorted(later, key=lambda clip: (-later[clip], clip))
    groups.append(("Best and worst", f"By the score of the clip alone, of {pair[0]}.", []))
    taken = {clip for _, _, clips in groups for clip in clips}
    left = [clip for clip in ranked if clip not in taken]
    groups[-1][2].extend(dict.fromkeys([*left[:_NUM_EXTREME], *left[-_NUM_EXTREME:]]))
    taken |= set(groups[-1][2])
    rest = {row: [line for line in lines if line["audio"] not in taken] for row, lines in predictions.items()}
    groups.append(("Listen", f"Test clips {BY_HASH}. {HOW_TO}", select_audio(rest, _NUM_DRAWN)))
    return groups


def _clip_scores(lines: Sequence[Mapping[str, Any]], tasks: Mapping[str, ShownTask]) -> dict[str, float]:
    """Audio path -> mean score of its answers, in percent."""
    found: dict[str, list[float]] = {}
    for line in lines:
        score = line.get("scores", {}).get(tasks[line["task"]].clip_score) if line["task"] in tasks else None
        if score is not None:
            found.setdefault(line["audio"], []).append(float(score))
    return {audio: fmean(scores) for audio, scores in found.items()}


def _introduction(report: Mapping[str, Any]) -> str | None:
    """A paragraph over many rows; None where each row can be told by itself."""
    rows = list(report["rows"].values())
    if len(rows) <= _MAX_SHOWN and len({row["about"] for row in rows}) == len(rows):
        return None
    trained = [row for row in rows if row["seeds"]]
    seeds = max((len(row["seeds"]) for row in trained), default=0)
    mean = f", each the mean of up to {seeds} seeds" if seeds > 1 else ""
    ways = f"{len(trained)} ways" if len(trained) > 1 else "A way"
    return (
        f"{ways} to teach an audio language model when things happen{mean}, on the same test clips, "
        "which the training never saw."
    )
