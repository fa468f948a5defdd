"""Starts, ends and durations that names give, in whatever order, put together to spans."""

from __future__ import annotations

from collections.abc import Sequence

from timepro_lit.tasks.names import Role

Span = tuple[float, float, str | None]
"""Onset and offset in seconds, and the label; None where the answer gave none."""
TIMES = (Role.ONSET, Role.OFFSET, Role.DURATION)


class NamedTimes:
    """Takes named times one after another; a name that comes again begins the next event."""

    def __init__(self) -> None:
        self._times: dict[Role, Sequence[float] | None] = {}
        self._labels: Sequence[str | None] = ()

    def add(self, role: Role, times_s: Sequence[float] | None, labels: Sequence[str | None]) -> list[Span] | None:
        """The spans that are complete now. `times_s` is None for what is no time; several are of as many events.

        Returns None where the last event's times do not make spans.
        """
        done = self.finish() if role in self._times else []
        self._times[role] = times_s
        self._labels = labels
        return done

    def finish(self) -> list[Span] | None:
        """The spans of what was taken since; None where they do not make any."""
        times, labels = self._times, self._labels
        self._times = {}
        if not times:
            return []
        onsets, offsets, durations = (times.get(role) for role in TIMES)
        if any(found is None for found in times.values()) or len(times) < 2:
            return None
        if onsets is None:
            assert offsets is not None and durations is not None
            onsets = [_rounded(end - length) for end, length in zip(offsets, durations, strict=False)]
        elif offsets is None:
            assert durations is not None
            offsets = [_rounded(start + length) for start, length in zip(onsets, durations, strict=False)]
        if len({len(found) for found in times.values() if found is not None}) > 1:
            return None
        if len(labels) != len(onsets):
            labels = [labels[0] if len(labels) == 1 else None] * len(onsets)
        return list(zip(onsets, offsets, labels, strict=True))


def _rounded(time_s: float) -> float:
    """Without the noise of a sum of decimals."""
    return round(time_s, 9)
