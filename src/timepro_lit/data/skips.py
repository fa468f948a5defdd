"""Counting what was skipped, and stopping where it is too much."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping

from timepro_lit.files.visible_text import visible
from timepro_lit.records import Skipped

log = logging.getLogger(__name__)


class Skips:
    """The examples that one process skipped, each counted once however often it came up.

    Args:
        num_examples: that all processes see, all of them skipped or not; None sets no limit.
        max_share: of them that may be skipped.
    """

    def __init__(self, num_examples: int | None = None, max_share: float = 0.01) -> None:
        self.num_examples = num_examples
        self.max_share = max_share
        self.kind_of: dict[str, str] = {}
        """Id of each -> kind of its fault."""
        self._message_of: dict[str, str] = {}

    def note(self, skipped: Iterable[Skipped]) -> None:
        """Count and log."""
        for one in skipped:
            if one.example.id not in self.kind_of:
                self.kind_of[one.example.id] = one.kind
                self._message_of[one.example.id] = one.message
                log.warning("skipped %s: %s: %s", visible(one.example.id), one.kind, visible(one.message))

    def are_too_many(self, number: float) -> bool:
        """Whether so many, over all processes, are more than the allowed share."""
        return self.num_examples is not None and number > self.max_share * self.num_examples

    def check(self, kind_of: Mapping[str, str]) -> None:
        """Raise ValueError where those of all processes are more than the allowed share."""
        if self.are_too_many(len(kind_of)):
            one = next(reversed(self._message_of or kind_of))
            why = f": {self._message_of[one]}" if self._message_of else ""  # which another process knows
            raise ValueError(
                f"{len(kind_of)} of {self.num_examples} examples cannot be used, more than {self.max_share:.1%} of "
                f"them: {dict(Counter(kind_of.values()))}; {one!r} for one{why}"
            )
