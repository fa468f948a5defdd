"""Recordings are told apart by their content, wherever it lies."""

from __future__ import annotations

import os
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import fsspec
import pytest

from timepro_lit.data.corpora.prepared import JoinedStores
from timepro_lit.data.store import AudioFolder, AudioShards, AudioStore, write_shards

NAMES = [f"sub/{n}.wav" for n in range(4)]


@pytest.fixture
def folder(tmp_path: Path) -> AudioFolder:
    (tmp_path / "audio" / "sub").mkdir(parents=True)
    for n, name in enumerate(NAMES):
        (tmp_path / "audio" / name).write_bytes(bytes([n]) * 8)
    return AudioFolder(tmp_path / "audio")


def contents(store: AudioStore, place: Path, names: list[str] = NAMES) -> list[str]:
    place.mkdir(parents=True, exist_ok=True)
    return store.contents(names, place / ".recordings.json")


def test_each_has_its_own_and_a_copy_has_the_same(folder: AudioFolder, tmp_path: Path) -> None:
    found = contents(folder, tmp_path)
    assert len(set(found)) == 4
    assert contents(folder, tmp_path, NAMES[::-1]) == found[::-1]
    shutil.copytree(tmp_path / "audio", tmp_path / "moved" / "audio")  # with new times
    assert contents(AudioFolder(tmp_path / "moved" / "audio"), tmp_path / "moved") == found
    assert contents(AudioFolder(tmp_path / "moved" / "audio"), tmp_path / "elsewhere") == found


def test_a_change_is_a_change_of_one(folder: AudioFolder, tmp_path: Path) -> None:
    before = contents(folder, tmp_path)
    (tmp_path / "audio" / NAMES[2]).write_bytes(b"another ")
    (tmp_path / "audio" / NAMES[3]).unlink()
    after = contents(folder, tmp_path)
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False, False]
    assert after[3] == "absent"


def test_a_link_out_of_the_folder_is_unusable(folder: AudioFolder, tmp_path: Path) -> None:
    (tmp_path / "outside.wav").write_bytes(b"secret")
    (tmp_path / "audio" / "link.wav").symlink_to(tmp_path / "outside.wav")
    assert contents(folder, tmp_path, ["link.wav"]) == ["unusable"]


def test_shards_hold_the_same_as_the_loose_files(folder: AudioFolder, tmp_path: Path) -> None:
    found = contents(folder, tmp_path)
    for size in (1, 1000):
        write_shards(folder, NAMES, tmp_path / f"shards{size}", shard_bytes=size)
        for root in (tmp_path / f"shards{size}", f"file://{tmp_path / f'shards{size}'}"):
            assert contents(AudioShards(root), tmp_path) == found
            assert contents(AudioShards(root), tmp_path, ["none.wav", NAMES[0]]) == ["absent", found[0]]


def test_of_a_bucket_counts_what_it_says(folder: AudioFolder, tmp_path: Path) -> None:
    bucket = fsspec.filesystem("memory")
    for n, name in enumerate(NAMES):
        bucket.pipe(f"/bucket/{name}", bytes([n]) * 8)
    before = contents(AudioFolder("memory://bucket"), tmp_path, [*NAMES, "none.wav"])
    assert before[4] == "absent"
    assert contents(AudioFolder("memory://bucket/"), tmp_path) == before[:4]
    bucket.pipe(f"/bucket/{NAMES[1]}", b"new")
    after = contents(AudioFolder("memory://bucket"), tmp_path)
    assert [a == b for a, b in zip(before, after, strict=False)] == [True, False, True, True]
    write_shards(folder, NAMES, tmp_path / "shards", shard_bytes=16)
    for path in (tmp_path / "shards").iterdir():
        bucket.pipe(f"/packed/{path.name}", path.read_bytes())
    packed = contents(AudioShards("memory://packed"), tmp_path)
    assert len(set(packed)) == 4
    assert contents(AudioShards("memory://packed"), tmp_path) == packed


def test_of_several_times_the_last_change_counts(folder: AudioFolder, tmp_path: Path) -> None:
    place = AudioFolder(f"file://{tmp_path}/audio")
    before = contents(place, tmp_path)
    (tmp_path / "audio" / NAMES[0]).chmod(0o600)  # which is a time too, and no change of what is heard
    assert contents(place, tmp_path) == before


def test_over_http_a_recording_is_like_itself_alone_and_has_any_name(tmp_path: Path) -> None:
    names = ["a.wav", "b.wav", "what?#1 100%25.wav"]
    for name in names:
        (tmp_path / name).write_bytes(b"equally long")
        os.utime(tmp_path / name, (1_000_000_000, 1_000_000_000))
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        web = AudioFolder(f"http://127.0.0.1:{server.server_port}")
        before = contents(web, tmp_path, names)
        with web.open(names[2]) as stream:
            assert stream.read() == b"equally long"
        os.utime(tmp_path / "b.wav", (1_000_000_060, 1_000_000_060))
        after = contents(web, tmp_path, names)
        server.shutdown()
    assert len(set(before)) == 3
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]


def test_joined_stores_ask_the_one_that_a_recording_lies_in(folder: AudioFolder, tmp_path: Path) -> None:
    both = JoinedStores({"one": folder, "two": folder})
    one, two = contents(folder, tmp_path)[:2]
    assert contents(both, tmp_path, [f"two/{NAMES[1]}", f"one/{NAMES[0]}"]) == [two, one]
