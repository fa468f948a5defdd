"""Numbers in words: some say when, most do not."""

from __future__ import annotations

import pytest

from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.sound_events import SoundEventDetection


@pytest.mark.parametrize(
    "text",
    [
        "It barks 2-3 times, from 2.5 to 4.25 seconds.",
        "2-3 dogs bark between 2.5 and 4.25 s.",
        "A 2-3 second bark, 2.50-4.25.",
        "It barks for 2-3 seconds, namely 2.5-4.25 s.",
        "On 2024-05-06 at 44.1 kHz, 100-200 Hz: from 2.5 to 4.25",
        "Rated 3.5-4.0, from about 2.5 to about 4.25 s.",
        "The start and end times are 2.5 and 4.25 seconds.",
        '{"question": "2-3 dogs?", "answer": "2.5 to 4.25"}',
        '{"a dog": [2.5, 4.25], "how often": "2-3"}',
        '{"comment": "quiet from 7.0 to 8.0 s", "a dog": [[2.5, 4.25]]}',
        '{"caption": "1-2", "segment": ["2.5 s", "4.25 s"]}',
        '{"a dog": "2-3 barks from 2.5 to 4.25"}',
    ],
)
def test_times_are_told_from_other_numbers(text: str) -> None:
    assert [(event.onset, event.offset) for event in Grounding().parse(text).events] == [(2.5, 4.25)]


@pytest.mark.parametrize(
    "text",
    [
        "It barks 2-3 times.",
        "between 2 and 3 dogs",
        "50-60%",
        "v1.2-3.4",
        "1-2-3",
        "a 2-3-second beep",
        "for 2-3 s",
        "5-7 m away",
        '{"a dog": "about 2-3 barks"}',
        '{"comment": "2.5 to 4.25 s", "note": "0.5-1.0"}',
        "at -0.5 to 1.0 s",
    ],
)
def test_other_numbers_alone_are_no_times(text: str) -> None:
    assert not Grounding().parse(text).readable


@pytest.mark.parametrize(
    "text",
    [
        "from 1.2 to 3.4, and from 5.00 to 6.25 seconds",
        "1.2-3.4; 5.0-6.25",
        "- 1.2 to 3.4: barks\n- 5.00 to 6.25: again",
        "from 1.2 to 3.4, when it is loud, and then from 5.00 to 6.25 s",
    ],
)
def test_a_list_is_read_whole_where_one_of_it_is_clear(text: str) -> None:
    assert [(event.onset, event.offset) for event in Grounding().parse(text).events] == [(1.2, 3.4), (5.0, 6.25)]


@pytest.mark.parametrize(
    "text",
    [
        "- dog: 0.1 - 0.6 s\n- bell: 2.0 - 2.4 s",
        "* **dog** (0.1-0.6 s)\n* **bell** (2.0-2.4 s)",
        "0.1-0.6: dog\n2.0-2.4: bell",
        "1. dog — 0.1 to 0.6 s\n2. bell — 2.0 to 2.4 s",
        "dog (0.1-0.6 s), bell (2.0-2.4 s)",
        "dog: 0.1, 0.6\nbell: 2.0, 2.4",
        "dog:\n  0.1-0.6\nbell:\n  2.0-2.4",
        "dog: start 0.1, end 0.6; bell: start 2.0, end 2.4",
        "0.1s - 0.6s: dog\n2s - 2.4s: bell",
        "From 0.1 to 0.6: dog\nFrom 2.0 to 2.4: bell",
        "**0.1 s to 0.6 s**: dog\n**2.0 s to 2.4 s**: bell",
        "0.1-0.6s: dog, 2.0-2.4s: bell",
        "dog: 0.1-0.6 bell: 2.0-2.4",
        "Sounds: dog (0.1-0.6 s), bell (2.0-2.4 s)",
        "Event: dog\nTime: 0.1-0.6\n\nEvent: bell\nTime: 2.0-2.4",
        "Event 1: dog\nStart: 0.1\nEnd: 0.6\n\nEvent 2: bell\nStart: 2.0\nEnd: 2.4",
        "Label: dog | Start: 0.1 | End: 0.6\nLabel: bell | Start: 2.0 | End: 2.4",
        # words beside brackets
        "Here are the events:\n[0.1-0.6] dog\n[2.0-2.4] bell",
        "Here are the events:\ndog [0.1, 0.6]\nbell [2.0, 2.4]",
        "dog = [0.1, 0.6]\nbell = [2.0, 2.4]",
        "[0.1-0.6] dog [2.0-2.4] bell",
        "dog: [0.1, 0.6], bell [2.0, 2.4]",
        "1. [0.1, 0.6]: dog\n2. [2.0, 2.4]: bell",
        "dog at [0.1, 0.6]; bell at [2.0, 2.4]",
        # nothing but words before
        "dog 0.1-0.6 s, bell 2.0-2.4 s",
        "dog from 0.1 to 0.6 seconds, and bell from 2.0 to 2.4 seconds.",
        "dog 0.1-0.6 s\nbell 2.0-2.4 s",
        "- dog 0.10-0.60\n- bell 2.00-2.40",
        "Detected events:\ndog 0.10-0.60 s\nbell 2.00-2.40 s",
        # words that are no label of their own
        "Event: dog\nOccurs from 0.1 to 0.6 s\nEvent: bell\nOccurs from 2.0 to 2.4 s",
        "**Event 1:**\n- **Type:** dog\n- **Time:** 0.1-0.6\n\n**Event 2:**\n- **Type:** bell\n- **Time:** 2.0-2.4",
        "Sound Events:\nDescription: dog\nTime: 0.1-0.6\nDescription: bell\nTime: 2.0-2.4",
        "dog:\n- male voice 0.10-0.60 s\nbell:\n- once from 2.00 to 2.40 s",
    ],
)
def test_labels_lead_or_follow_their_times(text: str) -> None:
    found = [
        (event.onset, event.offset, event.label) for event in SoundEventDetection(["dog", "bell"]).parse(text).events
    ]
    assert found == [(0.1, 0.6, "dog"), (2.0, 2.4, "bell")]


@pytest.mark.parametrize(
    "text",
    [
        "dog: 0.1-0.6, 2.0-2.4",
        "dog:\n- 0.1-0.6\n- 2.0-2.4",
        "dog: [0.1, 0.6], [2.0, 2.4]",
        "dog [0.1, 0.6] and [2.0, 2.4]",
        "dog from 0.1 to 0.6 s and from 2.0 to 2.4 s",
    ],
)
def test_a_label_holds_for_the_times_that_follow_it(text: str) -> None:
    found = [(event.onset, event.offset, event.label) for event in SoundEventDetection(["dog"]).parse(text).events]
    assert found == [(0.1, 0.6, "dog"), (2.0, 2.4, "dog")]


@pytest.mark.parametrize(
    "text", ["There is a dog from 0.1 to 0.6 s.", "The dog barks from 0.1 to 0.6 s.", "✓ 0.1-0.6 s"]
)
def test_a_sentence_is_no_class(text: str) -> None:
    assert SoundEventDetection(["dog"]).parse(text).events == ()
