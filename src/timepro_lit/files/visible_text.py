"""Text of others, such as names of files and answers of models, in a form that is safe to show."""

from __future__ import annotations

import unicodedata


def visible(text: str, max_chars: int | None = 4000) -> str:
    r"""`text` with everything that is not a printable character, a newline or a tab written as an escape.

    Control characters, direction overrides and lone surrogates would otherwise hide text or break the file.
    `max_chars`: the rest is counted and left out; None = all is shown.

    >>> visible("a\x1b[0m\u202eb")
    'a\\x1b[0m\\u202eb'
    """
    kept = text[:max_chars]
    shown = "".join(c if c in "\n\t" or _printable(c) else c.encode("unicode_escape").decode() for c in kept)
    return shown if len(text) == len(kept) else f"{shown} … ({len(text):,} characters in all)"


def _printable(char: str) -> bool:
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
