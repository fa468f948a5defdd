"""What can hardly be meant in a system's answers: labels that are no class, times that lie outside of the clip.

Such events are scored as they are and match nothing; that an F1 of 0 comes of a spelling or a unit is for a reader to
see.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from timepro_lit.events.delivery import OUTSIDE, REVERSED, flag_of
from timepro_lit.files.json_object import shown
from timepro_lit.metrics.event_f1 import scored_events
from timepro_lit.records import Answer

_SHOWN = 5
_SPELLING = re.compile(r"""[\s_\-'"`\u2018\u2019\u201c\u201d]+""")
"""What may differ between two spellings of a class, beside case."""


@dataclass(frozen=True, slots=True)
class Oddities:
    """Events of answers that cannot match, counted."""

    no_class: Mapping[str, int] = field(default_factory=dict)
    """Label that is no class -> events that bear it, most frequent first."""
    meant: Mapping[str, str] = field(default_factory=dict)
    """Such a label -> the class that it equals but for case, `_`, `-`, quotes and spaces, where there is one."""
    outside: int = 0
    """Events that lie wholly outside of their clip."""
    backward: int = 0
    """Events that do not end after they begin."""

    def record(self) -> dict[str, Any]:
        """As it stands in scores.json."""
        return {"no_class": dict(self.no_class), OUTSIDE: self.outside, REVERSED: self.backward}

    def lines(self) -> str:
        """A line for each kind that there is."""
        found = [
            (len(self.no_class), "labels are no class", self._labels()),
            (self.outside, "events lie wholly outside of their clip", "are the times in seconds?"),
            (self.backward, "events do not end after they begin", "they match nothing"),
        ]
        return "".join(f"{number} {what}: {more}\n" for number, what, more in found if number)

    def _labels(self) -> str:
        names = [
            f"{shown(label)} ({count} events{f', the class is {self.meant[label]}' if label in self.meant else ''})"
            for label, count in list(self.no_class.items())[:_SHOWN]
        ]
        return ", ".join([*names, *(["..."] if len(self.no_class) > _SHOWN else [])])


def oddities_of(answers: Sequence[Answer], classes: Sequence[str], lengths_known: bool) -> Oddities:
    """Of the events that answers are scored with.

    Args:
        answers: to examples of one task.
        classes: of that task; none where any label is right.
        lengths_known: whether the examples say how long their clips are, and not only when their last event ends.
    """
    # Of clips of unknown lengths, whatever comes behind all events of all references lies outside.
    last_s = max((answer.example.duration_s for answer in answers), default=0.0)
    labels: Counter[str] = Counter()
    flags: Counter[str | None] = Counter()
    known = frozenset(classes)
    for answer in answers:
        end_s = answer.example.duration_s if lengths_known else last_s
        for event in scored_events(answer.prediction):
            flags[flag_of(event, end_s)] += 1
            if known and event.label not in known:
                labels[event.label] += 1
    by_spelling = {_spelling(label): label for label in reversed(classes)}
    meant = {label: by_spelling[_spelling(label)] for label in labels if _spelling(label) in by_spelling}
    return Oddities(dict(labels.most_common()), meant, flags[OUTSIDE], flags[REVERSED])


def _spelling(label: str) -> str:
    return _SPELLING.sub("", label).casefold()
