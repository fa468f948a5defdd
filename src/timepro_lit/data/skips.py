"""Counting what was skipped, and stopping where it is too much."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable

from timepro_lit.records import Skipped

log = logging.getLogger(__name__)


class Skips:
    """The examples of one run that were skipped, each counted once however often it came up.

    Args:
        num_examples: that the run sees, all of them skipped or not; None sets no limit.
        max_share: of them that may be skipped.
    """

    def __init__(self, num_examples: int | None = None, max_share: float = 0.01) -> None:
        self.limit = None if num_examples is None else max_share * num_examples
        self.num_examples = num_examples
        self.max_share = max_share
        self.kind_of: dict[str, str] = {}
        """Id of each -> kind of its fault."""

    def note(self, skipped: Iterable[Skipped]) -> None:
        """Count and log. Raises ValueError once more than the allowed share was skipped."""
        for one in skipped:
            if one.example.id in self.kind_of:
                continue
            self.kind_of[one.example.id] = one.kind
            log.warning("skipped %s: %s: %s", one.example.id, one.kind, one.message)
            if self.limit is not None and len(self.kind_of) > self.limit:
                raise ValueError(
                    f"{len(self.kind_of)} of {self.num_examples} examples cannot be used, more than "
                    f"{self.max_share:.1%} of them: {self.by_kind()}; the last one: {one.message}"
                )

    def by_kind(self) -> dict[str, int]:
        """Kind of fault -> examples."""
        return dict(Counter(self.kind_of.values()))
