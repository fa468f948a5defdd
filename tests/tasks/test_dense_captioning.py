from __future__ import annotations

import pytest

from timepro_lit.records import Event, Example
from timepro_lit.tasks.dense_captioning import DenseCaptioning

TASK = DenseCaptioning()
BARK, BEEP = Event(1.2, 3.48, "a dog barks"), Event(4.0, 5.0, "a 2-3 second beep, 10-20 times")


def example(*events):
    return Example("clip-1", "dac", "clip.flac", 10.0, events)


def test_prompt_and_target_are_exact_and_read_back():
    assert TASK.name == "dac"
    assert TASK.prompt(example(BARK)) == (
        "Describe every sound event with its times in seconds, one per line: onset-offset, description"
    )
    target = TASK.target(example(BEEP, BARK))
    assert target == "1.20-3.48, a dog barks\n4.00-5.00, a 2-3 second beep, 10-20 times"
    prediction = TASK.parse(target)
    assert prediction.events == (BARK, BEEP)
    assert prediction.readable
    assert prediction.repairs == ()


def test_a_line_break_inside_a_caption_does_not_start_an_event():
    target = TASK.target(example(Event(1.2, 3.48, "a dog\n4.00-5.00,\u2028barks ")))
    assert target == "1.20-3.48, a dog 4.00-5.00, barks"
    assert len(TASK.parse(target).events) == 1


@pytest.mark.parametrize(
    "line",
    [
        "1.20-3.48, a dog barks",
        "  1.20 - 3.48,   a dog barks  ",
        "1.2 to 3.48: a dog barks",
        "from 1.20 to 3.48 seconds, a dog barks",
        "1.2s - 3.48s a dog barks",
        "1.20-3.48 a dog barks",
        "0:01.2-0:03.48, a dog barks",
        "[1.20-3.48] a dog barks",
        "(1.20-3.48): a dog barks",
        "- 1.20-3.48, a dog barks",
        "2. 1.20-3.48, a dog barks",
        "* **1.20-3.48**: a dog barks",
        "1.20–3.48 — a dog barks",
    ],
)
def test_forms_of_a_line(line):
    assert TASK.parse(line).events == (BARK,)


def test_prose_and_fences_around_the_lines_are_left_out():
    prediction = TASK.parse("Here are the events:\r\n```\r\n1.20-3.48, a dog barks\r\n\r\n```\r\nThat is 1-2 events.")
    assert prediction.events == (BARK,)
    assert prediction.repairs == ("prose", "code_fence")


@pytest.mark.parametrize("line", ["1.20-3.48", "1.20-3.48,", "1.20-3.48, "])
def test_a_missing_caption_is_an_empty_label(line):
    prediction = TASK.parse(line)
    assert prediction.events == (Event(1.2, 3.48, ""),)
    assert prediction.repairs == ("missing_caption",)


@pytest.mark.parametrize(
    "text", ["", "a dog barks", "2-3 dogs bark", "a dog barks, 1.20-3.48", "{}", "1.20-", "1.20, 3.48, a dog", "-"]
)
def test_no_timed_line_is_unreadable(text):
    prediction = TASK.parse(text)
    assert prediction.events == ()
    assert not prediction.readable


def test_json_is_read_where_no_line_is():
    prediction = TASK.parse('[{"onset": 1.2, "offset": 3.48, "caption": "a dog barks"},\n{"1.0-2.0": "x"}]')
    assert prediction.events == (BARK, Event(1.0, 2.0, "x"))
    assert prediction.repairs[0] == "json"


def test_a_caption_keeps_its_punctuation():
    assert TASK.parse('1-2, "hi", ||| said she; 3-4, b').events == (Event(1.0, 2.0, '"hi", ||| said she; 3-4, b'),)


def test_a_reference_without_events_is_refused():
    with pytest.raises(ValueError, match=r"example 'clip-1': dense captioning needs at least one reference event"):
        TASK.target(example())


def test_an_event_without_a_caption_is_written_as_times_alone():
    assert TASK.target(example(Event(1.0, 2.0, " "))) == "1.00-2.00"
