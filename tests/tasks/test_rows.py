"""Subtitles, label tracks, tables and lists."""

from __future__ import annotations

import pytest

from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.sound_events import SoundEventDetection

WANTED = [(1.2, 3.48, "a 2-3 s beep"), (4.0, 5.0, "rain")]
TEXTS = {
    "srt": "1\n00:00:01,200 --> 00:00:03,480\na 2-3 s\nbeep\n\n2\n00:00:04,000 --> 00:00:05,000\nrain",
    "srt without blank lines": "1\r\n0:01,2 --> 0:03,48\r\na 2-3 s beep\r\n2\r\n0:04,0 --> 0:05,0\r\nrain\r\n",
    "vtt": "WEBVTT\n\n00:01.200 --> 00:03.480 align:start\n<v Ann>a 2-3 s beep</v>\n\nNOTE 1-2\n\n"
    "x\n00:04.000 --> 00:05.000\nrain",
    "labels": "```\n1.200000\t3.480000\ta 2-3 s beep\n\\\t100.0\t200.0\n4.000000\t5.000000\train\n```",
    "table": "Here:\n\n| # | Start (s) | End | Caption |\n|--:|---|---|:-:|\n"
    "| 1 | 1.2 | 3.48 s | a 2-3 s beep |\n| 2 | 4 | 5 | **rain** |",
    "table of ranges": "Time | Sound\n--- | ---\n1.2 – 3.48 | a 2-3 s beep\n4.0 – 5.0 | rain",
    "table of durations": "Sound\tDuration (ms)\tOnset\na 2-3 s beep\t2280\t1.2\nrain\t1000\t4",
    "table that looks like labels": "end\tstart\tevent\n3.48\t1.2\ta 2-3 s beep\n5\t4\train",
    "durations that look like labels": "onset\tduration\tevent\n1.2\t2.28\ta 2-3 s beep\n4\t1\train",
    "milliseconds that look like labels": "start_ms\tend_ms\tevent\n1200\t3480\ta 2-3 s beep\n4000\t5000\train",
    "labels under the name of a column": "Segment\tLabel\n1.2\t3.48\ta 2-3 s beep\n4\t5\train",
    "labels under a heading": "The events\tas found\n1.2\t3.48\ta 2-3 s beep\n4\t5\train",
}  # fmt: skip
LINES = {
    "bullets": "- **1.2 s – 3.48 s**: a 2-3 s beep\n- **4 s – 5 s**: rain",
    "bullets with times behind": "* a 2-3 s beep (1.2-3.48 s)\n* **rain**: 4.0-5.0 s",
    "rows without a header": "| 1.2 - 3.48 | a 2-3 s beep |\n| 4.0 - 5.0 | rain |",
    "keys": "Start: 1.2\nEnd: 3.48\nCaption: a 2-3 s beep\n\nStart: 4.0\nEnd: 5.0\nCaption: rain",
}


@pytest.mark.parametrize("text", (TEXTS | LINES).values(), ids=(TEXTS | LINES).keys())
def test_captions(text: str) -> None:
    assert [(event.onset, event.offset, event.label) for event in DenseCaptioning().parse(text).events] == WANTED


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_events(text: str) -> None:
    found = SoundEventDetection(["rain"]).parse(text).events
    assert [(event.onset, event.offset, event.label) for event in found] == WANTED


@pytest.mark.parametrize(
    "text",
    [
        "- barks 2-3 times\n- some dogs (2-3)", "| Event | Count |\n|---|---|\n| dog | 2-3 |", "a dog\t2\t3",
        "| Event | Start | End |\n|---|---|---|\n| rain | soon | later |",
        "00:00:01:12 --> 00:00:03:10\nrain", "| Start | End |\n|---|---|\n| 1,200 | 3,480 |",
    ],
)  # fmt: skip
def test_other_rows_are_no_events(text: str) -> None:
    for task in (DenseCaptioning(), SoundEventDetection(["rain"])):
        assert not task.parse(text).readable
