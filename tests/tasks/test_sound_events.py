from __future__ import annotations

import pytest

from timepro_lit.records import Event, Example
from timepro_lit.tasks.sound_events import SoundEventDetection

TASK = SoundEventDetection(["dog", "bell", "alarm bell ringing"])
DOG, BELL, BELL_AGAIN = Event(0.1, 0.6, "dog"), Event(0.1, 0.6, "bell"), Event(2.0, 2.4, "bell")


def example(*events):
    return Example("clip-1", "sed", "clip.flac", 10.0, events)


def test_prompt_is_exact():
    assert TASK.name == "sed"
    assert TASK.prompt(example()) == (
        "Detect the sound events of these classes: dog, bell, alarm bell ringing. "
        'Answer in JSON with times in seconds: {"class": [[onset, offset], ...]}'
    )


def test_target_is_exact():
    assert TASK.target(example(BELL_AGAIN, DOG, BELL)) == '{"dog": [0.10, 0.60], "bell": [[0.10, 0.60], [2.00, 2.40]]}'
    assert TASK.target(example()) == "{}"


@pytest.mark.parametrize("events", [(), (DOG,), (DOG, BELL, BELL_AGAIN)])
def test_a_target_is_read_back_without_repair(events):
    prediction = TASK.parse(TASK.target(example(*events)))
    assert prediction.events == events
    assert prediction.readable
    assert prediction.repairs == ()


READINGS = {
    '```json\n{"dog": [0.1, 0.6]}\n```': ("code_fence",),
    'Sure, 2-3 sounds! {"dog": [0.1, 0.6]} I hope that helps.': ("prose",),
    "{'dog': [0.1, 0.6]}": ("single_quotes",),
    '{"dog": [0.1, 0.6],}': ("trailing_comma",),
    '{"dog": [[0.1, 0.6],],}': ("trailing_comma",),
    '{"dog": [0.1, 0.6': ("unclosed",),
    '{"dog": [0.1, 0.6}': ("brackets",),
    "{dog: [0.1, 0.6]}": ("unquoted",),
    '{"dog": "0.1-0.6"}': ("time_format",),
    '{"dog": "0.1 - 0.6 s"}': ("time_format",),
    '{"dog": "from 0.1 to 0.6 seconds"}': ("time_format",),
    '{"dog": ["00:00.1", "00:00.6"]}': ("time_format",),
    '{"dog": [0:00.1, 0:00.6]}': ("time_format",),
    '{"dog": ["0.1s", "0.6s"]}': ("time_format",),
    '{"dog": 0.1, 0.6}': ("flat_list",),
    '[{"event": "dog", "onset": 0.1, "offset": 0.6}]': ("record",),
    '[{"onset": 0.1, "offset": 0.6, "label": "dog"}]': ("record",),
    '{"events": [{"class": "dog", "time": [0.1, 0.6]}]}': ("record",),
    '{"dog": {"start": 0.1, "end": 0.6}}': ("record",),
    '[["dog", 0.1, 0.6]]': ("row",),
    '{"0.1-0.6": "dog"}': ("swapped",),
    "dog: 0.1-0.6": ("prose",),
    "- **dog**: [0.1, 0.6]": ("prose",),
    '[{"dog": [0.1, 0.6]}]': (),
    '{" dog ": [[0.1, 0.6]]}': (),
    '{"dog": {"segments": [[0.1, 0.6]]}}': (),
    '{"dog": [0.1, 0.6], "bell": []}': (),
}


@pytest.mark.parametrize(("text", "repairs"), READINGS.items(), ids=list(READINGS))
def test_forms_of_one_event_and_the_repair_they_need(text, repairs):
    prediction = TASK.parse(text)
    assert prediction.events == (DOG,)
    assert prediction.readable
    assert prediction.repairs == repairs


@pytest.mark.parametrize(
    "text",
    [
        '{"bell": [[0.1, 0.6], [2.0, 2.4]]}',
        '{"bell": [0.1, 0.6], "bell": [2.0, 2.4]}',
        '[{"bell": [0.1, 0.6]}, {"bell": [2.0, 2.4]}]',
        '{"bell": [0.1, 0.6]}\n{"bell": [2.0, 2.4]}',
        '{"bell": [0.1, 0.6, 2.0, 2.4]}',
        '{"bell": ["0.1-0.6", "2.0-2.4"]}',
        '{"bell": "0.1-0.6, 2.0-2.4"}',
        '{"bell": [{"onset": 0.1, "offset": 0.6}, {"onset": 2.0, "offset": 2.4}]}',
        '{"bell": ((0.1, 0.6), (2.0, 2.4))}',
        '{"bell": [[0.1, 0.6], [2.0, 2.4]',
        '{"bell": [[0.1, 0.6], [2.0, 2.4], [5.0',
    ],
)
def test_a_class_that_occurs_twice(text):
    assert TASK.parse(text).events == (BELL, BELL_AGAIN)


def test_an_unclosed_list_does_not_swallow_the_next_class():
    assert TASK.parse('{"dog": [0.1, 0.6, "bell": [2.0, 2.4]}').events == (DOG, BELL_AGAIN)


def test_labels_outside_the_classes_are_kept_and_compared_as_written():
    prediction = TASK.parse('{"cat": [1, 2], "Dog": [3, 4]}')
    assert [event.label for event in prediction.events] == ["cat", "Dog"]
    assert prediction.readable


def test_times_without_a_label_are_dropped_and_counted():
    prediction = TASK.parse('[[5.0, 6.0], {"dog": [0.1, 0.6]}]')
    assert prediction.events == (DOG,)
    assert prediction.repairs == ("unlabelled",)


@pytest.mark.parametrize("text", ["{}", " {}\n", "[]", '{"dog": []}', '{"dog": null}', "```json\n{}\n```"])
def test_an_empty_answer_is_readable(text):
    prediction = TASK.parse(text)
    assert prediction.events == ()
    assert prediction.readable


@pytest.mark.parametrize(
    "text",
    ["", "{", "[", "I hear a dog.", '{"dog": "maybe"}', '{"dog": [0.1]}', '{"dog":', "[1, 2]", "1-2", "}{"],
)
def test_unclear_text_is_unreadable(text):
    prediction = TASK.parse(text)
    assert prediction.events == ()
    assert not prediction.readable


def test_a_reference_label_outside_the_classes_is_refused():
    with pytest.raises(ValueError, match=r"example 'clip-1': label 'cat' is none of the task's classes"):
        TASK.target(example(Event(1.0, 2.0, "cat")))


@pytest.mark.parametrize("classes", [[], "dog", ["dog", "dog"], [""], ["dog "]])
def test_a_broken_class_list_is_refused(classes):
    with pytest.raises(ValueError, match="classes must"):
        SoundEventDetection(classes)


@pytest.mark.parametrize(
    "text",
    [
        '{"labels": ["dog", "bell"], "segments": [[0.1, 0.6], [2, 2.4]], "scores": [0.9, 0.95]}',
        '{"times": [[0.1, 0.6], [2, 2.4]], "class": ["dog", "bell"]}',
        '{"title": "sounds", "labels": ["dog", "bell"], "segments": [[0.1, 0.6], [2, 2.4]]}',
        '{"events": ["dog", "bell"], "times": ["0.1-0.6", "2-2.4"]}',
        '{"start": [0.1, 2.0], "end": [0.6, 2.4], "labels": ["dog", "bell"]}',
        '[{"time": [0.1, 0.6], "events": ["dog"]}, {"time": [2.0, 2.4], "events": ["bell"]}]',
        '{"dog": [[0.1, 0.6]], "bell": [[2.0, 2.4]], "probabilities": [0.9, 0.95]}',
    ],
)
def test_lists_side_by_side_are_paired_and_scores_are_no_times(text):
    assert TASK.parse(text).events == (DOG, BELL_AGAIN)


@pytest.mark.parametrize(
    "text",
    [
        '{"class": ["dog", "bell"], "times": [[0.1, 0.6]]}', '[{"time": [0.1, 0.6], "events": ["dog", "bell"]}]',
        '{"segments": [[0.1, 0.6]]}', '{"segments": [0.10, 0.60]}', "Time: [0.1, 0.6]", "0.1-0.6, 2.0-2.4: dog",
    ],
)  # fmt: skip
def test_a_key_for_times_is_no_label(text):
    assert not TASK.parse(text).readable


@pytest.mark.parametrize(
    "keys", [("1", "2"), ("occurrence 1", "occurrence 2"), ("event_1", "event_2"), ("segment 1", "segment 2")]
)
def test_keys_that_count_are_no_labels(keys):
    first, second = keys
    text = f'{{"bell": {{"{first}": [0.1, 0.6], "{second}": {{"start": 2.0, "end": 2.4}}}}}}'
    assert TASK.parse(text).events == (BELL, BELL_AGAIN)


def test_a_class_may_be_called_as_keys_are():
    events = SoundEventDetection(["Speech", "Sound"]).parse('{"Speech": [0.1, 0.6], "Sound": [2.0, 2.4]}').events
    assert [event.label for event in events] == ["Speech", "Sound"]


def test_a_class_is_read_back_or_refused() -> None:
    for label, readable in {"event": True, "Sound": True, "Window": False, "Count": False, "minutes": False}.items():
        task = SoundEventDetection([label, "dog"])
        example = Example("a", "sed", "a.wav", 5.0, (Event(0.5, 1.25, label), Event(2.0, 3.0, "dog")))
        if readable:
            assert task.parse(task.target(example)).events == example.events
        else:
            with pytest.raises(ValueError, match=f"label '{label}' is read as a word for times or remarks"):
                task.target(example)
