"""A window of a recording is read as a whole decode would give it, without decoding the rest."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.data.test_media import recorded
from timepro_lit.data.audio import AudioError, decode_window, open_audio, read_audio, read_place, write_audio
from timepro_lit.data.dataset import ClipDataset
from timepro_lit.data.store import AudioFolder
from timepro_lit.data.waveforms import stretch
from timepro_lit.files.fragments import with_fragment, without_fragment
from timepro_lit.records import Example, Sample, Skipped

LENGTH_S = 8.0
WINDOWS = ((0.0, 2.0), (0.0137, 1.0), (3.3333, 2.5), (6.5, 1.5))


def encoded(format_: str, subtype: str | None, rate: int) -> bytes:
    """Two channels of tones that rise in noise."""
    rng, seconds = np.random.default_rng(0), np.arange(round(LENGTH_S * rate)) / rate
    tone = 0.3 * np.sin(2 * np.pi * (200 + 100 * seconds) * seconds)
    samples = np.stack([tone, 0.2 * tone[::-1]], axis=1) + rng.uniform(-0.1, 0.1, (len(seconds), 2))
    file = BytesIO()
    num_channels = 1 if subtype == "GSM610" else 2
    with soundfile.SoundFile(file, "w", rate, num_channels, subtype, format=format_) as sound:
        for start in range(0, len(samples), rate):
            sound.write(samples[start : start + rate, :num_channels])
    return file.getvalue()


def same(path: Path, windows: tuple[tuple[float, float], ...] = WINDOWS) -> None:
    whole = read_audio(path)
    for start_s, duration_s in windows:
        with open_audio(path) as stream:
            found = decode_window(stream, "a", 16_000, start_s, duration_s)
        wanted = whole[round(start_s * 16_000) : round((start_s + duration_s) * 16_000)]
        assert found.shape == wanted.shape
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("format_", "subtype", "rate"),
    [
        ("WAV", "PCM_16", 16_000), ("WAV", "FLOAT", 44_100), ("WAV", "PCM_24", 48_000), ("WAV", "PCM_16", 8_000),
        ("WAV", "IMA_ADPCM", 22_050), ("FLAC", "PCM_16", 44_100), ("OGG", "VORBIS", 44_100), ("OGG", "OPUS", 48_000),
        ("MP3", None, 44_100), ("MP3", None, 16_000), ("AIFF", "PCM_16", 32_000), ("WAV", "GSM610", 8_000),
    ],
)  # fmt: skip
def test_a_window_is_a_part_of_a_whole_decode(tmp_path: Path, format_: str, subtype: str | None, rate: int) -> None:
    (tmp_path / "a").write_bytes(encoded(format_, subtype, rate))
    same(tmp_path / "a")


@pytest.mark.parametrize("container", ["ipod", "webm", "matroska"])
def test_so_it_is_of_media(tmp_path: Path, container: str) -> None:
    (tmp_path / "a").write_bytes(recorded(container))
    same(tmp_path / "a", ((0.0, 0.5), (0.77, 0.8), (1.25, 0.5)))


def test_so_it_is_of_files_that_were_joined_or_say_no_length(tmp_path: Path) -> None:
    for format_ in ("FLAC", "MP3"):
        (tmp_path / "a").write_bytes(encoded(format_, None, 16_000) * 2)
        same(tmp_path / "a", ((7.0, 2.0), (15.0, 1.0)))
    data = bytearray(encoded("WAV", "PCM_16", 44_100))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "a").write_bytes(data)
    same(tmp_path / "a")


def test_what_the_resampler_needs_begins_where_both_rates_have_a_sample() -> None:
    assert stretch(16_000, 16_000, 1.0, 0.5) == (range(16_000, 24_000), range(8_000))
    needed, wanted = stretch(44_100, 16_000, 1.0, 1.0)
    assert (needed, wanted) == (range(43_659, 88_641), range(160, 16_160))
    assert needed.start % 441 == 0
    assert stretch(44_100, 16_000, 0.0, 1.0)[0].start == 0


def write(path: Path, duration_s: float) -> None:
    write_audio(path, torch.linspace(-0.5, 0.5, round(16_000 * duration_s)), 16_000)


def window(start_s: float, duration_s: float = 2.0, recording_s: float | None = 8.0) -> Example:
    return Example("m-1", "moments", "a.wav", duration_s, (), "rain", None, start_s, recording_s)


def test_the_dataset_reads_windows_and_whole_recordings(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", 8.0)
    whole = read_audio(tmp_path / "a.wav")
    for example in (window(0.0), window(5.5), window(6.0, recording_s=None)):
        sample = ClipDataset([example], AudioFolder(tmp_path))[0]
        assert isinstance(sample, Sample)
        start = round(example.start_s * 16_000)
        torch.testing.assert_close(sample.waveform, whole[start : start + 32_000], atol=0, rtol=0)


@pytest.mark.parametrize(
    ("example", "kind", "says"),
    [
        (window(0.0, recording_s=None), "truncated", "lasts 8.00 s, the manifest says 2.00 s"),
        (window(0.0, recording_s=9.0), "truncated", "lasts 8.00 s, the manifest says 9.00 s of the recording"),
        (window(7.0, recording_s=None), "truncated", "from 7.00 s on lasts 1.00 s, the manifest says 2.00 s"),
        (window(8.5, recording_s=None), "truncated", "ends before its clip from 8.50 s begins"),
        (window(1e9, recording_s=None), "truncated", "ends before its clip from 1000000000.00 s begins"),
        (window(1.0, 31.0, None), "too_long", "lasts 31.00 s, at most 30 s are read"),
    ],
)
def test_a_window_that_is_not_there_is_skipped(tmp_path: Path, example: Example, kind: str, says: str) -> None:
    write(tmp_path / "a.wav", 8.0)
    skipped = ClipDataset([example], AudioFolder(tmp_path))[0]
    assert isinstance(skipped, Skipped)
    assert (skipped.kind, says in skipped.message) == (kind, True), skipped.message


def test_a_window_that_is_silent_or_cut_off_is_skipped(tmp_path: Path) -> None:
    samples = torch.cat([torch.zeros(48_000), torch.full((80_000,), 0.5)])
    write_audio(tmp_path / "a.wav", samples, 16_000)
    silent = ClipDataset([window(1.0)], AudioFolder(tmp_path))[0]
    assert isinstance(silent, Skipped)
    assert silent.kind == "silent"
    (tmp_path / "a.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:200_000])
    half = ClipDataset([window(0.0)], AudioFolder(tmp_path))[0]
    assert isinstance(half, Skipped)  # though the window itself is there
    assert half.kind == "truncated"


def test_a_place_may_name_a_stretch(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", 8.0)
    place = with_fragment(str(tmp_path / "a.wav"), 2.0, 1.5)
    assert without_fragment(place) == (str(tmp_path / "a.wav"), (2.0, 3.5))
    whole = read_audio(tmp_path / "a.wav")
    torch.testing.assert_close(read_place(place), whole[32_000:56_000], atol=0, rtol=0)
    torch.testing.assert_close(read_place(str(tmp_path / "a.wav")), whole, atol=0, rtol=0)
    with pytest.raises(AudioError, match=r"a\.wav#t=9\.0000,10\.0000: ends before"):
        read_place(with_fragment(str(tmp_path / "a.wav"), 9.0, 1.0))
    for text in ("a.wav", "a#t=2,1", "a#t=x,2", "#t=1,2", "a#t=1,2.wav", "a#t=-1,2"):
        assert without_fragment(text) == (text, None)
