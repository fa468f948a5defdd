"""Signs that many scripts and word processors write for the few that notations of times are made of."""

from __future__ import annotations

import re

_SPACES = "".join(chr(code) for code in range(0x80, 0x3001) if chr(code).isspace()) + "\x0b\x0c\u200b\u2060\ufeff"
_SIGNS = {
    " ": _SPACES,
    "-": "\u058a\u05be\u1400\u1806\u2e17\u2e1a\u2e40\u30a0\u30fc\ufe31\ufe32"
    "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2e3a\u2e3b\ufe58\ufe63\uff0d",
    "~": "\u02dc\u2053\u223c\u301c\u3030\uff5e",
    "→": "⇒⟶⟹➔➙➛➜➝➞",
    '"': "＂",
    "“": "”„‟«»❝❞〝〞「」『』",
    "’": "‘‚‛‹›❛❜＇",
    ":": "：",
    ",": "，、",
    ";": "；",
    "[": "［【〔",
    "]": "］】〕",
    "{": "｛",
    "}": "｝",
    "(": "（",
    ")": "）",
    "|": "｜",
}
_TOKEN_MARKS = re.compile(r"<\|?([0-9]{1,6}(?:\.[0-9]{1,6})?s?)\|?>")
_WRITTEN_END = re.compile(r"(?:\\n|<br\s?/?>)(?=\s{0,4}[*([-]{0,4}\s{0,4}(?:from\s{1,4})?[0-9])", re.IGNORECASE)
_LATEX = re.compile(r"(?<!\\)\\(?=[][()])")
_TABLE = {ord(sign): plain for plain, signs in _SIGNS.items() for sign in signs}
_QUOTES = frozenset("“’" + _SIGNS["“"] + _SIGNS["’"])


def plain(text: str) -> str:
    """`text` sign for sign, as long as before: what is found in it can be cut out of the original.

    Typographic quotes become “ and ’, which stand for opening and closing ones alike; the marks of <|1.20|> and of
    \\[1.20\\] become spaces.
    """
    text = text if text.isascii() else text.translate(_TABLE)
    if "<" in text:
        text = _TOKEN_MARKS.sub(lambda found: found[1].center(len(found[0])), text)
    return _LATEX.sub(" ", text) if "\\" in text else text


def with_line_ends(text: str) -> str:
    """`text` sign for sign, with ends of lines for a `<br>` or a `\\n` written out before a number."""
    return _WRITTEN_END.sub(lambda found: "\n".rjust(len(found[0])), text)


def unwrapped(label: str) -> str:
    """The label without typographic quotes around all of it."""
    if len(label) > 1 and label[0] in _QUOTES and label[-1] in _QUOTES and not _QUOTES & set(label[1:-1]):
        return label[1:-1].strip()
    return label
