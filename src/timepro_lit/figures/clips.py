"""Test clips for a page: player, spectrogram and aligned timelines of reference and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator
from torch import Tensor

from timepro_lit.events.delivery import flag_of
from timepro_lit.figures.layout import MAX_DRAWN, Placed, html_text, place
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
    reference: tuple[Event, ...]
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
        + "".join(_question(question, clip.duration_s) for question in clip.questions)
        + f"{_time_axis(clip.duration_s)}</div>{left_out}{_details(clip)}</article>"
    )


def _keys(clip: Clip) -> str:
    name = html_text(clip.name, 120)
    return f"Timelines of {name}. Arrow keys move by 0.1 seconds, page keys by 1 second; space plays and pauses."


def _spectrogram(clip: Clip) -> str:
    if clip.waveform is None:
        return ""
    events = dict.fromkeys(event for question in clip.questions for event in question.reference)
    told = "; ".join(f"{event.label} from {event.onset:.2f} to {event.offset:.2f} seconds" for event in events)
    heard = f", in which are to be heard: {told}" if told else ""
    alt = html_text(f"Log-mel spectrogram of {clip.name}, {clip.duration_s:.1f} seconds{heard}", 600)
    share = min(1.0, clip.waveform.numel() / SAMPLING_RATE / clip.duration_s)
    image = f'<img style="width:{share:.2%}" alt="{alt}" src="{spectrogram_uri(clip.waveform)}">'
    return f'<div class="row"><div class="who"></div><div class="track mel">{image}</div></div>'


def _question(question: ShownQuestion, duration_s: float) -> str:
    task = question.task
    query = f" <q>{html_text(question.query, 200)}</q>" if question.query else ""
    metric = task.clip_score
    known = metric if any(metric in answer.scores for answer in question.answers) else ""
    rows = [_row("reference", "Reference", _timeline(question.reference, True, task, duration_s))]
    for answer in question.answers:
        score = f"{answer.scores[metric]:.0f}" if metric in answer.scores else ""
        timeline = _timeline(answer.events, answer.readable, task, duration_s)
        rows.append(_row("answer", f"{html_text(answer.row, 40)}<em>{score}</em>", timeline))
    heading = f"<span>{html_text(task.title, 80)}</span>{query}"
    who = f'<div class="who"><em>{html_text(known, 40)}</em></div>'
    return f'<div class="row task">{who}<div>{heading}</div></div>' + "".join(rows)


def _row(css: str, who: str, timeline: str) -> str:
    return f'<div class="row {css}"><div class="who">{who}</div><div class="track">{timeline}</div></div>'


def _timeline(events: Sequence[Event], readable: bool, task: ShownTask, duration_s: float) -> str:
    labels = [_label(event, task) for event in events]
    lanes = place(events, duration_s, [min(_MAX_LABEL_WIDTH, (len(s) + 1) / _CHARS_ACROSS) for s in labels])
    drawn = "".join('<div class="lane">' + "".join(_event(item, task) for item in lane) + "</div>" for lane in lanes)
    return _grid(duration_s) + drawn + _remark(events, readable, duration_s)


def _event(item: Placed, task: ShownTask) -> str:
    (start, end), (left, right) = item.bar, item.label
    shift = (start - left) / (right - left)
    tip = html_text(f"{item.event.onset:.2f}–{item.event.offset:.2f} s  {item.event.label}", 300)
    label = html_text(_label(item.event, task), 160)
    return (
        f'<div class="label" style="left:{left:.2%};width:{right - left:.2%};--shift:{shift:.2%}" '
        f'role="img" aria-label="{tip}" title="{tip}">'
        f"<span>{label}</span></div>"
        f'<i class="bar h{_color(item.event, task)}" style="left:{start:.2%};width:{end - start:.2%}"></i>'
    )


def _color(event: Event, task: ShownTask) -> str:
    """The CSS class of a bar: a class's own colour, striped from the ninth on, or the task's."""
    if task.classes and event.label not in task.classes:
        return "none"
    hue = task.classes.index(event.label) if task.classes else task.hue
    return f"{hue % NUM_HUES}" + (" striped" if hue // NUM_HUES % 2 else "")


def _label(event: Event, task: ShownTask) -> str:
    return f"{event.onset:.2f}–{event.offset:.2f} s" if task.shows_times else event.label


def _remark(events: Sequence[Event], readable: bool, duration_s: float) -> str:
    if not readable:
        return '<p class="remark warn">no events could be read from this answer</p>'
    if not events:
        return '<p class="remark">no events</p>'
    num_drawable = sum(not flag_of(event, duration_s) for event in events)
    hidden = [
        (len(events) - num_drawable, "reversed, empty or outside the clip"),
        (num_drawable - MAX_DRAWN, "more"),
    ]
    found = ", ".join(f"{count} {kind}" for count, kind in hidden if count > 0)
    return f'<p class="remark warn">not drawn: {found}</p>' if found else ""


def _ticks(duration_s: float) -> list[float]:
    ticks = MaxNLocator(nbins=6, steps=[1, 2, 5, 10]).tick_values(0, duration_s)
    return [float(tick) for tick in ticks if tick <= duration_s]


def _grid(duration_s: float) -> str:
    return "".join(f'<b style="left:{tick / duration_s:.2%}"></b>' for tick in _ticks(duration_s)[1:])


def _time_axis(duration_s: float) -> str:
    marks = "".join(f'<span style="left:{t / duration_s:.2%}">{t:g}</span>' for t in _ticks(duration_s))
    return f'<div class="row axis"><div class="who">seconds</div><div class="track">{marks}</div></div>'


def _details(clip: Clip) -> str:
    return "<details><summary>Raw answers</summary>" + "".join(map(_raw, clip.questions)) + "</details>"


def _raw(question: ShownQuestion) -> str:
    blocks = [f'<h4>{html_text(question.task.title, 80)}</h4><p class="prompt">{html_text(question.prompt)}</p>']
    for answer in question.answers:
        scores = " · ".join(f"{html_text(name, 40)} {value:.1f}" for name, value in answer.scores.items())
        blocks.append(f"<h5>{html_text(answer.row, 40)} <span>{scores}</span></h5><pre>{html_text(answer.text)}</pre>")
    return "".join(blocks)
