"""Soundscapes that are asked for all occurrences of a sound; those that are not stay as they were."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from timepro_lit.data.corpora.soundscapes import Soundscapes
from timepro_lit.data.manifest import checked_line, read_manifest
from timepro_lit.records import Event

OCCURRENCES = (0.2, 0.25, 0.2, 0.15, 0.1, 0.1)


def moments(folder: Path, num_clips: int = 200) -> Soundscapes:
    lengths = {"clip_s": 4.2, "clip_spread_s": 0.2, "event_s": (0.4, 1.0)}
    return Soundscapes(str(folder), {"train": num_clips}, num_workers=1, occurrences=OCCURRENCES, **lengths)


def test_soundscapes_without_the_question_are_what_they_were(tmp_path: Path) -> None:
    corpus = Soundscapes(str(tmp_path), {"base": 4, "train": 40, "val": 4, "test": 6})
    assert corpus.root.name == "soundscapes-8cba2fb2"
    rows = {split: "\n".join(checked_line(e, "") for e in corpus.planned(split)) for split in corpus.num_clips}
    assert {split: hashlib.sha256(text.encode()).hexdigest()[:16] for split, text in rows.items()} == {
        "base": "99c8e67a9c034daf",
        "train": "03caa97ccf028c59",
        "val": "b9e17937cdc20a4e",
        "test": "349a347bfb58c28b",
    }


def test_a_clip_is_asked_for_a_sound_that_occurs_up_to_five_times(tmp_path: Path) -> None:
    corpus = moments(tmp_path)
    assert corpus.root.name == "soundscapes-87fde95c"
    planned = corpus.planned("train")
    clips = [{e.task: e for e in planned[n : n + 4]} for n in range(0, 800, 4)]
    assert [list(clip) for clip in clips] == [["ag", "sed", "dac", "moments"]] * 200
    numbers = Counter(len(clip["moments"].events) for clip in clips)
    assert set(numbers) == {0, 1, 2, 3, 4, 5}
    assert 25 <= numbers[0] <= 60
    for clip in clips:
        sought, labels = clip["moments"], [event.label for event in clip["sed"].events]
        spans = [(event.onset, event.offset) for event in sought.events]
        assert all(later[0] - sooner[1] > 0.27 for sooner, later in pairwise(spans))
        assert all(0.0 <= onset < offset <= sought.duration_s + 1e-9 for onset, offset in spans)
        assert {event.label for event in sought.events} <= {sought.query}
        repeated = [label for label in labels if labels.count(label) > 1]
        assert len(repeated) == (len(spans) if len(spans) > 1 else 0)
        assert len(clip["ag"].events) == 1
        if not spans:
            assert clip["ag"].query != sought.query


def test_the_same_clip_on_any_machine(tmp_path: Path) -> None:
    sought = [e for e in moments(tmp_path, 2).planned("train") if e.task == "moments"]
    assert [(e.id, e.query, e.events) for e in sought[:1]] == [
        (
            "train-000000-moments",
            "a dog barks",
            tuple(Event(*times, "a dog barks") for times in ((0.2, 0.92), (1.72, 2.52), (2.96, 3.68))),
        )
    ]


def test_questions_of_none_are_written_and_read_back(tmp_path: Path) -> None:
    corpus = moments(tmp_path, 8)
    corpus.make_ready()
    assert read_manifest(corpus.manifest("train")) == corpus.planned("train")
    assert any(e.task == "moments" and not e.events for e in corpus.planned("train"))


@pytest.mark.parametrize("chances", [(), (0.5, 0.4), (1.5, -0.5)])
def test_what_are_no_chances_is_refused(tmp_path: Path, chances: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="occurrences are chances that sum to 1"):
        Soundscapes(str(tmp_path), {"train": 1}, occurrences=chances)


def test_more_sounds_than_fit_are_refused(tmp_path: Path) -> None:
    crowded = Soundscapes(str(tmp_path), {"train": 1}, occurrences=(0.0,) * 9 + (1.0,), event_s=(1.0, 2.0))
    with pytest.raises(ValueError, match="occurrences: 9 sounds"):
        crowded.planned("train")


def test_a_minute_holds_more_sounds_of_other_classes(tmp_path: Path) -> None:
    lengths = {"clip_s": 60.0, "clip_spread_s": 0.0, "event_s": (0.4, 1.0)}
    corpus = Soundscapes(str(tmp_path), {"test": 20}, occurrences=(0.5, 0.5), others=(0, 0, 0, 0.5, 0.5), **lengths)
    labels = [[event.label for event in e.events] for e in corpus.planned("test") if e.task == "sed"]
    assert {len(of_clip) for of_clip in labels} == {4, 5, 6}
    assert all(len(of_clip) == len(set(of_clip)) for of_clip in labels)
    with pytest.raises(ValueError, match="no 12 classes beside the one that is asked for"):
        Soundscapes(str(tmp_path), {"test": 1}, occurrences=(1.0,), others=(0,) * 11 + (1,), **lengths).planned("test")
    with pytest.raises(ValueError, match="others: they stand beside the sound that is asked for"):
        Soundscapes(str(tmp_path), {"test": 1}, others=(1.0,), **lengths)
