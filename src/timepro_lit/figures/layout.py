"""What pictures and pages share: the place and colour of events on a timeline, and text that is safe to show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from timepro_lit.events.delivery import flag_of
from timepro_lit.files.visible_text import visible
from timepro_lit.records import Event

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#C7B300", "#4B3AA8")
"""Okabe and Ito's colours, safe for colour-blind readers; the yellow is darkened to show on white, indigo stands in for
their black. The page's style sheet has the same as --h0 to --h7, and a lighter set for dark mode."""
MAX_DRAWN = 40
"""Events of one answer that are drawn; a run-away answer can hold hundreds."""
LABEL_GAP = 0.012
"""Between two labels of a lane, as a share of the width."""


@dataclass(frozen=True, slots=True)
class Placed:
    """One event on a timeline of length 1: its bar, and the stretch its label may use."""

    event: Event
    bar: tuple[float, float]
    """Start and end as shares of the clip's duration, cut to the clip."""
    label: tuple[float, float]
    """Start and end of the room for the label; covers the bar, and no label of the same lane."""


def html_text(text: str, max_chars: int = 4000) -> str:
    """Untrusted text as HTML, for elements and quoted attributes."""
    return escape(visible(text, max_chars))


def place(
    events: Sequence[Event],
    duration_s: float,
    label_widths: Sequence[float],
    most: int = MAX_DRAWN,
    gap: float = LABEL_GAP,
) -> list[list[Placed]]:
    """Lanes of the events that lie within the clip, in onset order: first-fit, no bars or labels of a lane collide.

    `label_widths` are shares of the clip's duration, one for each event; of those without a flag the first
    `most` are placed, labels at least `gap` apart.
    """
    chosen = [(e, w) for e, w in zip(events, label_widths, strict=True) if not flag_of(e, duration_s)][:most]
    placed = []
    for event, width in chosen:
        bar = (max(0.0, event.onset / duration_s), min(1.0, event.offset / duration_s))
        start = max(0.0, min(bar[0], 1.0 - width))
        placed.append(Placed(event, bar, (start, min(1.0, max(bar[1], start + width)))))
    lanes: list[list[Placed]] = []
    for item in sorted(placed, key=lambda p: p.label):
        free = (lane for lane in lanes if lane[-1].label[1] + gap <= item.label[0])
        lane = next(free, None)
        if lane is None:
            lanes.append([item])
        else:
            lane.append(item)
    return lanes


def class_indices(labels: Iterable[str]) -> dict[str, int]:
    """A number for each distinct label, in alphabetical order: the same classes get the same colours in every clip."""
    return {label: index for index, label in enumerate(sorted(set(labels)))}
