"""Letters of any script in pictures: what matplotlib's own font lacks is taken from the fonts that are installed."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache

from matplotlib import get_data_path, rc_context
from matplotlib.font_manager import findfont, fontManager, get_font
from matplotlib.ft2font import FaceFlags

from timepro_lit.files.visible_text import visible

log = logging.getLogger(__name__)

OWN = "DejaVu Sans"
"""Comes with matplotlib."""
_BOX = "\N{WHITE SQUARE}"
_said: list[str] = []


@dataclass(frozen=True)
class Lettering:
    """How some texts are written."""

    families: tuple[str, ...]
    """Names of fonts, each for what those before it lack."""
    missing: str
    """Characters that no installed font has; a box stands for each."""

    def in_use(self) -> AbstractContextManager[None]:
        """While it lasts, texts that are put into a figure get these fonts."""
        context: AbstractContextManager[None] = rc_context({"font.family": list(self.families)})
        return context

    def __call__(self, text: str) -> str:
        """The text with all of it in one of the fonts."""
        return text.translate({ord(char): _BOX if _has_shape(char) else None for char in self.missing})


def lettering(texts: Iterable[str]) -> Lettering:
    """Fonts for some texts, as few as do; says, once, where some characters have none."""
    chars = {char for text in texts for char in text if char != "\n"}
    families = [OWN]
    left = {char for char in chars if ord(char) not in _letters(findfont(OWN))}
    for name, path in _installed() if left else ():
        if found := {char for char in left if ord(char) in _letters(path)}:
            families.append(name)
            left -= found
    missing = "".join(sorted(left))
    if shown := "".join(filter(_has_shape, missing)):
        _say_missing(visible(shown[:10]))
    return Lettering(tuple(families), missing)


def _has_shape(char: str) -> bool:
    """Not what only joins others, chooses their form, or commands a terminal."""
    return unicodedata.category(char) not in ("Cc", "Cf", "Mn")


def _say_missing(chars: str) -> None:
    if _said:
        return
    _said.append(chars)
    log.warning(
        f"no installed font has {chars}: pictures show boxes instead; a font such as Noto Sans CJK or Noto Emoji, "
        "once installed, is found"
    )


@cache
def _installed() -> tuple[tuple[str, str], ...]:
    """Name and file of every installed font in its plain style."""
    return tuple(_plain_fonts())


def _plain_fonts() -> Iterator[tuple[str, str]]:
    for font in sorted(fontManager.ttflist, key=lambda font: font.name):
        plain = font.style == "normal" and str(font.weight) in ("400", "normal", "regular", "book")
        # Emoji in colour are no outlines; of matplotlib's other fonts some draw boxes, some have codes of their own.
        if plain and "Color Emoji" not in font.name and not font.fname.startswith(get_data_path()):
            yield font.name, font.fname


@cache
def _letters(path: str) -> frozenset[int]:
    """Code points that a font draws."""
    try:
        font = get_font(path)
    except (OSError, RuntimeError):  # not there any more, or nothing FreeType reads
        return frozenset()
    return frozenset(font.get_charmap()) if font.face_flags & FaceFlags.SCALABLE else frozenset()
