"""Attention to timestamps, drawn as the paper's Figure 2: the mel spectrogram and, along the same seconds, weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from timepro_lit.events.delivery import flag_of
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
    duration_s = waveform.numel() / SAMPLING_RATE
    rows = by_token[:_MOST_TOKENS]
    heights = [1.2, 1.0, max(0.6, _TOKEN_IN * len(rows))]
    figure = Figure(figsize=(_WIDTH_IN, sum(heights) + 1.1), layout="constrained")
    mel, mean, heat = figure.subplots(3, 1, sharex=True, height_ratios=heights)
    mel.imshow(log_mel(waveform).numpy(), origin="lower", aspect="auto", cmap="magma", extent=(0, duration_s, 0, 80))
    mel.set(yticks=[], ylabel="mel", xlim=(0, duration_s))
    mel.set_title(visible(title), parse_math=False, fontsize=10, loc="left")
    mean.fill_between(seconds.numpy(), by_token.mean(dim=0).numpy(), color=PALETTE[0], alpha=0.35, linewidth=0)
    mean.plot(seconds.numpy(), by_token.mean(dim=0).numpy(), color=PALETTE[0], linewidth=1.0)
    mean.set_ylim(bottom=0)
    mean.set_ylabel("attention", fontsize=9)
    mean.spines[["top", "right"]].set_visible(False)
    edges = _edges(seconds, duration_s)
    heat.pcolormesh(edges, range(len(rows) + 1), rows.numpy(), cmap="viridis", rasterized=True)
    heat.invert_yaxis()
    heat.set_yticks([row + 0.5 for row in range(len(rows))], [_shown(token) for token in tokens[: len(rows)]],
                    fontsize=6, parse_math=False)  # fmt: skip
    heat.set_ylabel("generated token", fontsize=9)
    heat.set_xlabel("time (s)")
    for axes in (mel, mean, heat):
        _mark(axes, boundaries, duration_s)
    _legend(mean, boundaries)
    return figure


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


def _legend(axes: Axes, names: Iterable[str]) -> None:
    lines = []
    for name in names:
        color, style = _STYLES[name]
        lines += axes.plot([], [], color=color, linestyle=style, label=name)
    axes.legend(handles=lines, loc="lower right", bbox_to_anchor=(1, 0.95), ncols=2, fontsize=7, frameon=False)


def shares_figure(shares: Mapping[str, Sequence[float]], chance: float) -> Figure:
    """A heat map of the shares near boundaries, a row for each model and a column for each layer, in percent."""
    rows = list(shares)
    widest = max(len(of_model) for of_model in shares.values())
    figure = Figure(figsize=(1.8 + 0.55 * widest, 1.0 + 0.45 * len(rows)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(list(shares.values()), aspect="auto", cmap="viridis")
    for row, of_model in enumerate(shares.values()):
        for layer, share in enumerate(of_model):
            axes.text(layer, row, f"{share:.0f}", ha="center", va="center", fontsize=7, color="white")
    axes.set_yticks(range(len(rows)), [visible(name, 40) for name in rows], fontsize=8, parse_math=False)
    axes.set_xticks(range(widest), range(widest), fontsize=7)
    axes.set_xlabel("layer", fontsize=8)
    axes.set_title(f"% of timestamp attention near a boundary (chance {chance:.1f})", fontsize=9, loc="left")
    figure.colorbar(image, ax=axes, fraction=0.04)
    return figure
