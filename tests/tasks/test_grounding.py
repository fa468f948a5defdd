from __future__ import annotations

import pytest

from timepro_lit.records import Event, Example
from timepro_lit.tasks.grounding import Grounding

TASK = Grounding()


def example(*events, query="a dog barks"):
    return Example("clip-1", "ag", "clip.flac", 10.0, tuple(Event(*event) for event in events), query)


def spans(text):
    return [(event.onset, event.offset) for event in TASK.parse(text).events]


def test_prompt_and_target_are_exact():
    one = example((1.2, 3.476, "a dog barks"))
    assert TASK.name == "ag"
    assert TASK.prompt(one) == (
        'When does "a dog barks" happen? Answer in JSON with times in seconds: {"a dog barks": [onset, offset]}'
    )
    assert TASK.target(one) == '{"a dog barks": [1.20, 3.48]}'


def test_several_segments_are_a_list_in_onset_order():
    two = example((5.0, 6.0, "a dog barks"), (1.2, 3.48, "a dog barks"))
    assert TASK.target(two) == '{"a dog barks": [[1.20, 3.48], [5.00, 6.00]]}'
    assert TASK.parse(TASK.target(two)).events == (Event(1.2, 3.48, "a dog barks"), Event(5.0, 6.0, "a dog barks"))


def test_a_query_with_quotes_is_escaped_in_the_key_and_read_back():
    query = 'a man says "hé, {you}: [1, 2]"\\'
    quoted = example((1.2, 3.48, query), query=query)
    assert TASK.target(quoted) == '{"a man says \\"h\\u00e9, {you}: [1, 2]\\"\\\\": [1.20, 3.48]}'
    assert TASK.prompt(quoted).endswith('{"a man says \\"h\\u00e9, {you}: [1, 2]\\"\\\\": [onset, offset]}')
    prediction = TASK.parse(TASK.target(quoted))
    assert prediction.events == (Event(1.2, 3.48, query),)
    assert prediction.readable
    assert prediction.repairs == ()


@pytest.mark.parametrize("key", ["a dog barks", "event", "onset", "time", "answer", "", "1-2"])
def test_any_key_is_accepted(key):
    prediction = TASK.parse(f'{{"{key}": [1.20, 3.48]}}')
    assert prediction.events == (Event(1.2, 3.48, "" if key == "time" else key),)  # which names times, and no sound
    assert prediction.readable


@pytest.mark.parametrize(
    "text",
    [
        "[1.2, 3.48]",
        "1.2, 3.48",
        "1.2-3.48",
        "1.2 - 3.48 s",
        "1.2s to 3.48s",
        "1.2 sec – 3.48 sec",
        "1200-3480 ms",
        "0:01.2 - 0:03.48",
        "00:00:01.2 to 00:00:03.48",
        "From 1.2 to 3.48 seconds.",
        "The dog barks from 1.2 to 3.48 seconds, twice.",
        "It happens between 1.2 s and 3.48 s.",
        "It starts at 1.2 seconds and ends at 3.48 seconds.",
        "The answer is: [1.2, 3.48]",
        "There are 2-3 dogs, and one barks: {'x': [1.2, 3.48]}. That is 4 to 5 words.",
        '{"onset": 1.2, "offset": 3.48}',
        '{"query": "a dog barks", "start": "1.2s", "end": "3.48s"}',
        '{"x": {"onset": 1.2, "offset": 3.48}}',
        '{"x": "1.2-3.48"}',
        '{"x": 1.2, 3.48}',
        '{"x": [1.2, 3.48',
        '{"x": [[1.2, 3.48]]}',
        '{"x": "[1.20, 3.48]"}',
        '{"x": "1.20, 3.48"}',
        '"{\\"x\\": [1.20, 3.48]}"',
        '{\\"x\\": [1.20, 3.48]}',
        "['{\"x\": [1.20, 3.48]}']",
        "<|1.20|><|3.48|>",
        "<1.20> <3.48>",
        "\\[1.20, 3.48\\]",
    ],
)
def test_forms_of_one_pair(text):
    assert spans(text) == [(1.2, 3.48)]


@pytest.mark.parametrize(
    "text",
    ["", " ", "{}", "[]", "I hear no dog.", '{"a dog barks": [1.20]}', '{"x": "soon"}', "{", "]", "12", "1.2.3"],
)
def test_no_pair_is_unreadable(text):
    prediction = TASK.parse(text)
    assert prediction.events == ()
    assert not prediction.readable


def test_times_are_kept_as_the_answer_said_them():
    assert spans('{"x": [3.48, 1.2]}') == [(3.48, 1.2)]
    assert spans('{"x": [-0.5, 1e1]}') == [(-0.5, 10.0)]
    assert spans(f'{{"x": [0, {"9" * 400}]}}') == [(0.0, float("inf"))]


def test_an_example_without_its_parts_is_refused():
    with pytest.raises(ValueError, match=r"example 'clip-1': grounding needs a query"):
        TASK.prompt(example((1.0, 2.0, "x"), query=None))
    with pytest.raises(ValueError, match=r"example 'clip-1': grounding needs at least one reference event"):
        TASK.target(example())


@pytest.mark.parametrize(
    "text", ['{"x": "1,20, 3,48"}', '{"x": "[\'[1.20, 3.48]\']"}', '{"x": "1.20, 3.48, 5.0"}', "a < 1.20 > b 3.48"]
)
def test_only_clear_values_are_read_again(text):
    assert not TASK.parse(text).readable
