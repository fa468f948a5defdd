"""Test clips for a page: player, spectrogram and aligned timelines of reference and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator
from torch import Tensor

from timepro_lit.events.delivery import flag_of
from timepro_lit.figures.layout import LABEL_GAP, MAX_DRAWN, Placed, html_text, place
from timepro_lit.figures.spectrogram import SAMPLING_RATE, spectrogram_uri
from timepro_lit.records import Event

NUM_HUES = 8
_CHARS_ACROSS = 52
"""Characters of label text that fit across the timelines of a phone."""
_MAX_LABEL_WIDTH = 0.46


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """What one row's model said to one question."""

    row: str
    """Short name, e.g. "GRPO"."""
    text: str
    """The raw answer, untrusted."""
    readable: bool
    events: tuple[Event, ...]
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ShownTask:
    """How questions of a task look on a page."""

    title: str
    clip_score: str
    """The score of one answer, in percent, that stands beside its timeline."""
    classes: tuple[str, ...]
    """Closed set of labels, a colour each; the events of other tasks have one colour."""
    hue: int
    """That colour, by its number."""
    shows_times: bool
    """Whether events are labelled with their times, for tasks whose events all have the same label."""


@dataclass(frozen=True, slots=True)
class ShownQuestion:
    """One test example: a task asked about a clip, its reference and the answers of the models that were asked."""

    task: ShownTask
    query: str | None
    prompt: str
    reference: tuple[Event, ...] | None
    """None where nobody knows it."""
    answers: tuple[ShownAnswer, ...]


@dataclass(frozen=True, slots=True)
class Clip:
    """One test clip with the questions asked about it."""

    name: str
    duration_s: float
    questions: tuple[ShownQuestion, ...]
    waveform: Tensor | None = None
    """(n,) float32, mono, 16 kHz; None where the sound is not at hand."""
    audio: str | None = None
    """The sound as a data URI."""
    mel: Tensor | None = None
    """(80, C) spectrogram in decibels of a recording that is too long for its sound to be on a page."""
    num_left_out: int = 0
    """Questions about this clip that are not shown."""


def clip_html(clip: Clip) -> str:
    """One `<article>`."""
    if clip.audio is None:
        player = '<p class="missing">The audio file was not found.</p>'
    else:
        player = f'<audio controls preload="metadata" src="{clip.audio}"></audio>'
    left_out = f'<p class="missing">{clip.num_left_out} more in predictions.jsonl.</p>' if clip.num_left_out else ""
    return (
        f'<article class="clip" data-duration="{clip.duration_s:.3f}">'
        f"<header><h3>{html_text(clip.name, 120)}</h3><span>{clip.duration_s:.1f} s</span></header>{player}"
        f'<div class="tracks" tabindex="0" role="group" aria-label="{_keys(clip)}">{_spectrogram(clip)}'
        + "".join(question_html(question, Look.of(clip.duration_s)) for question in clip.questions)
        + f"{axis_html(Look.of(clip.duration_s))}</div>{left_out}{details_html(clip)}</article>"
    )


def _keys(clip: Clip) -> str:
    name = html_text(clip.name, 120)
    return f"Timelines of {name}. Arrow keys move by 0.1 seconds, page keys by 1 second; space plays and pauses."


def _spectrogram(clip: Clip) -> str:
    if clip.waveform is None:
        return ""
    share = min(1.0, clip.waveform.numel() / SAMPLING_RATE / clip.duration_s)
    return mel_html(clip, spectrogram_uri(clip.waveform), share)


def mel_html(clip: Clip, uri: str, share: float = 1.0) -> str:
    """The row of a clip's spectrogram, which takes a share of the width."""
    events = dict.fromkeys(event for question in clip.questions for event in question.reference or ())
    told = "; ".join(f"{event.label} from {event.onset:.2f} to {event.offset:.2f} seconds" for event in events)
    heard = f", in which are to be heard: {told}" if told else ""
    alt = html_text(f"Log-mel spectrogram of {clip.name}, {clip.duration_s:.1f} seconds{heard}", 600)
    image = f'<img style="width:{share:.2%}" alt="{alt}" src="{uri}">'
    return f'<div class="row"><div class="who"></div><div class="track mel">{image}</div></div>'


@dataclass(frozen=True, slots=True)
class Look:
    """How wide timelines are, and what there is room for."""

    duration_s: float
    chars_across: float
    """Characters of label text that fit across them."""
    most: int
    """Events of one answer that are drawn."""
    ticks: tuple[tuple[float, str], ...]
    """Moments that are marked, in seconds, and how they are written."""
    max_label_width: float = _MAX_LABEL_WIDTH
    """Share of the width."""
    gap: float = LABEL_GAP
    """Between two labels, as a share of the width."""
    decimals: int = 2
    """Of places in percent."""

    @classmethod
    def of(cls, duration_s: float) -> Look:
        """That of a clip."""
        return cls(duration_s, _CHARS_ACROSS, MAX_DRAWN, tuple((tick, f"{tick:g}") for tick in _ticks(duration_s)))

    def share(self, share: float) -> str:
        """A share of the width as CSS has it."""
        return f"{share:.{self.decimals}%}"


def question_html(question: ShownQuestion, look: Look) -> str:
    """The rows of a question: what was asked, its reference, and an answer each."""
    task = question.task
    query = f" <q>{html_text(question.query, 200)}</q>" if question.query else ""
    metric = task.clip_score
    known = metric if any(metric in answer.scores for answer in question.answers) else ""
    rows = []
    if question.reference is not None:
        rows.append(row_html("reference", "Reference", _timeline(question.reference, True, task, look)))
    for answer in question.answers:
        score = f"{answer.scores[metric]:.0f}" if metric in answer.scores else ""
        timeline = _timeline(answer.events, answer.readable, task, look)
        rows.append(row_html("answer", f"{html_text(answer.row, 40)}<em>{score}</em>", timeline))
    heading = f"<span>{html_text(task.title, 80)}</span>{query}"
    who = f'<div class="who"><em>{html_text(known, 40)}</em></div>'
    return f'<div class="row task">{who}<div>{heading}</div></div>' + "".join(rows)


def row_html(css: str, who: str, timeline: str) -> str:
    """One timeline, and whose it is."""
    return f'<div class="row {css}"><div class="who">{who}</div><div class="track">{timeline}</div></div>'


def _timeline(events: Sequence[Event], readable: bool, task: ShownTask, look: Look) -> str:
    labels = [_label(event, task) for event in events]
    widths = [min(look.max_label_width, (len(label) + 1) / look.chars_across) for label in labels]
    lanes = place(events, look.duration_s, widths, look.most, look.gap)
    drawn = "".join(
        '<div class="lane">' + "".join(_event(item, task, look) for item in lane) + "</div>" for lane in lanes
    )
    return _grid(look) + drawn + _remark(events, readable, look)


def _event(item: Placed, task: ShownTask, look: Look) -> str:
    (start, end), (left, right) = item.bar, item.label
    shift = (start - left) / (right - left)
    tip = html_text(f"{item.event.onset:.2f}–{item.event.offset:.2f} s  {item.event.label}", 300)
    label = html_text(_label(item.event, task), 160)
    return (
        f'<div class="label" style="left:{look.share(left)};width:{look.share(right - left)};--shift:{shift:.2%}" '
        f'role="img" aria-label="{tip}" title="{tip}">'
        f"<span>{label}</span></div>"
        f"{bar_html((start, end), color_of(item.event, task), look)}"
    )


def bar_html(bar: tuple[float, float], color: str, look: Look) -> str:
    """A bar from one share of the width to another."""
    return f'<i class="bar h{color}" style="left:{look.share(bar[0])};width:{look.share(bar[1] - bar[0])}"></i>'


def color_of(event: Event, task: ShownTask) -> str:
    """The CSS class of a bar: a class's own colour, striped from the ninth on, or the task's."""
    if task.classes and event.label not in task.classes:
        return "none"
    hue = task.classes.index(event.label) if task.classes else task.hue
    return f"{hue % NUM_HUES}" + (" striped" if hue // NUM_HUES % 2 else "")


def _label(event: Event, task: ShownTask) -> str:
    return f"{event.onset:.2f}–{event.offset:.2f} s" if task.shows_times else event.label


def _remark(events: Sequence[Event], readable: bool, look: Look) -> str:
    if not readable:
        return '<p class="remark warn">no events could be read from this answer</p>'
    if not events:
        return '<p class="remark">no events</p>'
    num_drawable = sum(not flag_of(event, look.duration_s) for event in events)
    hidden = [
        (len(events) - num_drawable, "reversed, empty or outside the clip"),
        (num_drawable - look.most, "more"),
    ]
    found = ", ".join(f"{count} {kind}" for count, kind in hidden if count > 0)
    return f'<p class="remark warn">not drawn: {found}</p>' if found else ""


def _ticks(duration_s: float) -> list[float]:
    ticks = MaxNLocator(nbins=6, steps=[1, 2, 5, 10]).tick_values(0, duration_s)
    return [float(tick) for tick in ticks if tick <= duration_s]


def _grid(look: Look) -> str:
    return "".join(f'<b style="left:{look.share(tick / look.duration_s)}"></b>' for tick, _ in look.ticks[1:])


def axis_html(look: Look) -> str:
    """The row of the times."""
    marks = "".join(
        f'<span style="left:{look.share(tick / look.duration_s)}">{text}</span>' for tick, text in look.ticks
    )
    return f'<div class="row axis"><div class="who">seconds</div><div class="track">{marks}</div></div>'


def details_html(clip: Clip) -> str:
    """What was said, word by word, folded away."""
    return "<details><summary>Raw answers</summary>" + "".join(map(_raw, clip.questions)) + "</details>"


def _raw(question: ShownQuestion) -> str:
    blocks = [f'<h4>{html_text(question.task.title, 80)}</h4><p class="prompt">{html_text(question.prompt)}</p>']
    for answer in question.answers:
        scores = " · ".join(f"{html_text(name, 40)} {value:.1f}" for name, value in answer.scores.items())
        blocks.append(f"<h5>{html_text(answer.row, 40)} <span>{scores}</span></h5><pre>{html_text(answer.text)}</pre>")
    return "".join(blocks)
