"""Answers about a recording as the label files of other programs: records in, the text of a whole file out.

Audacity, Raven, SRT and WebVTT know stretches of time alone: an event that is flagged is left out of them. JAMS and CSV
keep it, with its flag.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from timepro_lit.files.visible_text import visible
from timepro_lit.records import Event

HIGHEST_HZ = 8_000
"""Of what a model hears of a recording, at 16 kHz: Raven wants to know between which frequencies a sound lies."""
_NO_LABEL = "(no label)"
_SUBTITLE_SIGNS = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")"})
"""SRT has no escapes, and players take what stands in these for markup; --> would be a time."""
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""With what a spreadsheet begins to reckon; some read the wide signs as well."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One question about a recording, and the events that were delivered for it."""

    task: str
    query: str | None
    events: tuple[Event, ...]
    """As `events.delivery.delivered` makes them."""
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Labels:
    """All that was answered about one recording."""

    audio: str
    """What the recording is called."""
    duration_s: float
    answers: tuple[Answered, ...]


@dataclass(frozen=True, slots=True)
class Format:
    """How a kind of label file is called, ends and is written."""

    title: str
    suffix: str
    text: Callable[[Labels], str]
    keeps_flagged: bool = False


def label_of(answered: Answered, event: Event) -> str:
    """What an event is: what was looked for, and what the model says of it where that is something else.

    >>> bell = Event(0.0, 1.0, "a bell")
    >>> [label_of(Answered("ag", query, (bell,)), bell) for query in (None, "A  bell", "metal")]
    ['a bell', 'A  bell', 'metal: a bell']
    """
    if answered.query is None:
        return event.label
    if _plain(event.label) in ("", _plain(answered.query)):
        return answered.query
    return f"{answered.query}: {event.label}"


def flagged(labels: Labels) -> list[Event]:
    """Events that formats of stretches alone leave out."""
    return [event for answered in labels.answers for event in answered.events if event.flag is not None]


def audacity(labels: Labels) -> str:
    r"""A label track: onset, offset and label between tabs, in seconds (Audacity's manual, "Importing Labels").

    >>> audacity(Labels("a.wav", 4.0, (Answered("ag", "a bell", (Event(0.5, 1.25, ""),)),)))
    '0.500000\t1.250000\ta bell\n'
    """
    return "".join(
        f"{start / 1e6:.6f}\t{end / 1e6:.6f}\t{_line(label)}\n" for start, end, label in _stretches(labels, 1_000_000)
    )


def raven(labels: Labels) -> str:
    """A selection table of Raven Pro: tabs between its own columns, then the label as an annotation."""
    columns = ["Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)"]
    lines = ["\t".join([*columns, "Annotation"])]
    for number, (start, end, label) in enumerate(_stretches(labels, 1_000_000), start=1):
        times = f"{start / 1e6:.6f}\t{end / 1e6:.6f}"
        lines.append(f"{number}\tSpectrogram 1\t1\t{times}\t0\t{HIGHEST_HZ}\t{_line(label)}")
    return "\n".join(lines) + "\n"


def srt(labels: Labels) -> str:
    """SubRip subtitles: numbered, a comma before the milliseconds, and no sign that a player takes for markup."""
    return "\n".join(
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{_line(label).translate(_SUBTITLE_SIGNS)}\n"
        for number, (start, end, label) in enumerate(_stretches(labels, 1000), start=1)
    )


def webvtt(labels: Labels) -> str:
    """WebVTT cues; &, < and > are escaped, so that no label holds a tag or an arrow (https://www.w3.org/TR/webvtt1/)."""
    cues = [
        f"{_clock(start, '.')} --> {_clock(end, '.')}\n{_escaped(_line(label))}\n"
        for start, end, label in _stretches(labels, 1000)
    ]
    return "\n".join(["WEBVTT\n", *cues])


def jams(labels: Labels) -> str:
    """JAMS: an annotation of the namespace tag_open for each question (https://jams.readthedocs.io, "jams structure").

    Flagged events, which JAMS could not take for observations, are in the annotation's sandbox.
    """
    content = {
        "file_metadata": {
            "title": labels.audio,
            "artist": "",
            "release": "",
            "duration": labels.duration_s,
            "identifiers": {},
            "jams_version": "0.3.5",
        },
        "annotations": [_annotation(answered, labels.duration_s) for answered in labels.answers],
        "sandbox": {},
    }
    return json.dumps(content, indent=1) + "\n"


def comma_separated(labels: Labels) -> str:
    """CSV (RFC 4180) of all events. A time that is no number is empty; text that a spreadsheet would run gets a '."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["recording", "task", "query", "onset", "offset", "label", "flag"])
    for answered in labels.answers:
        asked = [_cell(labels.audio), _cell(answered.task), _cell(answered.query or "")]
        for event in answered.events:
            times = ["" if time is None else repr(time) for time in (_number(event.onset), _number(event.offset))]
            rows.writerow([*asked, *times, _cell(event.label), event.flag or ""])
    return text.getvalue()


FORMATS: Mapping[str, Format] = {
    "audacity": Format("Audacity", ".txt", audacity),
    "raven": Format("Raven", ".selections.txt", raven),
    "srt": Format("SRT", ".srt", srt),
    "webvtt": Format("WebVTT", ".vtt", webvtt),
    "jams": Format("JAMS", ".jams", jams, keeps_flagged=True),
    "csv": Format("CSV", ".csv", comma_separated, keeps_flagged=True),
}
"""By the names that settings use."""


def chosen_formats(names: str | Sequence[str], beside: Sequence[str] = ()) -> dict[str, Format]:
    """One format, or several, each once; those `beside` are known, and written by somebody else.

    Raises ValueError that names the ones that are not there.
    """
    names = [names] if isinstance(names, str) else [str(name) for name in names]  # a command line may say numbers
    unknown = sorted(set(names) - {*FORMATS, *beside})
    if unknown:
        raise ValueError(f"format: there is no {', '.join(unknown)}; there are {', '.join((*FORMATS, *beside))}")
    return {name: FORMATS[name] for name in names if name in FORMATS}


def _stretches(labels: Labels, per_second: int) -> Iterator[tuple[int, int, str]]:
    """Start and end in whole parts of a second, by start; no event is rounded to nothing."""
    found = []
    for answered in labels.answers:
        for event in answered.events:
            if event.flag is None:
                start, end = round(event.onset * per_second), round(event.offset * per_second)
                if start >= end:
                    start, end = max(0, end - 1), max(1, end)
                found.append((start, end, label_of(answered, event)))
    yield from sorted(found, key=lambda stretch: stretch[:2])


def _annotation(answered: Answered, duration_s: float) -> dict[str, object]:
    told = [event for event in answered.events if event.flag is None]
    others = [event for event in answered.events if event.flag is not None]
    return {
        "namespace": "tag_open",
        "annotation_metadata": {"annotation_tools": "timepro_lit", "annotator": {}},
        "time": 0.0,
        "duration": duration_s,
        "data": [
            {
                "time": event.onset,
                "duration": event.duration_s,
                "value": label_of(answered, event),
                "confidence": event.score,
            }
            for event in told
        ],
        "sandbox": {
            "task": answered.task,
            "query": answered.query,
            "readable": answered.readable,
            "flagged": [[_number(e.onset), _number(e.offset), e.label, e.flag] for e in others],
        },
    }


def _clock(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, second = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}{point}{rest:03}"


def _line(text: str) -> str:
    """On one line, without what would command or break it."""
    return " ".join(visible(text, max_chars=None).split()) or _NO_LABEL


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cell(text: str) -> str:
    line = " ".join(visible(text, max_chars=None).split())
    return f"'{line}" if line.startswith(_FORMULA) else line


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _number(time_s: float) -> float | None:
    return time_s if math.isfinite(time_s) else None
