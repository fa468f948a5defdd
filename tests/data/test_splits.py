from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from timepro_lit.data.splits import hash_of, hold_out, recording_key


@pytest.mark.parametrize(
    ("corpus", "audio", "key"),
    [
        ("desed", "audio/validation/validation/Y1a2B3c4D_-6_30.000_40.000.wav", "audioset:1a2B3c4D_-6"),
        ("ftar", "wav/Y1a2B3c4D_-6.flac", "audioset:1a2B3c4D_-6"),
        ("desed", "audio/train/soundscapes/12.wav", "desed:audio/train/soundscapes/12"),
        ("ftar", "Yes_we_can_talk_30.000.wav", "ftar:Yes_we_can_talk_30.000"),
    ],
)
def test_a_recording_is_the_same_under_all_its_names(corpus: str, audio: str, key: str) -> None:
    assert recording_key(corpus, audio) == key


def test_hashes_are_fixed_and_even() -> None:
    assert hash_of("audioset:1a2B3c4D_-6") == pytest.approx(0.303987, abs=1e-6)
    numbers = [hash_of(f"audioset:{n}") for n in range(10_000)]
    assert np.histogram(numbers, 10, (0, 1))[0].min() > 900


def test_as_many_questions_are_held_out_as_are_wanted() -> None:
    questions = [(f"clip{n % 500}", "ag") for n in range(1_000)] + [(f"clip{n % 900}", "dac") for n in range(1_500)]
    chosen = hold_out(questions, {"ag": 48, "dac": 74})
    assert Counter(task for key, task in questions if key in chosen) == {"ag": 48, "dac": 74}
    assert chosen == hold_out(reversed(questions), {"ag": 48, "dac": 74})


def test_fewer_are_held_out_where_there_are_no_more() -> None:
    assert hold_out([("a", "ag"), ("b", "dac")], {"ag": 5}) == {"a"}
