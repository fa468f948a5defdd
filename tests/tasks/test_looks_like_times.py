"""Words, units and numbers that look like labels, units and times and are none, and the other way round."""

from __future__ import annotations

from typing import Any

import pytest

from timepro_lit.tasks.base import ScoredTask
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.sound_events import SoundEventDetection

DOG, SPEECH = (0.5, 1.2, "Dog"), (1.5, 2.8, "Speech")
AT = (1.2, 3.48)


def read(task: ScoredTask, text: str) -> list[tuple[Any, ...]]:
    return [(event.onset, event.offset, event.label) for event in task.parse(text).events]


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("Dog [s]: 0.5-1.2\nSpeech [s]: 1.5-2.8", [DOG, SPEECH]),
        ("Detected events (times in [s]):\n- Dog: 0.5-1.2", [DOG]),
        ('{"Dog": [m, s]}', []),
        ("Events: Dog 0.5-1.2 s, Speech 1.5-2.8 s", [DOG, SPEECH]),
        ("Class: Dog [0.5, 1.2]\nClass: Speech [1.5, 2.8]", [DOG, SPEECH]),
        ("Event: Dog; Time: 0.5-1.2; Event: Speech; Time: 1.5-2.8", [DOG, SPEECH]),
        ("Event: Dog (Time: 0.5-1.2 s)", [DOG]),
        ("Dog -> [0.5, 1.2]", [DOG]),
        ("[0.5, 1.2], class: Dog", [DOG]),
        ('The timestamps for "Dog" are [0.5, 1.2]', []),
        ("Between [0.5, 1.2] there is a dog", []),
        ("The answer is [0.5, 1.2]", []),
        ('{"Music": ["0.5-1.2"], "Sounds": ["3.0-4.1"]}', [(0.5, 1.2, "Music"), (3.0, 4.1, "Sounds")]),
        ('{"Window": [[0.5, 1.2]], "Dog": [[0.5, 1.2]]}', [(0.5, 1.2, "Window"), DOG]),
        ('{"Unit": [[0.5, 1.2]]}', [(0.5, 1.2, "Unit")]),
        ("[0.5, 1.2] Minutes hand", [(0.5, 1.2, "Minutes hand")]),
        ("[0.5, 1.2] S1 speech", [(0.5, 1.2, "S1 speech")]),
    ],
)
def test_labels(text: str, events: list[tuple[Any, ...]]) -> None:
    assert read(SoundEventDetection(["Dog", "Speech"]), text) == events


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("**start_ms**: 1200\n**end_ms**: 3480", AT),
        ("The start in ms is 1200 and the end in ms is 3480.", AT),
        ("from 1.2 to 3.48 [s]", AT),
        ("[1.2, 3.48] Ms. Smith speaks", AT),
        ("[1200, 3480] ms in the clip", AT),
        ("[1200, 3480] ms dog", None),
        ('{"unit": "second(s)", "a dog barks": [1.2, 3.48]}', AT),
        ('{"unit": null, "a dog barks": [1.2, 3.48]}', AT),
        ('{"unit": "frames", "a dog barks": [1, 3]}', None),
        ('{"events": ["1.20 s - 3.48 s"]}', AT),
        ('{"events": ["from 1.2 to 3.48 seconds"]}', AT),
        ('{"a dog barks": [1.2, 3.48], "resolution": "16, 9"}', AT),
        ("Start: 1.2 s, End: 3.48 s, 10 s clip", AT),
        ("Start: 1.2, End: 3.48, 100% sure", AT),
        ("In the first minute: 1.2-3.48", AT),
    ],
)
def test_units_and_numbers(text: str, found: tuple[float, float] | None) -> None:
    assert [event[:2] for event in read(Grounding(), text)] == ([found] if found else [])


@pytest.mark.parametrize(
    "caption",
    [
        "a short beep (1-2 s) repeats", "a verse [1-2] and a chorus", "a train passes. 2-3 s of silence follow",
        "approx. 1.5-2.5 s of silence", "the shop is open. 9:00-17:00 on weekdays", "rated 4.5. 4.5-5.0 stars",
        'a man says: "Rule 1. 2.0-3.0 is fine."',
    ],
)  # fmt: skip
def test_captions_with_numbers_of_their_own(caption: str) -> None:
    assert read(DenseCaptioning(), f"0.00-9.00, {caption}") == [(0.0, 9.0, caption)]


@pytest.mark.parametrize("item", ["", "- "])
def test_a_caption_below_its_times_keeps_its_dashes(item: str) -> None:
    assert read(DenseCaptioning(), f"1.20-3.48\n{item}a man - loud - shouts") == [(1.2, 3.48, "a man - loud - shouts")]


@pytest.mark.parametrize("below", ["```", "---", "</answer>", "Note: that is all."])
def test_what_is_no_caption_of_the_times_above(below: str) -> None:
    assert read(DenseCaptioning(), f"1.20-3.48\n{below}") == [(1.2, 3.48, "")]
