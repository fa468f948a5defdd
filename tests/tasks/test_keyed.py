"""What stands under keys: several labels of one event, events as strings, lists apart, quantities that are no times."""

from __future__ import annotations

import pytest

from timepro_lit.records import Event
from timepro_lit.tasks.base import ScoredTask
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.sound_events import SoundEventDetection

SED = SoundEventDetection(["dog", "bell"])
TWO = [(0.1, 0.6, "dog"), (2.0, 3.0, "bell")]


def told(task: ScoredTask, text: str) -> list[tuple[float, float, str]]:
    return [(event.onset, event.offset, event.label) for event in task.parse(text).events]


@pytest.mark.parametrize(
    "text",
    [
        '[{"event": "dog", "description": "it barks twice", "onset": 0.1, "offset": 0.6}]',
        '[{"onset": 0.1, "description": "it barks twice", "offset": 0.6, "event": "dog"}]',
        '{"label": "dog", "type": "animal", "start": 0.1, "end": 0.6}',
        '{"type": "animal", "start": 0.1, "end": 0.6, "label": "dog"}',
        '{"event_type": "animal", "event": "dog", "text": "woof", "segment": [0.1, 0.6]}',
        '{"label": ["dog"], "description": ["it barks twice"], "onset": [0.1], "offset": [0.6]}',
        "Event: dog\nDescription: it barks twice\nStart: 0.1\nEnd: 0.6",
        "| Start | End | Type | Event |\n|---|---|---|---|\n| 0.1 | 0.6 | animal | dog |",
        # the only one there is, or the only one that says something
        '{"description": "dog", "onset": 0.1, "offset": 0.6}',
        '{"class": null, "description": "dog", "onset": 0.1, "offset": 0.6}',
        '{"class": "", "label": "none", "description": "dog", "segment": [0.1, 0.6]}',
        '{"type": "sound_event", "description": "dog", "onset": 0.1, "offset": 0.6}',
        "Title: Sound events\nEvents: 1\nDescription: dog\nTime: 0.1-0.6 s",
        '{"type": "dog", "onset": 0.1, "offset": 0.6}',
        '{"tags": ["animal", "pet"], "text": "dog", "onset": 0.1, "offset": 0.6}',
        '{"tags": ["animal", "pet"], "text": "dog", "segment": [0.1, 0.6]}',
    ],
)
def test_of_several_labels_the_class_is_detected(text: str) -> None:
    assert told(SED, text) == TWO[:1]


@pytest.mark.parametrize(
    "text",
    [
        '{"caption": "it barks twice", "label": "dog", "start": 0.1, "end": 0.6}',
        '[{"start": 0.1, "end": 0.6, "label": "dog", "caption": "it barks twice"}]',
        "Caption: it barks twice\nEvent: dog\nStart: 0.1\nEnd: 0.6",
        "| Start | End | Event | Caption |\n|---|---|---|---|\n| 0.1 | 0.6 | dog | it barks twice |",
        "| Start | End | Event | Caption |\n|---|---|---|---|\n| 0.1 | 0.6 | it barks twice | |",
    ],
)
def test_of_several_labels_the_caption_is_what_is_said(text: str) -> None:
    assert told(DenseCaptioning(), text) == [(0.1, 0.6, "it barks twice")]


def test_a_key_that_comes_again_begins_the_next_event() -> None:
    text = '{"event": "dog", "onset": 0.1, "offset": 0.6, "event": "bell", "onset": 2.0, "offset": 3.0}'
    assert told(SED, text) == TWO


@pytest.mark.parametrize(
    "text",
    [
        '{"events": ["dog: 0.1-0.6", "bell: 2.0-3.0"]}',
        '{"events": ["dog (0.1-0.6 s)", "bell (2.0-3.0 s)"]}',
        '["dog: 0.1-0.6", "bell from 2.0 to 3.0"]',
        '{"sounds": ["dog, 0.1-0.6 s", "bell, 2.0-3.0 s"], "note": "that is all"}',
    ],
)
def test_events_may_be_strings(text: str) -> None:
    assert told(SED, text) == TWO


@pytest.mark.parametrize("text", ['{"events": ["dog", "bell"]}', '{"label": "dog"}', '{"events": "dog", "score": 1}'])
def test_labels_without_times_are_no_answer(text: str) -> None:
    assert (told(SED, text), SED.parse(text).readable) == ([], False)


@pytest.mark.parametrize(
    "text",
    [
        '{"events": []}', '{"events": null}', '{"events": "none"}', '{"events": ["none"]}',
        '{"label": "dog", "segments": []}', '{"label": "dog", "onset": null, "offset": null}',
    ],
)  # fmt: skip
def test_no_event_is_one(text: str) -> None:
    assert (told(SED, text), SED.parse(text).readable) == ([], True)


@pytest.mark.parametrize(
    "text",
    [
        "onsets: [0.1, 2.0]\noffsets: [0.6, 3.0]",
        "**Onsets:** [0.1, 2.0]\n**Offsets:** [0.6, 3.0]",
        "start_times = [0.1, 2.0]\nend_times = [0.6, 3.0]",
        "```yaml\nonsets: [0.1, 2.0]\ndurations: [0.5, 1.0]\n```",
        "onsets (ms): [100, 2000]; offsets (ms): [600, 3000]",
        "Onset: [0.1] Offset: [0.6]\nOnset: [2.0] Offset: [3.0]",
        "begin: [100, 2000] ms\nend: [600, 3000] ms",
        'onsets: [0.1, 2.0]\noffsets: [0.6, 3.0]\n{"a dog": [[0.1, 0.6], [2.0, 3.0]]}',
    ],
)
def test_lists_of_starts_and_of_ends_are_paired_one_by_one(text: str) -> None:
    assert [(event.onset, event.offset) for event in Grounding().parse(text).events] == [(0.1, 0.6), (2.0, 3.0)]


def test_a_list_of_labels_may_stand_beside_them() -> None:
    for labels in ('["dog", "bell"]', "[dog, bell]"):
        assert told(SED, f"labels: {labels}\nonsets: [0.1, 2.0]\noffsets: [0.6, 3.0]") == TWO


def test_lists_that_do_not_pair_are_refused_and_one_list_is_a_pair() -> None:
    assert not Grounding().parse("Onsets: [1.2, 5.0, 7.0]\nOffsets: [3.48, 6.0]").readable
    assert Grounding().parse("Start: [1.2, 3.48]").events == (Event(1.2, 3.48, ""),)


@pytest.mark.parametrize(
    "text",
    [
        "Start: 12%, End: 35%", "starts at 12% and ends at 35% of the clip", "from 12 to 35 % of the clip",
        "Start frame: 30, End frame: 87", "starts at frame 30 and ends at frame 87", "[30, 87] (frames)",
        "Frames: [30, 87]", "Positions (frames): [30, 87]", "samples 19200-55680", "from 30 to 87 frames",
        '{"start_frame": 30, "end_frame": 87}', '{"start_percent": 12, "end_percent": 35}', '{"frames": [30, 87]}',
        "start_frame\tend_frame\tevent\n30\t87\tdog", "[12, 35] %", '{"percent": [12, 35]}', "[12, 35] percents",
        "Time frames: 30-87", "Time ms: 1200-3480",
    ],
)  # fmt: skip
def test_what_is_counted_in_no_unit_of_time_is_refused(text: str) -> None:
    for task in (Grounding(), SED):
        assert (task.parse(text).events, task.parse(text).readable) == ((), False)


@pytest.mark.parametrize(
    "text",
    [
        "Timestamps (ms): [100, 600]", "[100, 600] (ms)", '{"ms": [100, 600]}', '{"seconds": [0.1, 0.6]}',
        '{"time frame": [0.1, 0.6]}', '{"timeframe": "0.1-0.6"}', "Time frame: 0.1-0.6 s",
        "It starts at 0.1 s (frame 2) and ends at 0.6 s (frame 15).", "The sample starts at 0.1 and ends at 0.6.",
        "[0.1, 0.6] (frames 3-18)", "male (m) [0.1, 0.6]", "speech (h): [0.1, 0.6]",
        "In this sample a dog barks from 0.1 to 0.6 s, 12% of it.", '{"sample 1": {"start": 0.1, "end": 0.6}}',
    ],
)  # fmt: skip
def test_words_for_units_and_counts_leave_times_alone(text: str) -> None:
    assert [(event.onset, event.offset) for event in Grounding().parse(text).events] == [(0.1, 0.6)]


@pytest.mark.parametrize(
    "text",
    [
        '{"dog": {"ms": [100, 600]}}',
        '{"dog": {"segments": [[0.1, 0.6]], "conf": [0.7, 0.8]}}',
        '[{"label": "dog", "times": [0.1, 0.6], "frequency_range": [400, 800]}]',
        '{"dog": {"times": [0.1, 0.6], "probs": [0.9, 0.95], "id": 7}}',
        '[{"label": "dog", "start_time": 0.1, "end_time": 0.6, "start_frame": 3, "end_frame": 18}]',
        '{"label": "dog", "start": 0.1, "end": 0.6, "duration_frames": 15}',
        '{"frames": 500, "dog": [[0.1, 0.6]]}',
        '{"samples": [{"label": "dog", "start": 0.1, "end": 0.6}]}',
        '{"frames": {"dog": [[0.1, 0.6]]}}',
        "| Start | End | Start frame | End frame | Event |\n|---|---|---|---|---|\n| 0.1 | 0.6 | 3 | 18 | dog |",
        "| Event | Start | End | Time percent |\n|-|-|-|-|\n| dog | 0.1 | 0.6 | 5 |",
        "Onset\tOffset\n0.1\t0.6\tdog",
        '{"channel 1": {"dog": [0.1, 0.6]}}',
    ],
)
def test_keys_of_quantities_are_no_classes(text: str) -> None:
    assert told(SED, text) == TWO[:1]
