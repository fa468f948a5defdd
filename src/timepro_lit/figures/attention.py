"""Attention to timestamps, drawn as the paper's Figure 2: the mel spectrogram and, along the same seconds, weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from timepro_lit.events.delivery import flag_of
from timepro_lit.figures.fonts import lettering
from timepro_lit.figures.layout import PALETTE
from timepro_lit.figures.spectrogram import SAMPLING_RATE, log_mel
from timepro_lit.files.visible_text import visible
from timepro_lit.records import Event

_WIDTH_IN = 8.0
_TOKEN_IN = 0.13
_MOST_TOKENS = 60
"""Rows of a run-away answer that are drawn."""
_STYLES = {"reference": ("0.35", "--"), "predicted": (PALETTE[5], "-")}


def attention_figure(
    waveform: Tensor,
    seconds: Tensor,
    by_token: Tensor,
    tokens: Sequence[str],
    boundaries: Mapping[str, Sequence[Event]],
    title: str,
) -> Figure:
    """Spectrogram of `waveform` ((n,) float32, 16 kHz), the mean weight of each timestamp, and those of each token.

    Shapes: seconds (K,), by_token (R, K), of the R `tokens` of an answer. `boundaries` are the events whose onsets and
    offsets are marked, "reference" and "predicted".
    """
    written = lettering([title, *tokens])
    with written.in_use():
        figure, (mel, mean, heat) = _panels(min(len(tokens), _MOST_TOKENS))
        duration_s = waveform.numel() / SAMPLING_RATE
        _draw_mel(mel, waveform, written(visible(title)))
        _draw_mean(mean, seconds, by_token.mean(dim=0), list(boundaries))
        _draw_heat(heat, seconds, by_token[:_MOST_TOKENS], [written(_shown(token)) for token in tokens], duration_s)
        for axes in (mel, mean, heat):
            _mark(axes, boundaries, duration_s)
    return figure


def _panels(num_rows: int) -> tuple[Figure, Sequence[Axes]]:
    heights = [1.2, 1.0, max(0.6, _TOKEN_IN * num_rows)]
    figure = Figure(figsize=(_WIDTH_IN, sum(heights) + 1.1), layout="constrained")
    return figure, figure.subplots(3, 1, sharex=True, height_ratios=heights)


def _draw_mel(axes: Axes, waveform: Tensor, title: str) -> None:
    duration_s = waveform.numel() / SAMPLING_RATE
    axes.imshow(log_mel(waveform).numpy(), origin="lower", aspect="auto", cmap="magma", extent=(0, duration_s, 0, 80))
    axes.set(yticks=[], ylabel="mel", xlim=(0, duration_s))
    axes.set_title(title, parse_math=False, fontsize=10, loc="left")


def _draw_mean(axes: Axes, seconds: Tensor, mean: Tensor, names: Sequence[str]) -> None:
    axes.fill_between(seconds.numpy(), mean.numpy(), color=PALETTE[0], alpha=0.35, linewidth=0)
    axes.plot(seconds.numpy(), mean.numpy(), color=PALETTE[0], linewidth=1.0)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("attention", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    lines = []
    for name in names:
        color, style = _STYLES[name]
        lines += axes.plot([], [], color=color, linestyle=style, label=name)
    axes.legend(handles=lines, loc="lower right", bbox_to_anchor=(1, 0.95), ncols=2, fontsize=7, frameon=False)


def _draw_heat(axes: Axes, seconds: Tensor, rows: Tensor, tokens: Sequence[str], duration_s: float) -> None:
    axes.pcolormesh(_edges(seconds, duration_s), range(len(rows) + 1), rows.numpy(), cmap="viridis", rasterized=True)
    axes.invert_yaxis()
    places = [row + 0.5 for row in range(len(rows))]
    axes.set_yticks(places, tokens[: len(rows)], fontsize=6, parse_math=False)
    axes.set_ylabel("generated token", fontsize=9)
    axes.set_xlabel("time (s)")


def _edges(seconds: Tensor, duration_s: float) -> list[float]:
    """Between which each timestamp's column lies: the frames that it closes."""
    return [0.0, *seconds[:-1].tolist(), min(float(seconds[-1]), duration_s)]


def _shown(token: str) -> str:
    return visible(token, 12).replace(" ", "␣").replace("\n", "↵") or "·"


def _mark(axes: Axes, boundaries: Mapping[str, Sequence[Event]], duration_s: float) -> None:
    for name, events in boundaries.items():
        color, style = _STYLES[name]
        for event in events:
            if not flag_of(event, duration_s):
                for time in (event.onset, event.offset):
                    axes.axvline(min(max(time, 0.0), duration_s), color=color, linestyle=style, linewidth=0.9)


def shares_figure(shares: Mapping[str, Sequence[float]], chance: float) -> Figure:
    """A heat map of the shares near boundaries, a row for each model and a column for each layer, in percent."""
    rows = [visible(name, 40) for name in _without_shared_folder(list(shares))]
    widest = max(len(of_model) for of_model in shares.values())
    values = [[*of_model, *[math.nan] * (widest - len(of_model))] for of_model in shares.values()]
    written = lettering(rows)
    with written.in_use():
        width = max(5.6, 1.8 + 0.08 * max(map(len, rows)) + 0.55 * widest)
        figure = Figure(figsize=(width, 1.2 + 0.4 * len(rows)), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(values, aspect="auto", cmap="viridis")
        for row, of_model in enumerate(shares.values()):
            for layer, share in enumerate(of_model):
                axes.text(layer, row, f"{share:.1f}", ha="center", va="center", fontsize=7, color="white")
        axes.set_yticks(range(len(rows)), list(map(written, rows)), fontsize=8, parse_math=False)
        axes.set_xticks(range(widest), range(widest), fontsize=7)
        axes.set_xlabel("layer", fontsize=8)
        axes.set_title(f"% of timestamp attention near a boundary (chance {chance:.1f})", fontsize=9, loc="left")
        figure.colorbar(image, ax=axes, fraction=0.04)
    return figure


def _without_shared_folder(names: Sequence[str]) -> list[str]:
    """Paths as they are told apart.

    >>> _without_shared_folder(["outputs/astp/seed1", "outputs/random/seed1"])
    ['astp/seed1', 'random/seed1']
    """
    parts = [name.split("/") for name in names]
    shared = 0
    while len(names) > 1 and all(len(of) > shared + 1 and of[shared] == parts[0][shared] for of in parts):
        shared += 1
    return ["/".join(of[shared:]) for of in parts]
