"""FTAR: `train/temporal_audio_grounding.json` and `train/dense_audio_caption.json`, the same below `test/` if given.

Lists of `{id, audio, question, answer, duration}`. The task is the file. A grounding question quotes its query; an
answer is text with `start - end` in seconds. Source: https://huggingface.co/datasets/lysanderism/FTAR (annotations).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from timepro_lit.data.corpora.annotated import Annotation, Dropped
from timepro_lit.data.corpora.json_files import Fault, entries, file_name, number, text
from timepro_lit.records import Event
from timepro_lit.tasks.ranges import clear_ranges
from timepro_lit.tasks.typography import plain, with_line_ends

FILES = {"ag": "temporal_audio_grounding.json", "dac": "dense_audio_caption.json"}
SPLITS = ("train", "test")
MAX_QUESTION_CHARS, MAX_ANSWER_CHARS = 2_000, 20_000

_NUMBER = r"([0-9]{1,6}(?:\.[0-9]{1,6})?)"
_UNIT = r"(?:\s?(?:s|sec|seconds)\b)?"
_RANGE = rf"(?<![0-9.]){_NUMBER}{_UNIT}\s{{0,4}}[-–]\s{{0,4}}{_NUMBER}{_UNIT}(?![0-9]|\.[0-9])"
_ODD_BEFORE = re.compile(r"(?:(?<![0-9.])[0-9]+,|[0-9]:|[0-9][eE][-+]|(?<![\w)\]])[-–−])$")
"""Half of 1,2 or 1:02 or 1e-05 before a number, or its sign."""
_ODD_BEHIND = re.compile(r"[:eE][-+]?[0-9]|\s?(?:ms|min|minutes?|h|hours?)\b")
_ODD_COMMA = re.compile(r",[0-9]")
_ANY_TIME = re.compile(_RANGE)
_TIME_AT_START = re.compile(rf"[\s\[(]{{0,8}}{_RANGE}")
_SPACED = re.compile(r"\s[-–]\s")
_BREAK = re.compile(r"[\n;]")
_QUOTED = tuple(re.compile(rf"(?<!\w){o}(.+){c}(?!\w)", re.DOTALL) for o, c in (("'", "'"), ('"', '"'), ("‘", "’")))
_EDGES = " \t\r\n,;:.()[]-–*|\"'"


class Ftar:
    """Grounding and dense captioning.

    Args:
        audio_prefix: leading part of the paths in the files that stands for the corpus' root, where those were
            written on another machine; None = they are below the root as they stand.
    """

    name = "ftar"
    held_out: ClassVar[Mapping[str, int]] = {"ag": 483, "dac": 741}
    """The paper's numbers; which examples its test set holds, no public file says."""

    def __init__(self, audio_prefix: str | None = None) -> None:
        self.audio_prefix = audio_prefix

    def annotations(self, root: Path) -> Iterator[Annotation | Dropped]:
        """Every item of every file. Raises FileNotFoundError where a file of the training split is missing."""
        for task, file in FILES.items():
            if not (root / "train" / file).is_file():
                raise FileNotFoundError(f"{root / 'train' / file} does not exist")
            for split in SPLITS:
                if (root / split / file).is_file():
                    yield from self._of_file(root / split / file, task, split)

    def _of_file(self, path: Path, task: str, split: str) -> Iterator[Annotation | Dropped]:
        for entry, item in entries(path):
            where = f"{split}/{entry}"
            try:
                yield self._annotation(item, task, split, where)
            except Fault as fault:
                yield Dropped(where, "unreadable entry", str(fault), task)

    def _annotation(self, item: dict[str, Any], task: str, split: str, where: str) -> Annotation:
        id_, audio, duration_s = item.get("id"), file_name(item, "audio"), number(item, "duration")
        if not isinstance(id_, str | int) or isinstance(id_, bool):
            raise Fault(f"id is {id_!r:.80}, neither text nor number")
        if self.audio_prefix is not None and audio.startswith(self.audio_prefix):
            audio = audio[len(self.audio_prefix) :].lstrip("/")
        answer = item.get("answer")
        if not isinstance(answer, str) or len(answer) > MAX_ANSWER_CHARS:
            raise Fault(f"answer is {answer!r:.80}, not a text of at most {MAX_ANSWER_CHARS} characters")
        query = query_of(text(item, "question")) if task == "ag" else None
        events = times_of(answer, query) if query else captions_of(answer)
        return Annotation(f"{task}/{id_}", task, audio, events, split, where, query, duration_s)


def query_of(question: str) -> str:
    """The phrase between the quotes of a grounding question; it may hold an apostrophe. Raises Fault without one.

    >>> query_of("What's the time interval matching 'a dog's bark'?")
    "a dog's bark"
    """
    question = question[:MAX_QUESTION_CHARS]
    for pattern in _QUOTED:
        if (found := pattern.search(question)) and found[1].strip():
            return found[1].strip()
    raise Fault(f"the question quotes no phrase: {question!r:.120}")


def times_of(answer: str, label: str) -> tuple[Event, ...]:
    """Every `start - end` of a grounding answer. Raises Fault where there is none, or one whose numbers go on.

    >>> [(e.onset, e.offset) for e in times_of("0.0 - 2.5s,3 - 4.5", "a dog")]
    [(0.0, 2.5), (3.0, 4.5)]
    """
    times = list(_ANY_TIME.finditer(answer))
    if not times or any(map(_goes_on, times)):  # 1,2 and 1:02 and 1e-05 are other numbers than their halves
        raise Fault(f"the answer holds no times: {answer!r:.120}")
    return tuple(_event(found, label) for found in times)


def _goes_on(found: re.Match[str]) -> bool:
    """Whether the numbers of a time are parts of others, or no seconds."""
    text, end = found.string, found.end()
    comma = "." not in found[2] and not found[0].endswith(("s", "c")) and _ODD_COMMA.match(text, end)
    return bool(
        _ODD_BEFORE.search(text[max(0, found.start() - 12) : found.start()]) or _ODD_BEHIND.match(text, end) or comma
    )


def captions_of(answer: str) -> tuple[Event, ...]:
    """The events of a dense caption, times before or behind their descriptions. Raises Fault where it is neither.

    >>> [(e.onset, e.offset, e.label) for e in captions_of("0.0 - 2.5, a 2-3 second beep; 3.1 - 4.0, a dog barks")]
    [(0.0, 2.5, 'a 2-3 second beep'), (3.1, 4.0, 'a dog barks')]
    """
    answer = with_line_ends(answer)
    times = list(_times_of_captions(answer))
    if not times:
        raise Fault(f"the answer holds no times: {answer!r:.120}")
    ends = [found.end() for found in times]
    starts = [found.start() for found in times]
    if _TIME_AT_START.match(answer):
        between = zip(ends, [*starts[1:], len(answer)], strict=True)
    else:
        if answer[ends[-1] :].strip(_EDGES):
            raise Fault(f"words follow the last times, where times follow words: {answer!r:.120}")
        between = zip([0, *ends[:-1]], starts, strict=True)
    captions = [" ".join(answer[start:end].strip(_EDGES).split()) for start, end in between]
    captions = [re.sub(r"[\s,:(]+(?:from|at|between|during)$", "", caption) for caption in captions]
    if not all(captions):
        raise Fault(f"times without a description: {answer!r:.120}")
    if any(_begins_clause(r.start, caption) for caption in captions for r in clear_ranges(plain(caption))):
        raise Fault(f"times within a description: {answer!r:.120}")
    return tuple(_event(found, caption) for found, caption in zip(times, captions, strict=True))


def _times_of_captions(answer: str) -> Iterator[re.Match[str]]:
    """Times as opposed to numbers within descriptions.

    They stand at the start or end of a line or clause, as `tasks.rows.read_lines` has it, or have a form that no
    description has.
    """
    times_first = _TIME_AT_START.match(answer) is not None
    clear = {r.start for r in clear_ranges(plain(answer))}
    for found in _ANY_TIME.finditer(answer):
        before, behind = answer[: found.start()].rstrip(" \t[("), answer[found.end() :].lstrip(" \t])")
        edge = before[-1:] if times_first else behind[:1]
        # In the midst of a text, a time has two decimal fractions and spaces; "a 2-3 second beep" has neither.
        unmistakable = "." in found[1] and "." in found[2] and _SPACED.search(found[0])
        around = answer[max(0, found.start() - 1) : found.start()] + answer[found.end() : found.end() + 1]
        bracketed = times_first and around in ("[]", "()") and answer.lstrip()[:1] == around[0]
        parted = behind[:1] in (",", ":", "-", "|") if times_first else before[-1:] in (",", ":", "-", "|")
        ends_clause = bracketed or (edge in (".", "|") and parted)
        if not edge or _BREAK.match(edge) or unmistakable or (found.start() in clear and ends_clause):
            yield found


def _begins_clause(start: int, caption: str) -> bool:
    """Whether times within a description are another event's: "a dog, 3.1-4.0, rain", and not "wait 5-10 seconds"."""
    return caption[:start].rstrip(" \t[(")[-1:] in (",", ":", ";")


def _event(found: re.Match[str], label: str) -> Event:
    return Event(float(found[1]), float(found[2]), label)
