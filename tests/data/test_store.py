from __future__ import annotations

import pickle
import tarfile
from pathlib import Path

import fsspec
import pytest
import torch

from timepro_lit.data.audio import AudioError, read_audio, write_audio
from timepro_lit.data.store import AudioFolder, AudioShards, write_shards

NAMES = [f"sub/{n}.flac" for n in range(5)]


@pytest.fixture
def folder(tmp_path: Path) -> AudioFolder:
    for n, name in enumerate(NAMES):
        write_audio(tmp_path / "audio" / name, torch.full((1600,), n / 10), 16_000)
    return AudioFolder(tmp_path / "audio")


def test_a_bucket_reads_like_a_folder(folder: AudioFolder) -> None:
    files = fsspec.filesystem("memory")
    for name in NAMES:
        files.pipe(f"/bucket/{name}", Path(folder.location(name)).read_bytes())
    bucket = AudioFolder("memory://bucket/")
    for name in NAMES:
        with bucket.open(name) as there, folder.open(name) as here:
            assert there.read() == here.read()
    assert bucket.location("sub/1.flac") == "memory://bucket/sub/1.flac"
    torch.testing.assert_close(read_audio(bucket.location("sub/1.flac")), torch.full((1600,), 0.1), atol=1e-4, rtol=0)
    with (
        pytest.raises(AudioError, match=r"memory://bucket/none\.flac: there is no such audio file"),
        bucket.open("none.flac"),
    ):
        pass


def test_shards_hold_every_recording_as_it_is(folder: AudioFolder, tmp_path: Path) -> None:
    write_shards(folder, [*NAMES, NAMES[0]], tmp_path / "shards", shard_bytes=1)
    assert sorted(path.name for path in (tmp_path / "shards").iterdir()) == [
        *(f"0000{n}.tar" for n in range(5)), "shards.arrow"]  # fmt: skip
    write_shards(folder, NAMES, tmp_path / "two", shard_bytes=Path(folder.location(NAMES[0])).stat().st_size * 3)
    for shards in (AudioShards(tmp_path / "shards"), AudioShards(f"file://{tmp_path / 'two'}")):
        copy = pickle.loads(pickle.dumps(shards))
        for name in NAMES:
            with shards.open(name) as packed, copy.open(name) as again, folder.open(name) as loose:
                assert packed.read() == again.read() == loose.read()
            assert torch.equal(read_audio(shards.location(name)), read_audio(folder.location(name)))
    with (
        pytest.raises(AudioError, match=r"none\.flac is in none of the shards"),
        AudioShards(tmp_path / "shards").open("none.flac"),
    ):
        pass


def test_packing_goes_on_where_it_stopped(folder: AudioFolder, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    write_shards(folder, NAMES, shards, shard_bytes=1)
    whole = {path.name: path.read_bytes() for path in shards.iterdir()}
    kept = (shards / "00001.tar").stat().st_ino
    (shards / "00003.tar").unlink()
    (shards / "shards.arrow").unlink()
    (shards / ".00003.tar.k3j_x81a.tmp").write_bytes(b"half")
    (shards / "00002.tar").write_bytes(whole["00002.tar"][:100])
    write_shards(folder, NAMES, shards, shard_bytes=1)
    assert {path.name: path.read_bytes() for path in shards.iterdir()} == whole
    assert (shards / "00001.tar").stat().st_ino == kept


@pytest.mark.parametrize("num_samples", [1600, 800])
def test_a_recording_that_was_repaired_is_packed_again(folder: AudioFolder, tmp_path: Path, num_samples: int) -> None:
    write_shards(folder, NAMES, tmp_path / "shards", shard_bytes=10**6)
    write_audio(Path(folder.location(NAMES[1])), torch.full((num_samples,), 0.75), 16_000)
    write_shards(folder, NAMES, tmp_path / "shards", shard_bytes=10**6)
    packed = read_audio(AudioShards(tmp_path / "shards").location(NAMES[1]))
    torch.testing.assert_close(packed, torch.full((num_samples,), 0.75), atol=1e-4, rtol=0)


def test_a_damaged_table_of_shards_is_named(folder: AudioFolder, tmp_path: Path) -> None:
    write_shards(folder, NAMES, tmp_path, shard_bytes=10**6)
    path = tmp_path / "shards.arrow"
    whole = path.read_bytes()
    offset = AudioShards(tmp_path)._place(NAMES[0])[1]
    for damaged in (whole.replace(offset.to_bytes(8, "little"), (offset + 1).to_bytes(8, "little")), whole[:500], b""):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"shards\.arrow is damaged: .*; pack the recordings again"):
            AudioShards(tmp_path).location(NAMES[0])


def test_a_shard_that_was_cut_off_is_named(folder: AudioFolder, tmp_path: Path) -> None:
    write_shards(folder, NAMES, tmp_path / "shards", shard_bytes=10**6)
    path = tmp_path / "shards/00000.tar"
    with tarfile.open(path) as shard:
        end = shard.getmembers()[-1].offset_data
    path.write_bytes(path.read_bytes()[: end + 10])
    with (
        pytest.raises(AudioError, match=r"00000\.tar: ends within sub/4\.flac") as error,
        AudioShards(tmp_path / "shards").open(NAMES[-1]),
    ):
        pass
    assert error.value.kind == "truncated"
