"""Bracketed text as a tree, whatever is wrong with it.

Strict JSON, Python literals, unquoted or unclosed near misses and plain prose all go through one scanner. A group keeps
keys and values in order and does not care which kind of bracket holds them. The scanner never fails, never steps back
(possessive repetitions), and the tree is at most `MAX_DEPTH` deep, so reading it may recurse.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from timepro_lit.tasks.times import CLOCK_COMMA, DECIMAL_COMMAS, FLAGS
from timepro_lit.tasks.typography import plain as in_plain_signs
from timepro_lit.tasks.typography import unwrapped

MAX_DEPTH = 32

_TOKEN = re.compile(
    # a typographic quote ends a string only before what may follow one, and not where it ends a quotation within
    r'"(?P<double>(?:[^"\\\n\r“]++|\\.|(?<=[\s("“])“(?=[^\s“":,;\])}])[^“"\\\n\r]{0,200}“'
    r'|“(?!\s{0,4}(?:[]:,;})]|\Z)))*+)(?P<double_end>["“]?)'
    r'|“(?P<curly>(?:[^“"\\\n\r]++|\\.|(?<=[\s(])["“](?=[^\s“":,;\])}])[^“"\\\n\r]{0,200}["“])*+)(?P<curly_end>["“]?)'
    # an apostrophe closes only before what may follow a value: {'a dog's bark': ...}
    r"|['’](?P<single>(?:[^'’\\\n\r]++|\\.|['’](?!\s{0,4}(?:[]:,;})]|\Z)))*+)(?P<single_end>['’]?)"
    r"|(?P<mark>[][{}(),:;])"
    # a colon between digits belongs to a clock time: 0:01 - 0:03; a comma to a number where units or joints say so
    rf"|(?P<bare>[^][{{}}(),:;\"'“’\s](?:[^][{{}}(),:;\"“\n\r]++|(?<=[0-9]):(?=[0-9][0-9])|{CLOCK_COMMA}|{DECIMAL_COMMAS})*+)",
    re.DOTALL | FLAGS,
)
_CLOSES = {"]": "[", "}": "{", ")": "("}
# bullets and marks, but not a minus
_MARKDOWN = re.compile(r"(?:[-*•]\s{1,4})?(?:[0-9]{1,3}[.)]\s{1,4}(?=\D))?[*`]{0,3}")
_FENCE = re.compile(r"(?:`{3,}+\s{0,4}(?:json|python|text)?|json)\s*+", re.IGNORECASE)


@dataclass(slots=True)
class Group:
    """The inside of one pair of brackets, or the whole answer."""

    opener: str
    start: int = 0
    """Where its bracket stands in the text."""
    end: int | None = None
    """Behind its closing bracket; None where it has none."""
    entries: list[tuple[str | None, list[Value]]] = field(default_factory=list)
    """Each key with the values up to the next key; values before any key stand under None."""

    @property
    def closed(self) -> bool:
        """Whether its closing bracket was found."""
        return self.end is not None


@dataclass(frozen=True, slots=True)
class Word:
    """A quoted or bare stretch."""

    text: str
    plain: str
    """The same in plain signs (`tasks.typography`)."""
    quoted: bool


Value = Group | Word


def words_within(group: Group) -> Iterator[Word]:
    """The words among the values of a group and of those within, in their order."""
    for _, values in group.entries:
        for value in values:
            if isinstance(value, Word):
                yield value
            else:
                yield from words_within(value)


def read_groups(text: str, plain: str, repairs: list[str]) -> Group:
    """The tree of `text`: a root group that holds everything. Appends the kinds of repair to `repairs`.

    `plain` is the text in plain signs, of the same length.
    """
    tokens = list(_TOKEN.finditer(plain))
    marks = [token["mark"] for token in tokens] + [None]
    root = Group("")
    stack = [root]
    for index, (token, mark) in enumerate(zip(tokens, marks, strict=False)):
        top = stack[-1]
        if mark is None:
            _add(top, _word(token, text, repairs), marks[index + 1] == ":", top is root, repairs)
        elif mark in "[{" or (mark == "(" and top is not root):  # brackets of prose are no answer: (2-3 dogs)
            if len(stack) > MAX_DEPTH:
                repairs.append("too_deep")
                break
            group = Group(mark, token.start())
            _append(top, group)
            stack.append(group)
        elif mark in _CLOSES:
            _close(stack, _CLOSES[mark], token.end(), repairs)
            if index and marks[index - 1] == ",":
                repairs.append("trailing_comma")
    if len(stack) > 1:
        repairs.append("unclosed")
    return root


def _append(group: Group, value: Value) -> None:
    if not group.entries:
        group.entries.append((None, []))
    group.entries[-1][1].append(value)


def _close(stack: list[Group], opener: str, end: int, repairs: list[str]) -> None:
    """Closes the innermost group of that bracket, and drops those left open within it."""
    depth = next((i for i in range(len(stack) - 1, 0, -1) if stack[i].opener == opener), None)
    if depth is None:
        if len(stack) > 1:
            repairs.append("brackets")
        return
    if depth < len(stack) - 1:
        repairs.append("brackets")
    stack[depth].end = end
    del stack[depth:]


def _add(group: Group, word: Word, is_key: bool, at_root: bool, repairs: list[str]) -> None:
    """Puts a word into the group as a key or as a value."""
    if at_root:
        fence = _FENCE.fullmatch(word.text) is not None
        repairs.append("code_fence" if fence else "prose")
        if fence:
            return
    if not is_key:
        _append(group, word)
        return
    if not word.quoted and not at_root:
        repairs.append("unquoted")
    group.entries.append((word.text, []))


def _word(token: re.Match[str], text: str, repairs: list[str]) -> Word:
    """What the token says, stripped; its signs as the answer wrote them."""
    kind = next(kind for kind in ("bare", "double", "curly", "single") if token[kind] is not None)
    start, end = token.span(kind)
    if kind == "bare":
        plain = token[kind].rstrip()
        if _FENCE.fullmatch(plain):
            return Word(plain, plain, quoted=False)
        skipped = _MARKDOWN.match(plain)
        assert skipped is not None
        plain = plain.rstrip("* \t\r`")
        return Word(text[start + skipped.end() : start + len(plain)], plain[skipped.end() :], quoted=False)
    if kind == "single":
        repairs.append("single_quotes")
    if not token[f"{kind}_end"]:
        repairs.append("unclosed_string")
    if not text[start - 1].isascii() or not text[end : end + 1].isascii():
        repairs.append("typographic_quotes")
    body, plain = text[start:end], token[kind]
    if "\\" in body:
        body = _unescape(body if kind == "double" else body.replace("\\'", "'").replace('"', '\\"'))
        return Word(body.strip(), in_plain_signs(body).strip(), quoted=True)
    return Word(unwrapped(body.strip()), plain.strip(), quoted=True)


def _unescape(body: str) -> str:
    """The inside of a JSON string, decoded; as it stands where its escapes are not JSON's."""
    try:
        return str(json.loads(f'"{body}"', strict=False))
    except json.JSONDecodeError:
        return body
