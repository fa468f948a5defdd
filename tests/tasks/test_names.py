"""Keys name times by their words, in any order and spelling; other keys are labels."""

from __future__ import annotations

import json

import pytest

from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.names import Name, Role, Sort, name_of
from timepro_lit.tasks.sound_events import SoundEventDetection

SED = SoundEventDetection(["dog", "bell"])


@pytest.mark.parametrize(
    ("key", "name"),
    {
        "beginTime": Name(Role.ONSET),
        "START_TIME": Name(Role.ONSET),
        "t_onset": Name(Role.ONSET),
        "from (s)": Name(Role.ONSET),
        "Ending time": Name(Role.OFFSET),
        "stop_seconds": Name(Role.OFFSET),
        "endMs": Name(Role.OFFSET, 1e-3),
        "duration_ms": Name(Role.DURATION, 1e-3),
        "start - end": Name(Role.TIMES),
        "Event name": Name(Role.LABEL, sort=Sort.CLASS),
        "user_query": Name(Role.REMARK),
        "Event 2": Name(Role.LABEL, sort=Sort.CLASS),
        "event type": Name(Role.LABEL, sort=Sort.KIND),
        "start_1": Name(Role.ONSET),
        "sentences": Name(Role.LABEL, sort=Sort.CAPTION),
        "probability": Name(Role.REMARK),
        "time_unit": Name(Role.UNIT),
        "start_minute": Name(Role.ONSET, 60.0),
        "start_min": Name(Role.ONSET, None),
        "a dog barks (ms)": Name(None, 1e-3),
        "start_frame": Name(Role.ONSET, None, counted=True),
        "frames": Name(Role.TIMES, None, counted=True),
        "seconds": Name(Role.TIMES),
        "time frame": Name(Role.TIMES),
        "frequency range": Name(Role.REMARK),
        # none of these: a class, a speaker, a word that begins alike
        "s": Name(None),
        "sample": Name(None),
        "bus stop": Name(None),
        "tone": Name(None),
        "musical note": Name(None),
        "air unit": Name(None),
        "Speech 1": Name(None),
    }.items(),
)
def test_a_key_is_known_by_its_words(key: str, name: Name) -> None:
    assert name_of(key) == name


@pytest.mark.parametrize(
    "text",
    [
        '{"stop": 4.25, "begin": 2.5}',
        '{"End Time": "4.25 s", "query": "a dog", "Start Time": "2.5 s"}',
        '{"offset_ms": 4250, "onset_ms": 2500}',
        '{"length": 1.75, "from": 2.5}',
        '{"start": 2.5, "end": 4.25, "duration": 1.75, "confidence": 0.9, "band": [100, 200]}',
        "End: 4.25 s\nStart: 2.5 s",
        "It begins barking at 2.5 s and stops at 4.25 s, after 2 barks.",
        "<start>2.5</start><end>4.25</end>",
        "The clip ends at 9 s; the dog starts at 2.5 s and lasts 1.75 s.",
    ],
)
def test_the_order_of_names_does_not_matter(text: str) -> None:
    assert [(event.onset, event.offset) for event in Grounding().parse(text).events] == [(2.5, 4.25)]


@pytest.mark.parametrize(
    "text",
    [
        '{"start_frame": 30, "end_frame": 87}',
        '{"start": 2.5}',
        '{"start": 1,2, "end": 3,48}',
        '{"start": "soon", "end": 3}',
        '{"start": [1, 3], "end": [2]}',
        '{"end": null, "start": null}',
        "It starts with 2 dogs and ends with 3 cats.",
    ],
)
def test_names_without_a_time_each_give_none(text: str) -> None:
    assert not Grounding().parse(text).readable


def test_records_and_lists_of_times_keep_their_labels() -> None:
    records = [{"end": 0.6, "event": "dog", "start": 0.1}, {"start": 2.0, "end": 2.4, "event": "bell"}]
    wanted = [(0.1, 0.6, "dog"), (2.0, 2.4, "bell")]
    columns = {"event": ["dog", "bell"], "end": [0.6, 2.4], "start": [0.1, 2.0]}
    lines = "Event: dog\nEnd: 0.6\nStart: 0.1\n\nEvent: bell\nEnd: 2.4\nStart: 2.0"
    for text in (json.dumps(records), json.dumps(columns), lines):
        assert [(event.onset, event.offset, event.label) for event in SED.parse(text).events] == wanted


@pytest.mark.parametrize(
    "text",
    [
        "start: 1.2, 5.0; end: 3.48, 6.0",
        "start: 1.2, 5.0\nend: 3.48, 6.0",
        "start times: 1.2 s and 5.0 s; end times: 3.48 s and 6.0 s",
        '{"start_1": 1.2, "end_1": 3.48, "start_2": 5.0, "end_2": 6.0}',
    ],
)
def test_names_may_have_several_times(text: str) -> None:
    assert [(event.onset, event.offset) for event in Grounding().parse(text).events] == [(1.2, 3.48), (5.0, 6.0)]


@pytest.mark.parametrize("text", ["start: 1.2; end: 3.48, 6.0", "start: 1.2, 5.0", "start: 1.2, 5.0, end: 3.48"])
def test_lists_of_named_times_that_do_not_pair_are_refused(text: str) -> None:
    prediction = Grounding().parse(text)
    assert (prediction.events, "ambiguous" in prediction.repairs) == ((), True)
