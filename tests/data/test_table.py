from __future__ import annotations

import errno
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import timepro_lit.data.table as table_module
from timepro_lit.data.arrow import map_arrow, write_arrow
from timepro_lit.data.manifest import read_manifest, write_manifest, write_prepared
from timepro_lit.data.table import ExampleTable, arrow_file, read_examples
from timepro_lit.files.checksums import checksum_file, write_checksum
from timepro_lit.files.fingerprint import file_digest
from timepro_lit.records import Event, Example

EXAMPLES = [
    Example("1", "ag", "a.wav", 2.0, (Event(0.5, 1.0, "rain"),), "rain"),
    Example("2", "dac", "a.wav", 2.0, (Event(0.5, 1.0, "rain"), Event(1.0, 1.5, "a dog barks"))),
    Example("3", "sed", "b.wav", 1.25, ()),
]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    write_manifest(tmp_path / "train.jsonl", EXAMPLES)
    return tmp_path / "train.jsonl"


def test_a_table_reads_like_the_list_of_its_examples(manifest: Path) -> None:
    table = ExampleTable([(manifest, "")])
    assert list(table) == EXAMPLES
    assert (len(table), table[-1]) == (3, EXAMPLES[2])
    assert list(table[1:]) == EXAMPLES[1:]
    with pytest.raises(IndexError):
        table[3]


def test_columns_come_without_the_examples(manifest: Path) -> None:
    table = ExampleTable([(manifest, "")])
    assert table.durations_s.tolist() == [2.0, 2.0, 1.25]
    assert table.tasks.tolist() == ["ag", "dac", "sed"]
    assert table.ids.tolist() == ["1", "2", "3"]
    assert table.clips.tolist() == [0, 0, 1]
    assert table.text_lengths.tolist() == [19, 37, 0]  # query, captions, and eleven for each pair of times


def test_a_selection_keeps_its_order(manifest: Path) -> None:
    table = ExampleTable([(manifest, "")])
    some = table.select(np.array([2, 0]))
    assert list(some) == [EXAMPLES[2], EXAMPLES[0]]
    assert some.durations_s.tolist() == [1.25, 2.0]
    assert list(some.select(np.array([False, True]))) == EXAMPLES[:1]
    assert list(table.of_tasks(["dac", "ag"])) == EXAMPLES[:2]
    pickled = pickle.dumps(some)
    manifest.unlink()  # a worker does not read it again
    assert list(pickle.loads(pickled)) == list(some)


def test_several_manifests_follow_each_other_under_their_prefixes(manifest: Path, tmp_path: Path) -> None:
    write_manifest(tmp_path / "more.jsonl", [Example("4", "ag", "a.wav", 1.0, (Event(0.0, 1.0, "x"),), "x")])
    both = ExampleTable([(manifest, "one/"), (tmp_path / "more.jsonl", "two/")])
    assert [example.audio for example in both] == ["one/a.wav", "one/a.wav", "one/b.wav", "two/a.wav"]
    assert both.clips.tolist() == [0, 0, 1, 2]
    assert both.of_tasks(["ag"]).shared_with(both.of_tasks(["dac"])).tolist() == [[0, 0]]
    assert [both.manifest_of(place).name for place in (2, 3)] == ["train.jsonl", "more.jsonl"]


def test_an_id_belongs_to_one_of_the_manifests_that_are_joined(tmp_path: Path) -> None:
    for name, ids in (("one", "ab"), ("two", "bc"), ("three", "cd")):
        (tmp_path / name).mkdir()
        write_manifest(tmp_path / name / "train.jsonl", [Example(id_, "sed", "a.wav", 4.0, ()) for id_ in ids])

    def read(*names: str) -> list[str]:
        sources = [(tmp_path / name / "train.jsonl", f"{name}/") for name in names]
        return [example.id for example in read_examples(sources, ["sed"])]

    assert read("one", "three") == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match=r"one/train\.jsonl, .*two/train\.jsonl: two examples have the id 'b'; joined"):
        read("one", "two")


def test_two_windows_of_a_recording_are_two_clips_and_one_recording(tmp_path: Path) -> None:
    windows = [(0.0, 30.0, 60.0), (30.0, 30.0, 60.0), (0.0, 30.0, 60.0), (0.0, 60.0, None), (0.0, 60.5, None)]
    examples = [
        Example(str(n), "moments", "a.wav", duration_s, (), "rain", None, start_s, recording_s)
        for n, (start_s, duration_s, recording_s) in enumerate(windows)
    ]
    write_manifest(tmp_path / "train.jsonl", examples)
    table = ExampleTable([(tmp_path / "train.jsonl", "one/")])
    assert [replace(example, audio="a.wav") for example in table] == examples
    assert table.clips.tolist() == [0, 1, 0, 2, 3]
    assert table.select(np.array([3, 1])).clips.tolist() == [0, 1]
    assert table.audio_files == ["one/a.wav"]
    assert table.select(np.array([0])).shared_with(table.select(np.array([1]))).tolist() == [[0, 0]]


def test_a_recording_is_shared_by_its_name_or_by_its_path(tmp_path: Path) -> None:
    def table(name: str, *audio: str, prefix: str = "", **more: str) -> ExampleTable:
        examples = [Example(str(n), "sed", one, 1.0, (), **more) for n, one in enumerate(audio)]
        write_manifest(tmp_path / f"{name}.jsonl", examples)
        return ExampleTable([(tmp_path / f"{name}.jsonl", prefix)])

    train = table("train", "a.wav", "Yb0RFKhbpFJA.wav", "sub/b0RFKhbpFJA_30.flac", "b.wav", prefix="one/")
    tested = table("test", "c.wav", "yt_b0RFKhbpFJA.ogg", "a.flac", prefix="one/")
    assert train.shared_with(tested).tolist() == [[0, 2], [1, 1]]
    assert train.select(np.array([3, 2])).shared_with(train).tolist() == [[0, 3], [1, 1]]
    assert train.shared_with(table("other", "a.wav", "b.wav", prefix="two/")).tolist() == []
    named = table("named", "c.wav", recording="room 3")
    assert named.shared_with(table("alike", "d.wav", "e.wav", recording="room 3")).tolist() == [[0, 0]]
    assert named.shared_with(table("same_file", "c.flac", recording="room 4")).tolist() == [[0, 0]]
    assert train.recordings.to_pylist() == ["one/a", "audioset:b0RFKhbpFJA", "audioset:b0RFKhbpFJA", "one/b"]


def test_a_file_of_an_earlier_version_is_made_again(manifest: Path) -> None:
    path = arrow_file(manifest)
    old = map_arrow(path).drop_columns(["start_s", "recording_s"])
    write_arrow(path, old.to_batches(), old.schema.with_metadata({"manifest": file_digest(manifest)}))
    write_checksum(path)
    assert list(ExampleTable([(manifest, "")])) == EXAMPLES


def test_a_changed_manifest_is_read_again_and_an_unchanged_one_is_not(manifest: Path) -> None:
    first = arrow_file(manifest)
    written = first.stat().st_mtime_ns
    os.utime(manifest)
    assert arrow_file(manifest).stat().st_mtime_ns == written
    write_manifest(manifest, EXAMPLES[:1])
    assert list(ExampleTable([(manifest, "")])) == EXAMPLES[:1]
    whole = first.read_bytes()
    for damaged in (b"half of a file", whole[:300], whole.replace(b"rain", b"ruin")):
        first.write_bytes(damaged)
        assert list(ExampleTable([(manifest, "")])) == EXAMPLES[:1]
        assert first.read_bytes() == whole


def test_where_nothing_can_be_written_it_lies_among_the_caches(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(path: Path, *args: Any) -> None:
        if path.parent == manifest.parent:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        write_arrow(path, *args)

    monkeypatch.setattr(table_module, "write_arrow", write)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert list(ExampleTable([(manifest, "")])) == EXAMPLES
    path = arrow_file(manifest)
    assert path.parent == tmp_path / "caches" / "timepro_lit"
    written = path.stat().st_mtime_ns
    assert arrow_file(manifest).stat().st_mtime_ns == written
    write_manifest(manifest, EXAMPLES[:1])
    assert list(ExampleTable([(manifest, "")])) == EXAMPLES[:1]


def test_a_manifest_that_was_prepared_is_refused_once_it_is_another(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    write_prepared(path, EXAMPLES)
    assert len(ExampleTable([(path, "")])) == len(read_manifest(path)) == 3
    path.write_bytes(path.read_bytes().partition(b"\n")[0] + b"\n")  # cut at the end of a line
    for read in (read_manifest, arrow_file):
        with pytest.raises(ValueError, match=r"train\.jsonl is damaged or was changed: .* by .*train\.jsonl\.sha256"):
            read(path)
    checksum_file(path).unlink()
    assert len(ExampleTable([(path, "")])) == len(read_manifest(path)) == 1


def test_a_broken_manifest_leaves_nothing_behind(manifest: Path) -> None:
    manifest.write_text("{}\n")
    with pytest.raises(ValueError, match=r"train\.jsonl:1: key 'id' is missing"):
        ExampleTable([(manifest, "")])
    assert os.listdir(manifest.parent) == ["train.jsonl"]
