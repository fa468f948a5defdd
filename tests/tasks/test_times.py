"""A time is read whole or not at all."""

from __future__ import annotations

import pytest

from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.times import read_amount


@pytest.mark.parametrize(
    ("text", "seconds"),
    {
        "1.5": 1.5,
        "1.5 s": 1.5,
        "1500ms": 1.5,
        "1,5 s": 1.5,
        "0,250 sec": 0.25,
        "0:01.5": 1.5,
        "00:00:01,500": 1.5,
        "00:01:500": 1.5,
        "1:00:01.5": 3601.5,
        "1 min 2.5 s": 62.5,
        "1m02s": 62.0,
        "1 minute and 2 seconds": 62.0,
        "1h 1m 1s": 3661.0,
        "about 1.5 s": 1.5,
        "-1.5": -1.5,
        "1.5e1": 15.0,
        "2 min": 120.0,
        "1 min 2": 62.0,
        "1 h 2 min 3": 3723.0,
        "1 s 200 ms": 1.2,
        # no times
        "1:75": None,
        "0:1.5": None,
        "00:00:01:12": None,
        "1.2.3": None,
        "1/2": None,
        "1'20": None,
        "5 m": None,
        "1,200 s": None,
        "1 min 75 s": None,
        "5 m 2": None,
        "1 min 75": None,
    }.items(),
)
def test_one_time(text: str, seconds: float | None) -> None:
    found = read_amount(text)
    assert (None if found is None else found.seconds) == seconds


@pytest.mark.parametrize(
    ("text", "pairs"),
    {
        "1,5 - 3,25 s": [(1.5, 3.25)],
        "1,5-3,25": [(1.5, 3.25)],
        "[1,5 s - 3,25 s]": [(1.5, 3.25)],
        "1, 2": [(1.0, 2.0)],
        "[1,2]": [(1.0, 2.0)],
        "1-2,3-4": [(1.0, 2.0), (3.0, 4.0)],
        "[0:01,5 - 0:03,25]": [(1.5, 3.25)],
        "[[0.5,1.5],[2.0,3.5]]": [(0.5, 1.5), (2.0, 3.5)],
        "1 - 2 min": [(60.0, 120.0)],
        "4 s - 1 min 2 s": [(4.0, 62.0)],
        # cannot be told apart
        "1,5": [],
        "[1,5, 3,25]": [],
        "[0,1,0,6]": [],
        "[1,5; 3,25]": [],
        "1,5 - 3 s": [],
        "1, 2 - 3, 48": [],
        "1 - 1 min 2 s": [],
        "200 ms - 3": [],
        "1:75 - 2:80": [],
        "1.5-2.5 s, then 00:00:01:12 - 00:00:03:10": [],
        '["1,5", "3,25"]': [],
    }.items(),
)
def test_commas_and_units_of_a_range(text: str, pairs: list[tuple[float, float]]) -> None:
    prediction = Grounding().parse(text)
    assert [(event.onset, event.offset) for event in prediction.events] == pairs
    assert prediction.readable == bool(pairs)


@pytest.mark.parametrize(
    ("text", "pairs"),
    {
        "2 min 30 - 3 min": [(150.0, 180.0)],
        "1 min 2 - 1 min 5": [(62.0, 65.0)],
        "1 s 200 ms - 3 s 480 ms": [(1.2, 3.48)],
        "2 minutes 1 second 500 milliseconds - 2 minutes 3 seconds": [(121.5, 123.0)],
        "1 hour 5 seconds to 1 hour 9 seconds": [(3605.0, 3609.0)],
        "start: 1 min 2 s 500 ms, end: 1 min 5 s 250 ms": [(62.5, 65.25)],
        "0分1秒200毫秒到0分3秒": [(1.2, 3.0)],
        "1 h 2 min 3 s 4 ms - 1 h 2 min 5 s": [(3723.004, 3725.0)],
        "1 min 500 ms - 1 min 2 s": [(60.5, 62.0)],
        "1 minute, 3 seconds, and 200 milliseconds to 1 minute, 5 seconds": [(63.2, 65.0)],
        "from 1 min to 2 min 3 dogs bark": [(60.0, 120.0)],
        "start (ms): 1200, end (ms): 3480": [(1.2, 3.48)],
        "[1200, 3480] ms": [(1.2, 3.48)],
        "[[1200, 3480], [5000, 6000]] ms": [(1.2, 3.48), (5.0, 6.0)],
        "[1.2, 3.48] seconds": [(1.2, 3.48)],
        "time_ms: [1200, 3480]": [(1.2, 3.48)],
        '{"a dog": [1200, 3480] ms}': [(1.2, 3.48)],
        '{"a dog (ms)": [1200, 3480]}': [(1.2, 3.48)],
        '{"a dog (ms)": [1200.00, 3480.00]}': [(1.2, 3.48)],
        '{"a dog (ms)": "1200-3480"}': [(1.2, 3.48)],
        '{"a dog": [1200, 3480], "unit": "ms"}': [(1.2, 3.48)],
        '{"time_unit": "milliseconds", "start": 1200, "end": 3480}': [(1.2, 3.48)],
        '{"unit": "ms", "start": "1.2 s", "end": "3.48 s"}': [(1.2, 3.48)],
        '{"time_ms": {"start": 1200, "end": 3480}}': [(1.2, 3.48)],
        "| Start | End | Unit |\n|---|---|---|\n| 1200 | 3480 | ms |": [(1.2, 3.48)],
        # cannot be told
        "1 min 2 - 5": [],
        "from minute 2 to 3": [],
        "Times in ms: 1200-3480": [],
        "Unit: ms\nStart: 1200\nEnd: 3480": [],
        "[1, 2] m": [],
        '{"unit": "frames", "start": 1200, "end": 3480}': [],
        '{"start_min": 1, "start_sec": 2, "end_min": 1, "end_sec": 5}': [],
        '{"start_minute": 1, "start_second": 2, "end_minute": 1, "end_second": 5}': [],
    }.items(),
)
def test_a_unit_may_stand_apart_from_its_numbers(text: str, pairs: list[tuple[float, float]]) -> None:
    assert [(event.onset, event.offset) for event in Grounding().parse(text).events] == pairs
