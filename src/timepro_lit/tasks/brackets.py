"""Bracketed text as a tree, whatever is wrong with it.

Strict JSON, Python literals, unquoted or unclosed near misses and plain prose all go through one scanner. A group keeps
keys and values in order and does not care which kind of bracket holds them. The scanner never fails, never steps back
(possessive repetitions), and the tree is at most `MAX_DEPTH` deep, so reading it may recurse.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from timepro_lit.tasks.times import find_pairs, read_pair, read_time

MAX_DEPTH = 32

_TOKEN = re.compile(
    r'"(?P<double>(?:[^"\\\n\r]++|\\.)*+)(?P<double_end>"?)'
    # an apostrophe closes only before what may follow a value: {'a dog's bark': ...}
    r"|'(?P<single>(?:[^'\\\n\r]++|\\.|'(?!\s{0,4}(?:[]:,;})]|\Z)))*+)(?P<single_end>'?)"
    r"|(?P<mark>[][{}(),:;])"
    # a colon between digits belongs to a clock time: 0:01 - 0:03
    r"|(?P<bare>[^][{}(),:;\"'\s](?:[^][{}(),:;\"\n\r]++|(?<=[0-9]):(?=[0-5][0-9]))*+)",
    re.DOTALL,
)
_CLOSES = {"]": "[", "}": "{", ")": "("}
_JSON_NUMBER = re.compile(r"-?[0-9]++(?:\.[0-9]++)?")
_MARKDOWN = re.compile(r"\A(?:[-*•]\s{1,4})?\*{0,3}")  # bullets and bold marks, but not a minus
_FENCE = re.compile(r"(?:`{3,}+\s{0,4}(?:json|python|text)?|json)\s*+", re.IGNORECASE)


@dataclass(slots=True)
class Group:
    """The inside of one pair of brackets, or the whole answer."""

    opener: str
    entries: list[tuple[str | None, list[Value]]] = field(default_factory=list)
    """Each key with the values up to the next key; values before any key stand under None."""
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted or bare stretch that is neither a time nor a pair of times."""

    text: str
    pairs: tuple[tuple[float, float], ...] = ()
    """Pairs of times within it, in seconds."""


Value = Group | Text | float | tuple[float, float] | None
"""Times are in seconds; None is JSON's null."""


def read_groups(text: str, repairs: list[str]) -> Group:
    """The tree of `text`: a root group that holds everything. Appends the kinds of repair to `repairs`."""
    tokens = list(_TOKEN.finditer(text))
    marks = [token["mark"] for token in tokens] + [None]
    root = Group("")
    stack = [root]
    for index, (token, mark) in enumerate(zip(tokens, marks, strict=False)):
        top = stack[-1]
        if mark is None:
            _add(top, token, is_key=marks[index + 1] == ":", at_root=top is root, repairs=repairs)
        elif mark in "[{" or (mark == "(" and top is not root):  # brackets of prose are no answer: (2-3 dogs)
            if len(stack) > MAX_DEPTH:
                repairs.append("too_deep")
                break
            group = Group(mark)
            _append(top, group)
            stack.append(group)
        elif mark in _CLOSES:
            _close(stack, _CLOSES[mark], repairs)
            if index and marks[index - 1] == ",":
                repairs.append("trailing_comma")
    if len(stack) > 1:
        repairs.append("unclosed")
    return root


def _append(group: Group, value: Value) -> None:
    if not group.entries:
        group.entries.append((None, []))
    group.entries[-1][1].append(value)


def _close(stack: list[Group], opener: str, repairs: list[str]) -> None:
    """Closes the innermost group of that bracket, and drops those left open within it."""
    depth = next((i for i in range(len(stack) - 1, 0, -1) if stack[i].opener == opener), None)
    if depth is None:
        if len(stack) > 1:
            repairs.append("brackets")
        return
    if depth < len(stack) - 1:
        repairs.append("brackets")
    stack[depth].closed = True
    del stack[depth:]


def _add(group: Group, token: re.Match[str], *, is_key: bool, at_root: bool, repairs: list[str]) -> None:
    """Puts a word, quoted or bare, into the group as a key or as a value."""
    text, quoted = _text(token, repairs)
    if at_root:
        fence = _FENCE.fullmatch(text) is not None
        repairs.append("code_fence" if fence else "prose")
        if fence:
            return
    if is_key:
        if not quoted and not at_root:
            repairs.append("unquoted")
        group.entries.append((text, []))
        return
    value, repair = _value(text, quoted, at_root)
    if repair is not None and not at_root:
        repairs.append(repair)
    _append(group, value)


def _value(text: str, quoted: bool, at_root: bool) -> tuple[Value, str | None]:
    """A word as a value, and the kind of repair it needs within brackets."""
    time_s, pair = read_time(text), read_pair(text)
    if time_s is not None:
        return time_s, None if _JSON_NUMBER.fullmatch(text) and not quoted else "time_format"
    if pair is not None:
        return pair, "time_format"
    if text.lower() in ("null", "none", ""):
        return None, None
    # a bare word within brackets may hold numbers that are no times; a quoted one is a value that says when
    pairs = find_pairs(text) if quoted or at_root else []
    return Text(text, tuple(pairs)), "time_format" if pairs else None if quoted else "unquoted"


def _text(token: re.Match[str], repairs: list[str]) -> tuple[str, bool]:
    """What the token says, stripped, and whether it was quoted."""
    bare, double = token["bare"], token["double"]
    if bare is not None:
        return _MARKDOWN.sub("", bare.rstrip("* \t\r"), count=1), False
    if double is None:
        repairs.append("single_quotes")
    if not (token["single_end"] if double is None else token["double_end"]):
        repairs.append("unclosed_string")
    body = token["single"].replace("\\'", "'").replace('"', '\\"') if double is None else double
    return _unescape(body).strip(), True


def _unescape(body: str) -> str:
    """The inside of a JSON string, decoded; as it stands where its escapes are not JSON's."""
    if "\\" not in body:
        return body
    try:
        return str(json.loads(f'"{body}"', strict=False))
    except json.JSONDecodeError:
        return body
