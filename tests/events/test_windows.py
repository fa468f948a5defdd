from __future__ import annotations

import pytest

from timepro_lit.events.windows import part_within, windows
from timepro_lit.records import Event

NAN = float("nan")


@pytest.mark.parametrize(
    ("duration_s", "window_s", "found"),
    [
        (10.0, 30.0, [(0.0, 10.0)]),
        (30.0, 30.0, [(0.0, 30.0)]),
        (30.0001, 30.0, [(0.0, 15.0), (15.0, 15.0001)]),
        (61.0, 30.0, [(0.0, 20.33), (20.33, 20.33), (40.66, 20.34)]),
        (0.0025, 30.0, [(0.0, 0.0025)]),
        (0.3, 0.1, [(0.0, 0.1), (0.1, 0.1), (0.2, 0.1)]),
    ],
)
def test_windows_are_equally_long_and_cover_the_recording(
    duration_s: float, window_s: float, found: list[tuple[float, float]]
) -> None:
    assert windows(duration_s, window_s) == found


def test_windows_of_any_recording_fit_and_leave_nothing_out() -> None:
    for duration_s in (ticks / 10_000 for ticks in range(1, 3_000_000, 9_973)):
        cut = windows(duration_s, 30.0)
        lengths = [length for _, length in cut]
        assert max(lengths) <= 30.0
        assert max(lengths) - min(lengths) < 0.0201
        assert [start for start, _ in cut[1:]] == [round(start + length, 4) for start, length in cut[:-1]]
        assert round(sum(lengths), 4) == duration_s


@pytest.mark.parametrize(
    ("duration_s", "window_s"), [(0.0, 30.0), (-1.0, 30.0), (10.0, 0.0), (10.0, -5.0), (NAN, 30.0)]
)
def test_what_has_no_length_is_not_cut(duration_s: float, window_s: float) -> None:
    with pytest.raises(ValueError, match="cannot be cut into windows"):
        windows(duration_s, window_s)


@pytest.mark.parametrize(
    ("onset", "offset", "part", "holds"),
    [
        (31.0, 32.5, (1.0, 2.5), True),
        (10.0, 30.0, None, False),  # touches the window
        (60.0, 61.0, None, False),
        (10.0, 90.0, (0.0, 30.0), True),
        (28.0, 31.0, (0.0, 1.0), True),
        (28.0, 30.9, None, True),  # less than a second, and than half of it
        (29.7, 30.3, (0.0, 0.3), True),  # half of it
        (59.8, 60.3, None, True),
        (30.1234, 30.2, (0.1234, 0.2), True),
    ],
)
def test_an_event_is_cut_to_its_window(
    onset: float, offset: float, part: tuple[float, float] | None, holds: bool
) -> None:
    wanted = None if part is None else Event(*part, "rain")
    assert part_within(Event(onset, offset, "rain"), 30.0, 30.0) == (wanted, holds)
