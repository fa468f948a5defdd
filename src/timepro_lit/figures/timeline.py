"""One clip as a picture: its log-mel spectrogram over timelines of reference and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from timepro_lit.figures.fonts import Lettering, lettering
from timepro_lit.figures.layout import PALETTE, Placed, class_indices, place
from timepro_lit.figures.spectrogram import SAMPLING_RATE, log_mel
from timepro_lit.files.visible_text import visible
from timepro_lit.records import Event

_WIDTH_IN = 8.0
_LANE_IN, _LINE_IN = 0.28, 0.17
_NAME_CHARS, _NAME_LINES = 22, 4
_CHARS_ACROSS = 115
"""Characters of label text that fit across the axes."""


def clip_figure(waveform: Tensor, timelines: Mapping[str, Sequence[Event]], title: str = "") -> Figure:
    """Spectrogram of `waveform` ((n,) float32, 16 kHz) over one band of bars for each named timeline, in their order.

    Bars are coloured by label. Events that are reversed or outside the clip are left out. The figure
    belongs to no window: save it with `figure.savefig`.
    """
    written = lettering([title, *timelines, *(e.label for events in timelines.values() for e in events)])
    with written.in_use():
        return _drawn(waveform, timelines, title, written)


def _drawn(waveform: Tensor, timelines: Mapping[str, Sequence[Event]], title: str, written: Lettering) -> Figure:
    duration_s = waveform.numel() / SAMPLING_RATE
    colors = class_indices(e.label for events in timelines.values() for e in events)
    lanes = {name: _lanes(events, duration_s) for name, events in timelines.items()}
    rooms = [max(_LANE_IN * len(rows), _LINE_IN * len(_wrapped(name).split("\n"))) for name, rows in lanes.items()]
    heights = [1.3, *(max(_LANE_IN, room) + 0.08 for room in rooms)]
    figure = Figure(figsize=(_WIDTH_IN, sum(heights) + 0.7), layout="constrained")
    top, *bands = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    top.imshow(log_mel(waveform).numpy(), origin="lower", aspect="auto", cmap="magma", extent=(0, duration_s, 0, 80))
    top.set(yticks=[], ylabel="mel", xlim=(0, duration_s))
    top.set_title(written(visible(title)), parse_math=False, fontsize=10, loc="left")
    for band, (name, rows) in zip(bands, lanes.items(), strict=True):
        _draw_band(band, name, rows, colors, duration_s, written)
    (bands[-1] if bands else top).set_xlabel("time (s)")
    return figure


def _lanes(events: Sequence[Event], duration_s: float) -> list[list[Placed]]:
    return place(events, duration_s, [min(0.6, len(e.label) / _CHARS_ACROSS) for e in events])


def _draw_band(
    axes: Axes,
    name: str,
    lanes: Sequence[Sequence[Placed]],
    colors: Mapping[str, int],
    duration_s: float,
    written: Lettering,
) -> None:
    for height, lane in enumerate(lanes):
        for item in lane:
            start, end = (share * duration_s for share in item.bar)
            color = PALETTE[colors[item.event.label] % len(PALETTE)]
            axes.broken_barh([(start, end - start)], (height + 0.7, 0.2), color=color)
            room = int((item.label[1] - item.label[0]) * _CHARS_ACROSS) + 1
            label = written(_cut(item.event.label, room))
            axes.text(item.label[0] * duration_s, height + 0.1, label, fontsize=8, va="top", parse_math=False)
    if not lanes:
        axes.text(0.01 * duration_s, 0.5, "no events", fontsize=8, va="center", color="0.5", style="italic")
    axes.set(ylim=(max(1, len(lanes)), 0), yticks=[])
    axes.set_ylabel(written(_wrapped(name)), rotation=0, ha="right", va="center", fontsize=9, parse_math=False)
    axes.grid(axis="x", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _wrapped(name: str) -> str:
    """On lines short enough to leave the axes their room, and not too many of them."""
    return "\n".join(wrap(visible(name, 200), _NAME_CHARS, max_lines=_NAME_LINES, placeholder=" …"))


def _cut(label: str, max_chars: int) -> str:
    shown = visible(label, 200).replace("\n", " ")
    return shown if len(shown) <= max_chars else shown[: max(1, max_chars - 1)] + "…"
