from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.hangs import at_most
from timepro_lit.data.corpora.annotated import Annotation, Dropped
from timepro_lit.data.corpora.ftar import Ftar, captions_of, query_of, times_of
from timepro_lit.data.corpora.json_files import Fault
from timepro_lit.records import Event


def test_items_become_questions_or_are_dropped_with_a_reason(ftar: Path) -> None:
    found = list(Ftar(audio_prefix="/corpus/").annotations(ftar))
    annotations = {one.where: one for one in found if isinstance(one, Annotation)}
    first = annotations["train/temporal_audio_grounding.json[0]"]
    assert (first.id, first.task, first.audio, first.query, first.split) == (
        "ag/g1", "ag", "wav/Yaudio000001.wav", "a dog's bark", "train")  # fmt: skip
    assert first.events == (Event(0.5, 1.25, "a dog's bark"),)
    assert first.stated_duration_s == 2.0
    assert annotations["train/dense_audio_caption.json[0]"].events == (
        Event(0.0, 0.5, "a 2-3 second beep"), Event(0.75, 2.0, "a 12-15 year old boy speaks"))  # fmt: skip
    assert annotations["train/dense_audio_caption.json[1]"].events == (
        Event(0.0, 0.5, "a dog barks"), Event(1.0, 1.9, "rain"))  # fmt: skip
    dropped = {one.where: one.detail for one in found if isinstance(one, Dropped)}
    assert dropped == {
        "train/temporal_audio_grounding.json[5]": "the question quotes no phrase: 'What are the start and end times?'",
        "train/temporal_audio_grounding.json[6]": "the answer holds no times: 'I cannot hear it'",
        "train/dense_audio_caption.json[2]": "answer is ['0.0 - 0.5, rain'], not a text of at most 20000 characters",
        "train/dense_audio_caption.json[3]": "duration is 'long', not a number",
    }


def test_a_test_file_is_read_where_there_is_one(ftar: Path) -> None:
    (ftar / "test").mkdir()
    (ftar / "test/dense_audio_caption.json").write_bytes((ftar / "train/dense_audio_caption.json").read_bytes())
    splits = [(a.task, a.split) for a in Ftar().annotations(ftar) if isinstance(a, Annotation)]
    assert set(splits) == {("ag", "train"), ("dac", "train"), ("dac", "test")}


@pytest.mark.parametrize(
    ("question", "query"),
    [
        ("What are the start and end times of audio matching 'rain'?", "rain"),
        ("Where does the query 'a dog's bark' occur in the audio?", "a dog's bark"),
        ("What's the time interval for the query 'dogs' barking'?", "dogs' barking"),
        ('When does "a man\'s voice" occur?', "a man's voice"),
        ("Between which timestamps does 'a man says 'hello' twice' occur?", "a man says 'hello' twice"),
    ],
)
def test_a_query_is_what_the_question_quotes(question: str, query: str) -> None:
    assert query_of(question) == query


@pytest.mark.parametrize(
    ("answer", "events"),
    [
        ("0.0 - 2.5, a dog barks; 3.1 - 4.0, rain", [(0.0, 2.5, "a dog barks"), (3.1, 4.0, "rain")]),
        ("0.0 - 2.5: a dog barks\r\n3.1 - 4.0: rain", [(0.0, 2.5, "a dog barks"), (3.1, 4.0, "rain")]),
        ("[0.0 - 2.5] a dog barks. [3.1 - 4.0] rain.", [(0.0, 2.5, "a dog barks"), (3.1, 4.0, "rain")]),
        ("0.0s - 2.5s, a dog barks, 3.1s - 4.0s, rain", [(0.0, 2.5, "a dog barks"), (3.1, 4.0, "rain")]),
        ("0 - 2, two 3-4 Hz tones\n3-4, rain", [(0.0, 2.0, "two 3-4 Hz tones"), (3.0, 4.0, "rain")]),
        ("A dog barks from 0.0 - 2.5, rain at 3.1 - 4.0", [(0.0, 2.5, "A dog barks"), (3.1, 4.0, "rain")]),
        ("0.0-2.5, a dog barks. 3.1-4.0, rain", [(0.0, 2.5, "a dog barks"), (3.1, 4.0, "rain")]),
        ("0.0-2.5, a dog barks<br>3.1-4.0, rain", [(0.0, 2.5, "a dog barks"), (3.1, 4.0, "rain")]),
        ("0.0-2.5, a dog barks | 3.1-4.0, rain", [(0.0, 2.5, "a dog barks"), (3.1, 4.0, "rain")]),
        ("[0-2] a dog barks [3-4] rain", [(0.0, 2.0, "a dog barks"), (3.0, 4.0, "rain")]),
        ("a dog barks: 0.0-2.5. rain: 3.1-4.0", [(0.0, 2.5, "a dog barks"), (3.1, 4.0, "rain")]),
        ("0.0-2.5, a 2-3 s beep, 10-20 times", [(0.0, 2.5, "a 2-3 s beep, 10-20 times")]),
        (
            "0.0 - 9.0, a man says wait 5-10 seconds; 9.1 - 9.9, a beep (1-2 s) repeats",
            [(0.0, 9.0, "a man says wait 5-10 seconds"), (9.1, 9.9, "a beep (1-2 s) repeats")],
        ),
        ("a dog barks (0.0 - 2.5)\nrain (3.1 - 4.0)", [(0.0, 2.5, "a dog barks"), (3.1, 4.0, "rain")]),
    ],
)
def test_captions_are_read_in_whatever_layout_has_times(answer: str, events: list[tuple[float, float, str]]) -> None:
    assert [(e.onset, e.offset, e.label) for e in captions_of(answer)] == events


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "a dog barks",
        "0.0 - 2.5",
        "0.0 - 1.0, rain; 2.0 - 3.0",
        "rain 0.0 - 1.0, a dog",
        "a: 0.0-2.5, b: 3.1-4.0",
        "0.0-2.5, a dog, 3.1-4.0, rain",
    ],
)
def test_a_caption_that_says_too_little_is_a_fault(answer: str) -> None:
    with pytest.raises(Fault):
        captions_of(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "1,2 - 3,48", "1.2s - 3,48s", "0.0-2,5", "1e-05 - 7.5", "-0.5 - 2.0", "0:01 - 3.5", "1.2 - 3.48 min",
        "1 - 2.5e1", "0.1 - 0.2; 1,5 - 2,5",
    ],
)  # fmt: skip
def test_times_whose_numbers_go_on_are_a_fault(answer: str) -> None:
    with pytest.raises(Fault, match="the answer holds no times"):
        times_of(answer, "a dog")


@pytest.mark.parametrize(
    ("answer", "times"),
    [
        ("0.0 - 2.5,3.0 - 4.5", [(0.0, 2.5), (3.0, 4.5)]),
        ("from 1.2s-3.48s, 5 - 6", [(1.2, 3.48), (5.0, 6.0)]),
        ("Time:1.0 - 2.0.", [(1.0, 2.0)]),
        ("- 0.5 – 1.5 sec\n- 2 - 3 seconds", [(0.5, 1.5), (2.0, 3.0)]),
        ("[0.5-1.5]-[2-3]", [(0.5, 1.5), (2.0, 3.0)]),
    ],
)
def test_times_stand_in_any_words(answer: str, times: list[tuple[float, float]]) -> None:
    assert [(event.onset, event.offset) for event in times_of(answer, "a dog")] == times


@pytest.mark.parametrize("text", ["1" * 20_000, " " * 20_000, "1-" * 10_000, "0.1 - 0.2," * 2_000, "'" * 20_000])
def test_hostile_texts_take_no_time(text: str) -> None:
    for read in (captions_of, query_of, lambda t: times_of(t, "x")):
        with at_most(), contextlib.suppress(Fault):
            read(text)


def test_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"train/temporal_audio_grounding\.json does not exist"):
        list(Ftar().annotations(tmp_path))
    (tmp_path / "train").mkdir()
    (tmp_path / "train/temporal_audio_grounding.json").write_text("{")
    with pytest.raises(ValueError, match=r"temporal_audio_grounding\.json: is not JSON"):
        list(Ftar().annotations(tmp_path))
