"""Reliability diagrams: how often segments of a score are right, and how many there are of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from timepro_lit.figures.fonts import lettering
from timepro_lit.figures.layout import PALETTE
from timepro_lit.metrics.calibration import Reliability

_PANEL_IN = 3.2


def reliability_figure(panels: Mapping[str, Mapping[str, Reliability]]) -> Figure:
    """A panel for each title, in it a line for each system; markers grow with the segments that they stand for.

    On the diagonal a score says how often the segment is right; below it, it says too much.
    """
    written = lettering([*panels, *(name for systems in panels.values() for name in systems)])
    with written.in_use():
        figure = Figure(figsize=(_PANEL_IN * max(1, len(panels)), _PANEL_IN + 0.6), layout="constrained")
        axes = figure.subplots(1, max(1, len(panels)), sharey=True, squeeze=False)[0]
        for panel, (title, systems) in zip(axes, panels.items(), strict=False):
            panel.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle="--")
            for n, (name, found) in enumerate(systems.items()):
                color = PALETTE[n % len(PALETTE)]
                panel.plot(found.scores, found.right, color=color, linewidth=1.0, label=written(name))
                panel.scatter(found.scores, found.right, s=_areas(found.counts), color=color, alpha=0.7, linewidth=0)
            panel.set(xlim=(0, 1.03), ylim=(0, 1.03), xlabel="score", aspect="equal")
            panel.set_title(written(title), parse_math=False, fontsize=10, loc="left")
            panel.spines[["top", "right"]].set_visible(False)
            panel.legend(fontsize=7, frameon=False, loc="upper left")
        axes[0].set_ylabel("share that is right")
    return figure


def _areas(counts: Sequence[int]) -> list[float]:
    """Marker sizes in square points, the largest of a line alike in all."""
    most = max(counts, default=1)
    return [10 + 110 * count / most for count in counts]
