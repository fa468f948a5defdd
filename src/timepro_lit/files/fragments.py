"""A stretch of a recording in what says where it lies, as W3C's Media Fragments URI 1.0 write it: `a.flac#t=30,60`."""

from __future__ import annotations

import re

_FRAGMENT = re.compile(r"(.+)#t=([0-9]+(?:\.[0-9]+)?),([0-9]+(?:\.[0-9]+)?)", re.DOTALL)


def with_fragment(place: str, start_s: float, duration_s: float) -> str:
    """A path or URL, and of what lies there the stretch from `start_s` on.

    >>> with_fragment("a.flac", 30, 29.9)
    'a.flac#t=30.0000,59.9000'
    """
    return f"{place}#t={start_s:.4f},{start_s + duration_s:.4f}"


def without_fragment(place: str) -> tuple[str, tuple[float, float] | None]:
    """The path or URL, and where the stretch begins and ends in seconds; None where all of it is meant.

    >>> without_fragment("a.flac#t=30,59.9"), without_fragment("take #t=1.flac")
    (('a.flac', (30.0, 59.9)), ('take #t=1.flac', None))
    """
    found = _FRAGMENT.fullmatch(place)
    if found is None or float(found[3]) <= float(found[2]):
        return place, None
    return found[1], (float(found[2]), float(found[3]))
