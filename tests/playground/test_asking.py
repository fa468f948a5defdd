"""What the page does, without the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from timepro_lit.playground.asking import (
    Limits,
    Model,
    ask,
    heard_text,
    notes_of,
    queries_in,
    rows,
    segment,
    sentence,
    write_files,
)
from timepro_lit.records import Event
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding

LIMITS = Limits(max_seconds=10.0, max_queries=3)
Parrots = Callable[..., Model]


def test_queries_are_lines_each_once() -> None:
    assert queries_in(Grounding(), " a dog \n\na  bell\na dog\n", 3) == ["a dog", "a bell"]
    assert queries_in(DenseCaptioning(), "a dog", 3) == [None]
    for text, fault in (
        (" \n", "Write what to listen for"),
        ("a\nb\nc\nd", "At most 3 queries are asked at once, not 4"),
        ("a" * 301, "A query has at most 300 characters"),
    ):
        with pytest.raises(ValueError, match=fault):
            queries_in(Grounding(), text, 3)


def test_a_clip_is_asked_shown_and_heard(parrot: Parrots, clip: Path) -> None:
    asked = ask(parrot(Event(1.0, 9.0, ""), Event(5.0, 6.0, "")), "ag", clip, "a dog\na bell", LIMITS)
    assert rows(asked) == [
        ["1.00", "2.00", "a dog", ""],
        ["5.00", "6.00", "a dog", "outside"],
        ["1.00", "2.00", "a bell", ""],
        ["5.00", "6.00", "a bell", "outside"],
    ]
    rate, samples = segment(asked, 2)
    assert rate == 16_000 and samples.dtype == np.int16 and len(samples) == 16_000
    assert abs(np.abs(samples).mean() - 0.5 * 32767) < 100
    assert heard_text(asked, 2) == "1.00 to 2.00 s: a bell"
    for row in (1, 4, -1):
        with pytest.raises(ValueError, match="nothing to hear"):
            segment(asked, row)


def test_answers_without_events_are_rows_too(parrot: Parrots, clip: Path) -> None:
    silent, garbled = parrot(), parrot(readable=False, longest_s=1.0)
    assert rows(ask(silent, "dac", clip, "", LIMITS)) == [["", "", "", "nothing heard"]]
    assert rows(ask(silent, "ag", clip, "a dog", LIMITS)) == [["", "", "a dog", "not heard"]]
    asked = ask(garbled, "ag", clip, "a dog", LIMITS)
    assert rows(asked) == [["", "", "a dog", "unreadable"]]
    assert asked.notes == (
        "The answer to “a dog” could not be read.",
        "It was trained on clips of up to 1.0 s: times beyond that are guesses.",
    )
    assert notes_of([("one", ["x", "y"])]) == "x\ny" and notes_of([("one", ["x"]), ("two", [])]) == "one: x"


def test_a_long_recording_is_heard_in_windows(parrot: Parrots, tmp_path: Path) -> None:
    soundfile.write(long := tmp_path / "long.wav", np.full(16_000 * 60, 0.1), 16_000)
    limits = Limits(max_seconds=60.0, max_queries=3)
    asked = ask(parrot(Event(1.0, 2.0, "a bell")), "dac", long, "", limits)
    assert rows(asked) == [[f"{onset}.00", f"{onset + 1}.00", "a bell", ""] for onset in (1, 16, 31)]
    assert asked.notes == ("Heard in 3 windows of 30 s, one every 15 s.",)
    assert len(segment(asked, 2)[1]) == 16_000
    one = ask(parrot(Event(1.0, 2.0, "", score=0.5), longest_s=4.0), "ag", long, "a dog\na bell", limits)
    assert [row[2] for row in rows(one)] == ["a dog", "a bell"]
    assert one.notes == ("Heard in 3 windows of 30 s, one every 15 s, each by 8 votes.",)
    assert Image.open(write_files(asked, tmp_path)[0]).width == 1200


def test_files_are_a_picture_and_labels_of_every_format(parrot: Parrots, clip: Path, tmp_path: Path) -> None:
    asked = ask(parrot(Event(0.5, 1.0, "<script>")), "dac", clip, "", LIMITS)
    picture, *labels = write_files(asked, tmp_path)
    assert Image.open(picture).width == 1200
    assert [path.name.removeprefix("street.wav") for path in labels] == [
        ".txt", ".selections.txt", ".srt", ".vtt", ".jams", ".csv"
    ]  # fmt: skip
    assert write_files(asked, tmp_path)[0] != picture


def test_what_cannot_be_asked_is_a_sentence_about_the_recording_by_its_name(parrot: Parrots, tmp_path: Path) -> None:
    broken, long, empty = (tmp_path / name for name in ("<img src=x>.wav", "long.wav", "empty.wav"))
    broken.write_text("<html>")
    soundfile.write(long, np.full(16_000 * 11, 0.1), 16_000)
    empty.touch()

    def said(path: Path | None, task: str = "dac") -> str:
        with pytest.raises((ValueError, OSError)) as fault:
            ask(parrot(), task, path, "", LIMITS)
        return sentence(fault.value, path)

    assert said(None) == "Choose a recording, or record one."
    assert said(long) == "long.wav is longer than the 10 s that are taken here."
    assert said(long, "sed") == "This model answers ag, dac, not sed."
    assert said(broken).startswith("<img src=x>.wav") and said(empty).startswith("empty.wav")
    assert str(tmp_path) not in said(broken) + said(empty) + said(tmp_path / "gone.wav")
