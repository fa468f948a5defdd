from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from timepro_lit.data.manifest import MAX_LINE_BYTES, read_manifest, write_manifest
from timepro_lit.records import Event, Example

GROUNDING = Example("ag-1", "ag", "audio/1.flac", 10.0, (Event(1.2, 3.48, "a dog barks"),), query="a dog barks")
DETECTION = Example("sed-1", "sed", "audio/1.flac", 10.0, (Event(0.0, 0.5, "hund – «bell»"), Event(2.0, 9.0, "dog")))
SILENT = Example("sed-2", "sed", "audio/2.flac", 4.0, ())

ROW = {"id": "a", "task": "sed", "audio": "a.wav", "duration_s": 10.0, "events": [[1.0, 2.0, "dog"]]}


def row(**changes: object) -> str:
    return json.dumps({key: value for key, value in (ROW | changes).items() if value is not ...})


def test_examples_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "train.jsonl"
    write_manifest(path, [GROUNDING, DETECTION, SILENT])
    assert read_manifest(path) == [GROUNDING, DETECTION, SILENT]
    assert len(path.read_bytes().splitlines()) == 3
    assert [file.name for file in path.parent.iterdir()] == ["train.jsonl"]


def test_the_key_of_a_recording_is_as_written_or_as_the_audio_says(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    rows = [
        row(recording="my room 3"),
        row(id="b", audio="x/Yb0RFKhbpFJA.wav"),
        row(id="c"),
        row(id="d", recording=None),
    ]
    path.write_text("\n".join(rows))
    examples = read_manifest(path)
    assert [example.recording for example in examples] == ["my room 3", "audioset:b0RFKhbpFJA", None, None]
    write_manifest(path, [replace(example, recording=None) for example in examples])
    assert '"recording": "audioset:b0RFKhbpFJA"' in path.read_text().splitlines()[1]
    write_manifest(path, examples)
    assert read_manifest(path) == examples


def test_a_window_of_a_recording_survives_the_file_and_old_lines_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    windows = [
        replace(GROUNDING, start_s=30.0, recording_s=299.5),
        replace(GROUNDING, id="first", recording_s=299.5),
        replace(GROUNDING, id="unknown", start_s=3.5),
        DETECTION,
    ]
    write_manifest(path, windows)
    assert read_manifest(path) == windows
    lines = path.read_text().splitlines()
    assert '"start_s": 30.0, "duration_s": 10.0, "recording_s": 299.5, "query"' in lines[0]
    assert '"start_s": 0.0' in lines[1]
    assert lines[3] == (
        '{"id": "sed-1", "task": "sed", "audio": "audio/1.flac", "duration_s": 10.0, '
        '"events": [[0.0, 0.5, "hund – «bell»"], [2.0, 9.0, "dog"]]}'
    )


def test_byte_order_mark_crlf_blank_lines_and_unsorted_events_are_read(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    first = row(events=[[5, 6, "b"], [1, 2, "a"]])
    path.write_bytes(b"\xef\xbb\xbf" + first.encode() + b"\r\n\r\n" + row(id="b").encode())
    examples = read_manifest(path)
    assert [example.id for example in examples] == ["a", "b"]
    assert examples[0].events == (Event(1.0, 2.0, "a"), Event(5.0, 6.0, "b"))
    path.write_text(first, encoding="utf-16")
    assert read_manifest(path) == examples[:1]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"id": "a"', "not a JSON object"),
        ("[1, 2]", "must be a JSON object, not list"),
        ("[" * 100_000, "not a JSON object"),
        (row(duration_s=...), "key 'duration_s' is missing"),
        (row(onset=1.0), "unknown key 'onset'"),
        ('{"id": "a", "id": "b"}', "a key is repeated"),
        (row(id=7), "id must be text, not int"),
        (row(task=" "), "task must be one line of readable text"),
        (row(recording=7), "recording must be text, not int"),
        (row(recording=["a"]), "recording must be text, not list"),
        (row(recording=""), "recording must be one line of readable text"),
        (row(query="two\nlines"), "query must be one line"),
        (row(query="\ud800"), "query must be one line of readable text"),
        (row(duration_s="10"), "duration_s must be a number of seconds, not str"),
        (row(duration_s=True), "duration_s must be a number of seconds, not bool"),
        (row(duration_s=0), "duration_s is 0.0, it must be above 0"),
        (row(duration_s=float("nan")), "NaN is not a number of JSON"),
        (row().replace("10.0", "1e999"), "duration_s is inf, not a time"),
        (row().replace("10.0", "1" + "0" * 400), "duration_s is huge, not a time"),
        (row(events={}), "events must be a list, not dict"),
        (row(events=[[1.0, 2.0]]), r"events\[0\] must be \[onset, offset, label\]"),
        (row(events=[[0, 1, "a"], [3.0, 2.0, "dog"]]), r"events\[1\] lasts from 3.0 s to 2.0 s"),
        (row(events=[[2.0, 2.0, "dog"]]), r"events\[0\] lasts from 2.0 s to 2.0 s"),
        (row(events=[[-0.1, 2.0, "dog"]]), r"events\[0\] lasts from -0.1 s"),
        (row(events=[[9.0, 10.2, "dog"]]), r"events\[0\] ends at 10.2 s, but the clip lasts 10.0 s"),
        (row(events=[[1.0, 2.0, ""]]), r"events\[0\] label must be one line"),
        (row(audio="/etc/a.wav"), "audio must be a plain path below the manifest's root"),
        (row(audio="a/../../b.wav"), "audio must be a plain path below"),
        (row(audio="~/a.wav"), "audio must be a plain path below"),
        (row(audio="http://x/a.wav"), "audio must be a plain path below"),
        (row(audio="a\\..\\b.wav"), "audio must be a plain path below"),
        (row(audio="a\0.wav"), "audio must be"),
        (row(start_s=-1), "start_s is -1.0, no clip begins before its recording"),
        (row(start_s=None), "start_s must be a number of seconds, not NoneType"),
        (row(start_s="3"), "start_s must be a number of seconds, not str"),
        (row(start_s=5, recording_s=14.8), "the clip ends at 15 s, but its recording lasts 14.8 s"),
        (row(recording_s=True), "recording_s must be a number of seconds, not bool"),
        (row(start_s=float("nan")), "NaN is not a number of JSON"),
        (row(id="first"), "id 'first' was used in line 1 already"),
        (row(query="x" * MAX_LINE_BYTES), "the line is longer than"),
    ],
)
def test_a_faulty_line_is_named_with_file_line_and_key(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(row(id="first") + "\n" + line + "\n")
    with pytest.raises(ValueError, match=rf"train\.jsonl:2: .*{says}") as error:
        read_manifest(path)
    assert "\n" not in str(error.value)


def test_invalid_utf8_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'{"id": "\xff"}\n')
    with pytest.raises(ValueError, match=r"m\.jsonl:1: not a JSON object: 'utf-8'"):
        read_manifest(path)
    path.write_text("\n")
    with pytest.raises(ValueError, match="the manifest holds no example"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("examples", "says"),
    [
        ([GROUNDING, GROUNDING], "id 'ag-1' is used twice"),
        ([Example("x", "sed", "a.wav", 10.0, (Event(5, 6, "b"), Event(1, 2, "a")))], "events must be in onset order"),
        ([Example("x", "sed", "a.wav", 10.0, (Event(5, float("nan"), "b"),))], "NaN is not a number of JSON"),
        ([Example("x", "sed", "../a.wav", 10.0, ())], "audio must be a plain path"),
        ([Example("x", "ag", "a.wav", 10.0, (), query="\udc00")], "query must be one line|'utf-8' codec"),
        ([], "would hold no example"),
    ],
)
def test_what_cannot_be_read_back_is_not_written(tmp_path: Path, examples: list[Example], says: str) -> None:
    path = tmp_path / "train.jsonl"
    write_manifest(path, [SILENT])
    with pytest.raises(ValueError, match=says):
        write_manifest(path, examples)
    assert read_manifest(path) == [SILENT]
    assert list(tmp_path.iterdir()) == [path]
