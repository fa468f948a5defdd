"""All occurrences of a query: none is an answer, and what cannot be read is not none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepro_lit.records import Event, Example
from timepro_lit.tasks import well_formed
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.reading import read_events

TASK = Grounding("moments", "any")


def example(*events: tuple[float, float], query: str | None = "a dog barks") -> Example:
    told = tuple(Event(*event, query or "") for event in events)
    return Example("clip-1", "moments", "clip.flac", 10.0, told, query)


def test_prompt_and_target_are_exact() -> None:
    assert TASK.prompt(example()) == (
        'When does "a dog barks" happen, each time? Answer in JSON with times in seconds: '
        '{"a dog barks": [[onset, offset], ...]}, or {"a dog barks": []} if it does not happen'
    )
    assert TASK.target(example()) == '{"a dog barks": []}'
    assert TASK.target(example((1.2, 3.476))) == '{"a dog barks": [[1.20, 3.48]]}'
    assert TASK.target(example((2.0, 2.4), (0.1, 0.6))) == '{"a dog barks": [[0.10, 0.60], [2.00, 2.40]]}'


def test_a_query_is_needed_and_occurrences_are_one_or_any() -> None:
    with pytest.raises(ValueError, match="example 'clip-1': grounding needs a query"):
        TASK.target(example(query=None))
    with pytest.raises(ValueError, match=r"task\.m\.occurrences must be one or any, not 'all'"):
        Grounding("m", "all")  # type: ignore[arg-type]


QUERIES = st.one_of(
    st.sampled_from(
        ["none", "a dog [1.0, 2.0]", "no such sound", "time", "event", 'says "hé, {you}"', "2-3 dogs", "{}"]
    ),
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Z", "Pi", "Pf", "Ps"]), min_size=1),
)
TIMES_S = st.integers(0, 99_999).map(lambda hundredths: hundredths / 100)
PAIRS = st.tuples(TIMES_S, TIMES_S).filter(lambda pair: pair != (0.0, 0.0))


@given(QUERIES, st.lists(PAIRS, max_size=5))
@settings(max_examples=settings.default.max_examples // 10)
def test_target_and_parse_are_inverses(query: str, times: list[tuple[float, float]]) -> None:
    prediction = TASK.parse(TASK.target(example(*times, query=query)))
    assert (prediction.readable, prediction.repairs) == (True, ())
    assert [(event.onset, event.offset) for event in prediction.events] == sorted(times, key=lambda pair: pair[0])


@pytest.mark.parametrize(
    "text",
    [
        "[]", "{}", "null", "[null, null]", '{"query": null}', '{"query": []}', '{"a dog barks": [[]]}',
        '{"a dog barks": [],}', "{'a dog barks': []}", '```json\n{"a dog barks": []}\n```', "Answer: {}",
        '{"query": "a dog barks", "segments": []}', '{"start": null, "end": null}', '{"present": false}',
        '{"a dog barks": "not present"}', '{"a dog barks": "does not occur"}', "a dog barks: none",
        "<think>[1.0, 2.0]?</think>{}", "<think>1.0-2.0?</think>It does not happen.", "Final answer: none",
        "none", "None.", "N/A", "no such sound", "not present", "it does not occur", "It never occurs.", "没有",
        "there is no dog barking", "There isn't any dog barking here.", "No dog barks.", "No dog barking is heard.",
        "I don’t hear a dog barking.", "I can't hear any dog.", "The audio contains no dog barking.",
        "A dog barking is not audible in this 10-second clip.", "There are 0 occurrences of this.",
        '"a dog barks" does not occur.', 'The query "2 dogs bark" is not present in the audio.',
        "When does a dog bark? It does not occur.", "The dog barking sound was not detected.",
        "No.", "**No**", '{"a dog barks": false}', '{"answer": "No"}', "(none)", "1. None", "Number of occurrences: 0",
        "A dog does not bark.", "The dog isn't barking.", "Sorry, no dog barking was found.", "没有狗叫声。",
        "音频中没有狗叫。", "Unfortunately, there is no dog barking in this audio clip.",
        "There is no sound of a dog barking in the recording.", '{"a dog barks": "No"}', '{"a dog barks": "[]"}',

    ],
)  # fmt: skip
def test_none(text: str) -> None:
    prediction = TASK.parse(text)
    assert (prediction.events, prediction.readable) == ((), True)


@pytest.mark.parametrize(
    "text",
    [
        "", "  ", "0", "12", "1.2.3", "{", "]", "lorem ipsum", "{hello world}", "[1,2, 3,48]", "<think>{}",
        '{"a dog barks": [', '{"a dog barks": [1.20]}', '{"x": "soon"}', '{"query": "a dog barks"}', "maybe",
        "I am not sure.", "I'm not sure whether there is no dog.", "It may not be present.", "no idea",
        "It does not occur after 3.0 s.", "The dog does not occur again.", "nothing else", "no other occurrences",
        "If it does not occur, answer [].", "I cannot hear the audio.", "No audio was provided.", "There is no audio.",
        "There is no doubt that the dog is heard.", "I cannot process this audio file.",
        # of the file, of times, or in doubt
        "I cannot hear audio.", "The file could not be found.", "The file does not contain audio.",
        "I found no timestamps.", "There are no timestamps in the audio.", "No exact time can be found.",
        "It is not possible to detect the dog", '{"error": null}', "I do not know.", "I cannot determine that.",
        # denied of something else, or of how it sounds
        "There is no pause; the dog barks throughout.", "There is no moment without barking.",
        "There is nothing but a dog barking.", "I don't hear a cat, I hear a dog barking.", "No silence is found.",
        "A dog barks the whole time, no cat is heard.", "no less than three barks are heard",
        "The dog has no collar and barks.", "The barking has no clear start", "The barking does not stop.",
        "There is no cat, only a dog barking",
        # of a part of the clip, or beside times
        "No dog barks at the beginning.", "There is no dog barking at the start of the clip.",
        "There is no barking between the songs.", "There is no dog barking from 0 to 5 seconds.",
        "No dog barks between 1.2 and 3.4 s.", "There is no dog. Cat: 1.20 - 3.48",
        "The audio does not contain a dog barking. It contains a cat meowing from 1.2 to 3.4 seconds.",
        "```json\n[]\n```\nThere is a dog barking from 1.0 to 2.0 s.",
        "From 0.0 to 10.0 s there is no dog barking.", "Between 0.0 and 10.0 s, no dog barks.", "0.0-10.0 s: no dog",
        "在0.0秒到10.0秒之间没有狗叫声。", '{"a dog barks": "not present from 0 to 10 s"}',
        '{"present": false, "start": 0.0, "end": 10.0}', '{"a dog barks": {"detected": "no", "times": [0.0, 10.0]}}',
    ],
)  # fmt: skip
def test_unreadable_is_not_none(text: str) -> None:
    prediction = TASK.parse(text)
    assert (prediction.events, prediction.readable) == ((), False)


@pytest.mark.parametrize(
    "text",
    [
        '{"a dog barks": [[1.20, 3.48]]}', "[1.2, 3.48]", 'There is no cat; {"a dog barks": [1.2, 3.48]}',
        "A dog barks from 1.20 to 3.48 s. There are no other occurrences.", "It barks from 1.20 to 3.48 s, then never.",
        "It does not bark before 1.20 s; it barks from 1.20 to 3.48 s.", '{"note": "none", "a dog barks": [1.2, 3.48]}',
        '{"a dog barks": [[1.20, 3.48]], "a dog growls": []}', '{"a dog barks": null, "times": [1.2, 3.48]}',
        'There is no doubt that "a dog barks" from 1.2 to 3.48 s.', '{"events": [], "a dog barks": [[1.2, 3.48]]}',
        "A dog barks from 1.20 to 3.48 s. There is nothing after 3.48 s.", "在1.20秒到3.48秒之间有狗叫声。",
        "From 1.20 to 3.48 s there is a dog barking.", "From 1.20 to 3.48 s, no doubt.",
        '{"a dog barks": [[1.2, 3.48]], "explanation": "There is no barking between 4.0 and 10.0 s."}',
        '{"reasoning": "0-1.2 s: no dog. 1.2-3.48 s: a dog barks.", "answer": [[1.2, 3.48]]}',
        '{"dog": {"present": true, "times": [[1.2, 3.48]]}, "bell": {"present": false, "times": []}}',
        '{"overlap_present": false, "segments": [[1.2, 3.48]]}', "a dog barks 1.2-3.48 s (no music)",
        '{"present": true, "start": 1.2, "end": 3.48}', '{"not_found": false, "start": 1.2, "end": 3.48}',
    ],
)  # fmt: skip
def test_times_win_over_words(text: str) -> None:
    assert [(event.onset, event.offset) for event in TASK.parse(text).events] == [(1.2, 3.48)]


@pytest.mark.parametrize(
    "text",
    [
        '{"a dog barks": null, "a cat meows": [1.2, 3.48]}', '{"a dog barks": [], "a cat meows": [[1.2, 3.48]]}',
        'There is no dog barking. "A cat meows" is heard from 1.20 to 3.48 s.',
        "I don't hear a dog barking, but “a cat meows” from 1.20 to 3.48 s.",
    ],
)  # fmt: skip
def test_times_of_another_quoted_thing_are_none_of_the_query(text: str) -> None:
    prediction = TASK.parse(text)
    assert (prediction.events, prediction.readable) == ((), True)
    assert "of_another" in prediction.repairs


def test_the_paper_s_task_reads_as_ever() -> None:
    for text in ("[]", "it does not occur", '{"a dog barks": null}'):
        assert not Grounding().parse(text).readable


LABELS = st.text(st.sampled_from('ab [],.{}-:"\\12'), min_size=1, max_size=8)


@given(st.dictionaries(LABELS, st.lists(st.tuples(TIMES_S, TIMES_S), min_size=1, max_size=3), min_size=1, max_size=2))
@settings(max_examples=settings.default.max_examples // 10)
def test_lists_of_one_pair_are_read_at_once_as_the_long_way_reads_them(told: dict[str, list]) -> None:
    entries = (f"{json.dumps(k)}: [{', '.join(f'[{a:.2f}, {b:.2f}]' for a, b in v)}]" for k, v in told.items())
    text = f"{{{', '.join(entries)}}}"
    if (quick := well_formed.read_object(text)) is not None:
        long = read_events(f"{text} ")  # the space leads the long way
        assert (quick, ()) == (long.spans, long.repairs)


@pytest.mark.parametrize(
    "text",
    ['{"a dog barks": [0, 0]}', '{"a dog barks": [[0.00, 0.00]]}', "[-1, -1]", '{"start": -1, "end": -1}', "0 - 0 s"],
)
def test_no_extent_is_none(text: str) -> None:
    prediction = TASK.parse(text)
    assert (prediction.events, prediction.readable, "no_extent" in prediction.repairs) == ((), True, True)
    assert Grounding().parse(text).events  # where one event is asked for, a span is a span


def test_no_extent_beside_times_is_left_out_and_other_spans_stay() -> None:
    prediction = TASK.parse('{"a dog barks": [[0, 0], [1.2, 3.48]]}')
    assert ([(e.onset, e.offset) for e in prediction.events], prediction.repairs) == ([(1.2, 3.48)], ("no_extent",))
    assert [(e.onset, e.offset) for e in TASK.parse("[[2, 2], [3.48, 1.2]]").events] == [(2.0, 2.0), (3.48, 1.2)]
