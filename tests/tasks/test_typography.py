"""Signs of word processors and of other scripts stand for plain ones, and stay in labels."""

from __future__ import annotations

import pytest

from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.sound_events import SoundEventDetection

TASK = SoundEventDetection(["dog"])


@pytest.mark.parametrize(
    ("text", "label"),
    {
        "{„dog“: [0.1, 0.6]}": "dog",
        "{«dog»: [0.1, 0.6]}": "dog",
        '{“dog": [0.1, 0.6]}': "dog",
        '{"dog”: "0.1−0.6", “bell”: []}': "dog",
        "{‘dog’: [0.1, 0.6]}": "dog",
        "{「dog」：[0.1，0.6]}": "dog",
        "[{“event”: “dog”, “offset”: 0.6, “onset”: 0.1}]": "dog",
        '{"“dog”": [0.10, 0.60]}': "dog",
        '{"dog": "0.1\u2009s\u3000〜\u30000.6\u00a0s"}': "dog",
        "“dog”: 0.1―0.6": "dog",
        '{"dog": "0.1\\u20130.6 s"}': "dog",
        # within a label they stay
        "{‘dog’s bark’: [0.1, 0.6]}": "dog’s bark",
        '{"says “hi”, loud": [0.1, 0.6]}': "says “hi”, loud",
        '{"dog – loud": [0.10, 0.60]}': "dog – loud",
        '{“it says "hi" twice”: [0.1, 0.6]}': 'it says "hi" twice',
    }.items(),
)
def test_quotes_dashes_and_spaces(text: str, label: str) -> None:
    assert [(event.onset, event.offset, event.label) for event in TASK.parse(text).events] == [(0.1, 0.6, label)]


def test_a_caption_loses_quotes_around_all_of_it_alone() -> None:
    text = "0.10-0.60, “a dog”\n0.10–0.60, a man says “hi”\n0.10-0.60, “hi” and “bye”"
    labels = [event.label for event in DenseCaptioning().parse(text).events]
    assert labels == ["a dog", "a man says “hi”", "“hi” and “bye”"]
