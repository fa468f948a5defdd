"""A recording is decoded once, and each of its windows is what a whole decode would give."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch

from tests.data.test_media import film, recorded
from tests.data.test_windows import LENGTH_S, encoded, write
from timepro_lit.data import audio
from timepro_lit.data.audio import AudioError, decode_window, open_audio, read_audio
from timepro_lit.data.streaming import Decoding, Piece, Samples, begins_at, pieces
from timepro_lit.events.windows import Cut

CUT = Cut(2.0, 1.3)


def streamed(path: Path, cut: Cut = CUT, whole_s: float | None = None, first: int = 0) -> list[Piece]:
    with open_audio(path) as stream:
        tape = Decoding(stream, "a", 16_000, begins_at(cut, first))
        return list(pieces(tape, cut, cut.window_s if whole_s is None else whole_s, first))


def same(path: Path, cut: Cut = CUT) -> None:
    whole, found = read_audio(path), streamed(path, cut)
    recording_s = len(whole) / 16_000
    assert [(p.start_s, round(len(p.waveform) / 16_000, 4)) for p in found] == [
        (start_s, round(length_s, 4)) for start_s, length_s in cut.windows(recording_s)
    ]
    assert [piece.recording_s for piece in found] == [None] * (len(found) - 1) + [recording_s]
    for piece in found:
        start = round(piece.start_s * 16_000)
        torch.testing.assert_close(piece.waveform, whole[start : start + len(piece.waveform)], atol=1e-6, rtol=0)
        with open_audio(path) as stream:
            alone = decode_window(stream, "a", 16_000, piece.start_s, len(piece.waveform) / 16_000)
        torch.testing.assert_close(piece.waveform, alone, atol=1e-6, rtol=0)
    for first in range(0, len(found), 2):
        again = streamed(path, cut, first=first)
        assert [piece.start_s for piece in again] == [piece.start_s for piece in found[first:]]
        for piece, before in zip(again, found[first:], strict=True):
            torch.testing.assert_close(piece.waveform, before.waveform, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("format_", "subtype", "rate"),
    [
        ("WAV", "PCM_16", 16_000), ("WAV", "FLOAT", 44_100), ("WAV", "PCM_16", 8_000), ("FLAC", "PCM_16", 44_100),
        ("OGG", "VORBIS", 44_100), ("OGG", "OPUS", 48_000), ("MP3", None, 44_100), ("WAV", "GSM610", 8_000),
    ],
)  # fmt: skip
def test_windows_of_one_pass_are_those_of_a_whole_decode(
    tmp_path: Path, format_: str, subtype: str | None, rate: int
) -> None:
    (tmp_path / "a").write_bytes(encoded(format_, subtype, rate))
    same(tmp_path / "a")


@pytest.mark.parametrize("container", ["ipod", "webm"])
def test_so_they_are_of_media(tmp_path: Path, container: str) -> None:
    (tmp_path / "a").write_bytes(recorded(container))
    same(tmp_path / "a", Cut(0.5, 0.25))


def test_so_they_are_of_a_film_whose_sound_begins_later(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(film("mp4", "aac", 48_000, sound_s=1.5))
    same(tmp_path / "a", Cut(0.5, 0.25))


def test_so_they_are_of_files_that_were_joined_or_say_no_length(tmp_path: Path) -> None:
    for format_ in ("FLAC", "MP3"):
        (tmp_path / "a").write_bytes(encoded(format_, None, 16_000) * 2)
        same(tmp_path / "a", Cut(3.0, 2.5))
    data = bytearray(encoded("WAV", "PCM_16", 44_100))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "a").write_bytes(data)
    same(tmp_path / "a")


def test_a_short_recording_is_one_piece_to_the_bit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(encoded("FLAC", None, 44_100))
    [piece] = streamed(tmp_path / "a", whole_s=LENGTH_S)
    assert piece.is_whole and piece.recording_s == LENGTH_S
    torch.testing.assert_close(piece.waveform, read_audio(tmp_path / "a"), atol=0, rtol=0)


@pytest.mark.parametrize("num_samples", [32_000, 32_001, 52_800, 52_801, 32_160, 131_071])
def test_ends_are_those_of_the_windows(tmp_path: Path, num_samples: int) -> None:
    write(tmp_path / "a.wav", num_samples / 16_000)
    same(tmp_path / "a.wav")
    of_samples = list(pieces(Samples(read_audio(tmp_path / "a.wav"), 16_000), CUT, 2.0))
    for piece, other in zip(of_samples, streamed(tmp_path / "a.wav"), strict=True):
        assert (piece.start_s, piece.recording_s, piece.is_whole) == (other.start_s, other.recording_s, other.is_whole)
        torch.testing.assert_close(piece.waveform, other.waveform, atol=0, rtol=0)


def test_the_end_of_opus_is_right_wherever_its_blocks_begin(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(encoded("OGG", "OPUS", 48_000))
    same(tmp_path / "a", Cut(2.001, 2.0))


def test_every_block_is_decoded_once_and_few_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(encoded("MP3", None, 16_000))
    read: list[int] = []
    decode: Callable[..., Any] = soundfile.SoundFile.read

    def counted(*args: Any, **how: Any) -> Any:
        read.append(len(block := decode(*args, **how)))
        return block

    monkeypatch.setattr(audio.soundfile.SoundFile, "read", counted)
    with open_audio(tmp_path / "a") as stream:
        decoding = Decoding(stream, "a", 16_000, start_s=5.0)
        assert decoding.lasts_beyond(7.5)
        assert sum(map(len, decoding._held)) < 4 * 16_000
        assert len(list(pieces(decoding, Cut(1.0, 0.5), 1.0, first=11))) == 4
    assert sum(read) == LENGTH_S * 16_000


def test_what_is_cut_off_or_damaged_is_refused_as_ever(tmp_path: Path) -> None:
    for format_, says in (("WAV", "ends before its container does"), ("FLAC", "cannot be decoded|ends within a frame")):
        content = encoded(format_, None, 44_100)
        (tmp_path / "a").write_bytes(content[: len(content) // 2])
        with pytest.raises(AudioError, match=says):
            streamed(tmp_path / "a")
    samples = torch.full((80_000,), 0.5)
    samples[70_000] = float("nan")
    soundfile.write(tmp_path / "b.wav", samples.numpy(), 16_000, subtype="FLOAT")
    with pytest.raises(AudioError, match="not finite"):
        streamed(tmp_path / "b.wav")
    empty = BytesIO()
    soundfile.write(empty, samples[:0].numpy(), 16_000, format="WAV")
    (tmp_path / "c.wav").write_bytes(empty.getvalue())
    with pytest.raises(AudioError, match="holds no samples"):
        streamed(tmp_path / "c.wav")
    write(tmp_path / "d.wav", 8.0)
    with open_audio(tmp_path / "d.wav") as stream:
        decoding = Decoding(stream, "d", 16_000)
        with pytest.raises(AudioError, match=r"d: ends before its clip from 9\.00 s begins"):
            decoding.window(9.0, 1.0)
        with pytest.raises(AudioError, match=r"the manifest says 9\.00 s of the recording"):
            Decoding(stream, "d", 16_000, recording_s=9.0)
