"""Captions that stand twice in one recording, with other times: one question, since it asks for all occurrences.

As two questions they would contradict each other: of a window in which only the one is said to occur, none would be the
answer to the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from timepro_lit.data.corpora.annotated import Annotation, Dropped, same_query

_REPEATED = ("repeated", "says what {} says")


def joined(annotations: Iterable[Annotation], dropped: list[Dropped]) -> list[Annotation]:
    """The first of those that ask the same of one recording takes over the times of the others, which are `dropped`.

    Those alone are joined whose events are all there are (`Annotation.complete`). Of one whose times are unreadable,
    and that its reader has dropped, the others are told; by itself it asks nothing.
    """
    alike: dict[tuple[str, ...], list[Annotation]] = {}
    for n, one in enumerate(annotations):
        asks = one.complete and one.query is not None
        key = (one.split, one.task, one.audio, same_query(one.query or "")) if asks else (str(n),)
        alike.setdefault(key, []).append(one)
    named = {one.where for one in dropped}
    return [one for same in alike.values() if (one := _as_one(same, named, dropped)) is not None]


def _as_one(same: Sequence[Annotation], named: set[str], dropped: list[Dropped]) -> Annotation | None:
    asking = [one for one in same if one.events or not one.unread or one.where not in named]
    if not asking or len(same) == 1:
        return asking[0] if asking else None
    first, events = asking[0], list(asking[0].events)
    for one in asking[1:]:
        new = [event for e in one.events if (event := replace(e, label=first.query or "")) not in events]
        reason, says = ("query joined", "asks what {} asks, which takes over its times") if new else _REPEATED
        dropped.append(Dropped(one.where, reason, f"{says.format(first.where)}: {one.query}", one.task))
        events += new
    return replace(first, events=tuple(events), unread=tuple(said for one in same for said in one.unread))
