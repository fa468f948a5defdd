from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from timepro_lit.data.audio import read_audio, write_audio
from timepro_lit.data.corpora.prepared import Joined, Prepared
from timepro_lit.data.store import AudioFolder, write_shards


def corpus(folder: Path, audio: Path, note: str | None = None) -> Prepared:
    folder.mkdir()
    (folder / "train.jsonl").touch()
    (folder / "prepared.json").write_text(json.dumps({"audio": {"folder": str(audio)}, "note": note}))
    write_audio(audio / "a.wav", torch.full((1600,), 0.25), 16_000)
    return Prepared(str(folder))


def test_a_folder_without_manifests_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no manifest: prepare the corpus first"):
        Prepared(str(tmp_path)).make_ready()
    for name in ("train.jsonl", "audio.jsonl"):
        (tmp_path / name).touch()
    with pytest.raises(FileNotFoundError, match=r"its preparation was interrupted: call timepro_lit.prepare again"):
        Prepared(str(tmp_path)).make_ready()


def test_recordings_are_where_they_were_or_where_they_are_said_to_be(tmp_path: Path) -> None:
    there = corpus(tmp_path / "manifests", tmp_path / "there")
    there.make_ready()
    assert there.store().location("a.wav") == str(tmp_path / "there/a.wav")
    assert (
        Prepared(str(tmp_path / "manifests"), audio="s3://bucket/x").store().location("a.wav") == "s3://bucket/x/a.wav"
    )
    (tmp_path / "manifests/prepared.json").write_text(json.dumps({"audio": {"folder": "audio"}}))
    assert Prepared(str(tmp_path / "manifests")).store().location("a.wav") == str(tmp_path / "manifests/audio/a.wav")
    (tmp_path / "by_hand").mkdir()
    assert Prepared(str(tmp_path / "by_hand")).store().location("a.wav") == str(tmp_path / "by_hand/a.wav")


def test_joined_corpora_keep_their_recordings_apart(tmp_path: Path) -> None:
    one = corpus(tmp_path / "one", tmp_path / "audio1", note="held out")
    two = corpus(tmp_path / "two", tmp_path / "audio2")
    write_audio(tmp_path / "audio2/a.wav", torch.full((1600,), -0.5), 16_000)
    (tmp_path / "two/val.jsonl").touch()
    both = Joined({"one": one, "two": two})
    assert [prefix for _, prefix in both.manifests("train")] == ["one/", "two/"]
    assert both.manifests("val") == [(tmp_path / "two/val.jsonl", "two/")]
    assert both.note() == "one: held out"
    assert read_audio(both.store().location("one/a.wav"))[0] == 0.25
    assert read_audio(both.store().location("two/a.wav"))[0] == -0.5
    with pytest.raises(FileNotFoundError, match=r"one/test\.jsonl and no .*two/test\.jsonl"):
        both.manifests("test")


def test_shards_are_found_beside_the_manifests(tmp_path: Path) -> None:
    write_audio(tmp_path / "audio/a.wav", torch.full((1600,), 0.25), 16_000)
    write_shards(AudioFolder(tmp_path / "audio"), ["a.wav"], tmp_path / "out/shards", shard_bytes=1000)
    (tmp_path / "out/prepared.json").write_text(json.dumps({"audio": {"shards": "shards"}}))
    with Prepared(str(tmp_path / "out")).store().open("a.wav") as stream:
        assert stream.read() == (tmp_path / "audio/a.wav").read_bytes()
