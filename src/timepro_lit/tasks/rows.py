"""Events in rows: subtitles (SRT, WebVTT), label tracks (Audacity), tables (Markdown, tabs), lines after times.

Within a line that begins with an event, the next one begins behind `;`, `|` or a full stop with times that are clear
for all their looks, or with times in brackets (`ranges.clear_ranges`), where words follow these.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import partial
from itertools import pairwise

from timepro_lit.tasks.entries import MAX_EVENTS, Findings
from timepro_lit.tasks.named_times import TIMES, NamedTimes
from timepro_lit.tasks.names import Name, Role, name_of, sort_in_demand, times_alone, unit_of
from timepro_lit.tasks.ranges import clear_ranges, read_ranges
from timepro_lit.tasks.times import FLAGS, JOINT, TIME, amount, looks_like_times, read_amount, read_pair, scaled
from timepro_lit.tasks.typography import unwrapped

_CUE = re.compile(rf"\s*({TIME})\s{{0,4}}-->\s{{0,4}}({TIME})(?:\s{{1,4}}[a-z]{{4,8}}:\S{{1,32}}){{0,8}}\s*", FLAGS)
_VTT_TAG = re.compile(r"</?[a-z0-9.:]{1,16}(?:\s[^<>]{0,64})?>", FLAGS)
_TRACK = re.compile(rf"({TIME})\t({TIME})(?:\t(?P<label>[^\t]*))?", FLAGS)
_RULE = re.compile(r"[|:\s-]+")
_RANGE = rf"(?P<onset>{TIME})\s{{0,4}}(?:{JOINT}|and(?:\s{{1,4}}ends?\s{{1,4}}at)?(?![a-z]))\s{{0,4}}(?P<offset>{TIME})"
_LINE = re.compile(
    r"(?:\|\s{0,4})?(?:[-*•]{1,2}\s{0,4})?(?:[0-9]{1,3}[.)]\s{1,4})?[*\[(`]{0,4}\s{0,2}(?:(?:from|between|at)\s{1,4})?"
    rf"{_RANGE}(?![0-9a-z_%°′″]|-[0-9])(?P<separator>[\s*\])`]{{0,8}}[,:;|-]?[*]{{0,2}})(?P<caption>.*)",
    FLAGS | re.DOTALL,
)
_BULLET = re.compile(
    r"(?:[-*•]|[0-9]{1,3}[.)])\s{1,4}[*]{0,2}(?P<caption>[^\r\n:(\[*]{1,300})[*]{0,2}(?P<separator>)"
    rf"[:\s]{{0,4}}[*]{{0,2}}[(\[:]\s{{0,4}}(?:from\s{{1,4}})?{_RANGE}\s{{0,4}}[)\]]?[.*]{{0,3}}",
    FLAGS,
)

_BREAK = re.compile(
    r"(?P<mark>[;|]|\.(?=\s)|(?=[(\[]))(?P<gap>\s{0,4})(?:(?:from|between|at)\s{1,4})?[*(\[]{0,4}(?=[0-9.])",
    FLAGS,
)
"""What an event may begin behind, within a line; with nothing for a mark, a bracket."""
_SIGN = re.compile(r"[\s*`]{0,8}(?:[\])][\s*`]{0,8})?[,:|-]")
"""What parts the times of an event within a line from its words: "open. 9:00-17:00 on weekdays" is a sentence."""
_WORDS = re.compile(r"[\s\])*`]{0,8}(?:[,:;|-]\s{0,4})?[*\s]{0,4}[\"'“’]?[^\W_]")
_NEXT_LINE = re.compile(r"[^\S\r\n]{0,64}(?:\r\n|\r|\n)[^\S\r\n]{0,64}")
_HEAD = re.compile(r"\A(?:[-*•]{1,2}\s{1,4}|[0-9]{1,3}[.)]\s{1,4})")
"""Of a list's item."""


def read_rows(text: str, plain: str, found: Findings) -> bool:
    """Takes the events of subtitles, a label track or a table; False where the text is none of these."""
    return (
        ("-->" in plain and _read_subtitles(text, plain, found))
        or ("\t" in plain and _read_tabbed(text, plain, found))
        or ("|" in plain and _read_table(text, plain, "|", found))
    )


def read_lines(text: str, plain: str, found: Findings) -> None:
    """Takes the events of lines `onset-offset, description`, or `onset-offset` over it; other lines are prose.

    With nothing but a space before the caption, the pair must look like times: `2-3 dogs bark` is no event; so must one
    behind the caption of a list's item, `- a dog barks (1.2-3.48 s)`, and one that begins an event within a line.
    """
    spans = _event_spans(plain)
    if len(spans) > len(_line_spans(plain)):
        found.repairs.append("one_line")
    heading: tuple[float, float] | None = None
    for (start, stop), (_, last) in zip(spans, [(0, 0), *spans], strict=False):
        line = plain[start:stop]
        if heading is not None and _NEXT_LINE.fullmatch(plain, last, start) and _is_caption(line):
            found.spans[-1] = (*heading, unwrapped(_HEAD.sub("", text[start:stop], count=1).strip("* ")))
            found.repairs[-1] = "heading"  # and no missing caption
            heading = None
            continue
        heading = None
        match = _timed(line)
        if match is None:
            found.repairs.append("code_fence" if line.startswith("```") else "prose")
            continue
        caption = text[start + match.start("caption") : start + match.end("caption")].strip()
        caption = caption[:-1].rstrip() if line[0] == caption[-1:] == "|" else caption
        pair = read_pair(match["onset"], match["offset"])
        if pair is None:
            found.repairs.append("ambiguous" if looks_like_times(match["onset"], match["offset"]) else "prose")
            continue
        if not caption:
            found.repairs.append("missing_caption")
            heading = pair if len(found.spans) < MAX_EVENTS else None
        if clear_ranges(match["caption"]):
            found.repairs.append("times_in_caption")
        found.add((*pair, unwrapped(caption)))


def _is_caption(line: str) -> bool:
    """Whether a line under times is what they are of: not a fence, a rule, a closing tag, a note, or times itself."""
    key = line.partition(":")[0].strip("* ")
    is_sign = line.startswith(("```", "</")) or not any(character.isalpha() for character in line)
    return not is_sign and name_of(key).role is not Role.REMARK and _timed(line) is None


def _timed(line: str) -> re.Match[str] | None:
    """Onset, offset and caption of a line; None where it is not an event."""
    match = _LINE.fullmatch(line) or _BULLET.fullmatch(line)
    if match is None or match["separator"].strip() or not match["caption"].strip():
        return match
    return match if _timelike(match["onset"], match["offset"]) else None


def _event_spans(plain: str) -> list[tuple[int, int]]:
    """Where each event or other line begins and ends: lines that begin with an event may hold more of them."""
    spans = []
    for start, stop in _line_spans(plain):
        line = plain[start:stop]
        cuts = [(0, 0), *_cuts(line), (len(line), len(line))]
        pieces = [(start + begin, start + end) for (_, begin), (end, _) in pairwise(cuts)]
        spans += pieces if len(pieces) > 1 and _timed(line[: cuts[1][0]]) is not None else [(start, stop)]
    return spans


def _cuts(line: str) -> list[tuple[int, int]]:
    """Where an event ends within a line, and where the next one begins."""
    breaks = {found.end(): found for found in _BREAK.finditer(line)}
    opener = _HEAD.sub("", line, count=1).lstrip("* ")[:1]
    cuts: list[tuple[int, int]] = []
    last_s = -math.inf
    for r in clear_ranges(line):
        found = breaks.get(r.start)
        in_brackets = line[r.end : r.end + 1] in ("]", ")") and line[r.start - 1 : r.start] == opener
        is_event = in_brackets or (found is not None and found["mark"] and _SIGN.match(line, r.end))
        if found is not None and is_event and r.pair is not None and r.pair[0] >= last_s and _WORDS.match(line, r.end):
            last_s = r.pair[0]
            if cuts or line[: found.start()].strip(" |"):
                cuts.append((found.start() + (found["mark"] == "."), found.end("gap")))
    return cuts


def _timelike(*ends: str) -> bool:
    return any("." in end or amount(end).unit_s is not None for end in ends)


def _line_spans(plain: str) -> list[tuple[int, int]]:
    """Where each line that is not blank begins and ends, without outer spaces."""
    spans, start = [], 0
    for line in re.split(r"([\r\n]+)", plain):
        stripped = line.strip()
        if stripped:
            begin = start + len(line) - len(line.lstrip())
            spans.append((begin, begin + len(stripped)))
        start += len(line)
    return spans


def _read_subtitles(text: str, plain: str, found: Findings) -> bool:
    """Cues: times on a line of their own, then the caption's lines up to a blank one."""
    lines = [(m.start(), m.end()) for m in re.finditer(r"[^\r\n]*(?:\r\n|\r|\n|\Z)", plain)]
    cues = [(number, match) for number, (a, b) in enumerate(lines) if (match := _CUE.fullmatch(plain[a:b]))]
    for index, (number, match) in enumerate(cues):
        stop = cues[index + 1][0] if index + 1 < len(cues) else len(lines)
        captions = []
        for a, b in lines[number + 1 : stop]:
            line = text[a:b].strip()
            if not line or line.startswith("```"):
                break
            captions.append(_VTT_TAG.sub("", line))
        else:
            if index + 1 < len(cues) and captions and captions[-1].isdigit():  # the next cue's number
                captions.pop()
        pair = read_pair(match[1], match[2])
        caption = unwrapped(" ".join(captions).strip())
        found.repairs.append("ambiguous" if pair is None else "subtitles")
        if not caption:
            found.repairs.append("missing_caption")
        if pair is not None:
            found.add((*pair, caption))
    return bool(cues)


def _read_tabbed(text: str, plain: str, found: Findings) -> bool:
    """A table where its first line heads columns of times, else a label track."""
    first = next((plain[start:stop] for start, stop in _line_spans(plain) if "\t" in plain[start:stop]), "")
    heads = len({name_of(cell.strip(" *`")).role for cell in first.split("\t")} & set(TIMES)) > 1
    is_table = partial(_read_table, text, plain, "\t", found)
    is_track = partial(_read_track, text, plain, found)
    return is_table() or is_track() if heads else is_track() or is_table()


def _read_track(text: str, plain: str, found: Findings) -> bool:
    """Lines of start, end and label with tabs between; one of frequencies may follow each."""
    spans = _line_spans(plain)
    rows = [match for start, stop in spans if (match := _TRACK.fullmatch(plain, start, stop)) is not None]
    if not rows:
        return False
    found.repairs.append("label_track")
    for match in rows:
        pair = read_pair(match[1], match[2])
        label = text[match.start("label") : match.end("label")].strip() if match["label"] else ""
        if pair is None:
            found.repairs.append("ambiguous")
        else:
            found.add((*pair, unwrapped(label)))
    return True


def _read_table(text: str, plain: str, separator: str, found: Findings) -> bool:
    """A header whose cells name times, and rows under it."""
    names: list[Name] | None = None
    for start, stop in _line_spans(plain):
        if separator not in plain[start:stop]:
            continue
        cells = _cells(text, plain, start, stop, separator)
        if names is None:
            named = [name_of(cell) for cell, _ in cells]
            roles = {name.role for name in named}
            if Role.TIMES in roles or len(roles & set(TIMES)) > 1:
                names = times_alone(named)
        elif not _RULE.fullmatch(plain, start, stop):
            _read_row(cells, names, found)
    if names is not None:
        found.repairs.append("table")
    return names is not None


def _cells(text: str, plain: str, start: int, stop: int, separator: str) -> list[tuple[str, str]]:
    """The cells of a row, each as it was written and in plain signs."""
    if separator == "|":
        start += plain[start] == "|"
        stop -= stop > start and plain[stop - 1] == "|"
    cells, marks = [], " *`"
    for cell in plain[start:stop].split(separator):
        inner = cell.strip(marks)
        begin = start + len(cell) - len(cell.lstrip(marks))
        cells.append((text[begin : begin + len(inner)], inner))
        start += len(cell) + 1
    return cells


def _read_row(cells: list[tuple[str, str]], names: list[Name], found: Findings) -> None:
    """The event, or events, of a row; its label is the cell of the column so named, or of the first one not named."""
    units = [unit_of(plain) for (_, plain), name in zip(cells, names, strict=False) if name.role is Role.UNIT]
    if units:
        names = [replace(name, unit_s=units[0]) if name.unit_s == 1.0 else name for name in names]
    names = [*names, *[Name(None)] * (len(cells) - len(names))]
    columns = list(zip(cells, names, strict=False))
    told = [(text, name) for (text, _), name in columns if name.role is Role.LABEL and text]
    asked_for = sort_in_demand([name.sort for _, name in told], found.captioned)
    labels = [text for text, name in told if name.sort is asked_for]
    labels += [text for (text, _), name in columns if name.role is None and any(c.isalpha() for c in text)]
    label = unwrapped(labels[0]) if labels else None
    record = NamedTimes()
    for (_, plain), name in columns:
        if name.role in TIMES and name.role is not None and plain:
            found_time = read_amount(plain)
            seconds = None if found_time is None else found_time.seconds
            if found_time is not None and seconds is not None and found_time.unit_s is None:
                seconds = None if name.unit_s is None else scaled(seconds, name.unit_s)
            record.add(name.role, None if seconds is None else [seconds], [label])
        elif name.role is Role.TIMES and plain:
            pairs = [r.in_unit(name.unit_s) for r in read_ranges(plain) or []]
            found.repairs.append("time_format" if pairs and None not in pairs else "ambiguous")
            found.add(*((*pair, label) for pair in pairs if pair is not None))
    found.add_named(record.finish())
