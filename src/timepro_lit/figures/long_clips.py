"""Long recordings for a page: an overview of the whole, and timelines to scroll through, of bounded size."""

from __future__ import annotations

import math

from timepro_lit.events.delivery import flag_of
from timepro_lit.events.intervals import merge
from timepro_lit.figures.clips import (
    Clip,
    Look,
    ShownQuestion,
    axis_html,
    bar_html,
    color_of,
    details_html,
    mel_html,
    question_html,
    row_html,
)
from timepro_lit.figures.layout import html_text
from timepro_lit.figures.spectrogram import mel_png, png_uri
from timepro_lit.records import Event

LONG_S = 30.0
"""What lasts longer is shown as a long recording."""
_PIXELS_PER_S, _MAX_PIXELS, _CHAR_PIXELS = 24.0, 120_000, 6.5
_MOST_DRAWN, _MOST_BARS = 2_000, 400
_OVERVIEW_COLUMNS = 800
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800)
_OVERVIEW_TICKS, _TICK_PIXELS = 8, 90


def clock(time_s: float) -> str:
    """A moment as a clock shows it.

    >>> clock(75.0), clock(3_675.0)
    ('1:15', '1:01:15')
    """
    minutes, seconds = divmod(round(time_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def long_clip_html(clip: Clip) -> str:
    """One `<article>`; no sound, which would make a page too large."""
    name = html_text(clip.name, 120)
    width = _pixels(clip.duration_s)
    keys = f"Timelines of {name}, {clock(clip.duration_s)} long. Arrow keys scroll."
    left_out = f'<p class="missing">{clip.num_left_out} more in predictions.jsonl.</p>' if clip.num_left_out else ""
    look = _strip(clip.duration_s)
    return (
        f'<article class="clip long" data-duration="{clip.duration_s:.3f}">'
        f"<header><h3>{name}</h3><span>{clock(clip.duration_s)}</span></header>"
        '<p class="missing">Too long for its sound to be in this page. Click the overview to go there.</p>'
        f'<div class="overview">{_overview(clip)}</div>'
        f'<div class="strip" tabindex="0" role="group" aria-label="{keys}"><div class="tracks" style="width:{width}px">'
        f"{_mel(clip, clip.mel.shape[1] if clip.mel is not None else 0)}"
        + "".join(question_html(question, look) for question in clip.questions)
        + f"{axis_html(look)}</div></div>{left_out}{details_html(clip)}</article>"
    )


def _pixels(duration_s: float) -> int:
    return math.ceil(min(_MAX_PIXELS, _PIXELS_PER_S * duration_s))


def _strip(duration_s: float) -> Look:
    width = _pixels(duration_s)
    return Look(
        duration_s,
        chars_across=width / _CHAR_PIXELS,
        most=_MOST_DRAWN,
        ticks=_ticks(duration_s, width / _TICK_PIXELS),
        max_label_width=300 / width,
        gap=_CHAR_PIXELS / width,
        decimals=4,
    )


def _ticks(duration_s: float, most: float) -> tuple[tuple[float, str], ...]:
    step = next((step for step in _STEPS_S if duration_s / step <= most), 86_400)
    return tuple((float(time), clock(time)) for time in range(0, math.floor(duration_s) + 1, step))


def _mel(clip: Clip, max_columns: int) -> str:
    return "" if clip.mel is None else mel_html(clip, png_uri(mel_png(clip.mel, max_columns)))


def _overview(clip: Clip) -> str:
    look = Look(clip.duration_s, 52, _MOST_BARS, _ticks(clip.duration_s, _OVERVIEW_TICKS))
    bars = "".join(_bars(question, look) for question in clip.questions)
    return _mel(clip, _OVERVIEW_COLUMNS) + bars + axis_html(look)


def _bars(question: ShownQuestion, look: Look) -> str:
    """Where anything is, without labels."""
    asked = html_text(question.query or question.task.title, 60)
    rows = [] if question.reference is None else [("reference", "Reference", question.reference)]
    rows += [("answer", html_text(answer.row, 40), answer.events) for answer in question.answers]
    drawn = [row_html(f"{css} thin", who, _union(events, question, look)) for css, who, events in rows]
    return f'<div class="row task"><div class="who"></div><div><span>{asked}</span></div></div>' + "".join(drawn)


def _union(events: tuple[Event, ...], question: ShownQuestion, look: Look) -> str:
    """The events of each colour, those that lie closer than can be seen as one bar."""
    nearly_s = look.duration_s / _MOST_BARS
    by_color: dict[str, list[tuple[float, float]]] = {}
    for event in events:
        if flag_of(event, look.duration_s):  # as in the strips below
            continue
        onset, offset = max(0.0, event.onset), min(look.duration_s, event.offset)
        by_color.setdefault(color_of(event, question.task), []).append((onset, offset + nearly_s / 2))
    bars = [(color, bar) for color, spans in by_color.items() for bar in merge(spans)]
    shares = [
        (color, (onset / look.duration_s, min(1.0, max(onset, offset - nearly_s / 2) / look.duration_s)))
        for color, (onset, offset) in bars
        if onset < look.duration_s
    ]
    return "".join(bar_html(bar, color, look) for color, bar in shares)
