"""Label files beside the answers: one a recording and format, called after the recording."""

from __future__ import annotations

import os
from pathlib import Path

from timepro_lit.events.labels import FORMATS, chosen_formats
from timepro_lit.inference.labelling import file_name, labels_of, left_out_of, write_labels
from timepro_lit.records import Answer, Event, Example, Prediction


def answer(audio: str, query: str, *events: Event) -> Answer:
    example = Example("", "ag", audio, 4.0, (), query)
    return Answer(example, "", "", Prediction(events, readable=bool(events)), truncated=False)


def test_files_about_long_names_can_be_written() -> None:
    names = [f"{'名' * 83}{end}.wav" for end in ("a", "b")]
    pictures = {file_name(f"a/{name}", ".selections.txt") for name in names}
    assert len(pictures) == 2 and all(len(os.fsencode(name)) < 230 for name in pictures)
    assert file_name("a/b.wav", ".png") == "a/b.wav.png"


def test_every_recording_has_its_own_file_of_each_format(tmp_path: Path) -> None:
    said = [answer("x/a.wav", "dog", Event(1.0, 2.0, "")), answer("x/a.wav", "bell"), answer("x/a.flac", "dog")]
    labels = labels_of(said)
    paths = write_labels(labels, FORMATS, tmp_path)
    assert len(set(paths)) == 12 and all(path.is_file() for path in paths)
    assert (tmp_path / "x/a.wav.txt").read_text() == "1.000000\t2.000000\tdog\n"
    assert (tmp_path / "x/a.flac.txt").read_text() == ""
    assert [[one.query for one in recording.answers] for recording in labels] == [["dog", "bell"], ["dog"]]


def test_what_some_formats_leave_out_is_counted() -> None:
    labels = labels_of([answer("a.wav", "dog", Event(5.0, 6.0, ""), Event(2.0, 1.0, ""), Event(8.0, 9.0, ""))])
    formats = chosen_formats(["srt", "csv"])
    assert left_out_of(labels, formats) == "left out of the srt labels: 2 outside, 1 reversed"
    assert left_out_of(labels, chosen_formats(["csv", "jams"])) == ""


def test_a_name_that_is_not_utf_8_can_be_written(tmp_path: Path) -> None:
    name = os.fsdecode(b"z\xff.wav")
    write_labels(labels_of([answer(name, "dog", Event(1.0, 2.0, "\udcff"))]), FORMATS, tmp_path)
    assert b"z\\udcff.wav" in (tmp_path / f"{name}.jams").read_bytes()
