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
        "[1.20, 3.48] a dog barks",
        "[1.2s, 3.48s]: a dog barks",
        "a dog barks [1.20-3.48]",
        "1.20-3.48\na dog barks",
        "**1.20-3.48**:\n- a dog barks",
        '[{"segment": [1.2, 3.48], "sentence": "a dog barks"}]',
        '{"timestamps": [[1.2, 3.48]], "sentences": ["a dog barks"]}',
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


@pytest.mark.parametrize(
    "text",
    [
        "0.0 - 2.5, a 2-3 second beep; 3.1 - 4.0, rain",
        "0.0-2.5 s: a 2-3 second beep; 3.1-4 s: rain",
        "0.00-2.50, a 2-3 second beep<br>3.10-4.00, rain",
        "0.00-2.50, a 2-3 second beep\\n3.10-4.00, rain",
        "0.00-2.50, a 2-3 second beep | 3.10-4.00, rain",
        "[0.0-2.5] a 2-3 second beep [3.1-4] rain",
        "[0.0, 2.5] a 2-3 second beep [3.1, 4.0] rain",
        "From 0 to 2.5 seconds, a 2-3 second beep; from 3.1 to 4 seconds, rain",
    ],
)
def test_one_line_may_hold_several_events(text):
    prediction = TASK.parse(text)
    assert prediction.events == (Event(0.0, 2.5, "a 2-3 second beep"), Event(3.1, 4.0, "rain"))
    assert prediction.repairs


def test_a_sentence_may_end_an_event():
    assert TASK.parse("0.00-2.50: a dog. 3.00-4.00: rain.").events == (
        Event(0.0, 2.5, "a dog."),
        Event(3.0, 4.0, "rain."),
    )


@pytest.mark.parametrize(
    ("caption", "repairs"),
    {
        "a 2-3 s beep; 3-4, rain": (), "a tone; 2.0-3.0 kHz": (), "a dog for 2.0-3.0 s": (),
        "a dog, 3.00-4.00, rain": ("times_in_caption",), "a dog (1.00-1.50: loud)": ("times_in_caption",),
        "a dog; 3.00-4.00": ("times_in_caption",),
    }.items(),
)  # fmt: skip
def test_other_numbers_stay_in_the_caption_and_times_are_named(caption, repairs):
    prediction = TASK.parse(f"0.00-2.50, {caption}")
    assert (prediction.events, prediction.repairs) == ((Event(0.0, 2.5, caption),), repairs)


def test_only_a_line_that_begins_with_an_event_is_divided():
    assert not TASK.parse("a dog barks; 0.0 - 2.5; rain; 3.0 - 4.0").readable


def test_a_paragraph_after_times_is_no_caption():
    assert TASK.parse("1.20-3.48\n\nThat is all.").events == (Event(1.2, 3.48, ""),)
