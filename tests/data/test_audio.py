from __future__ import annotations

import math
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from timepro_lit.data.audio import AudioError, measure_audio, open_audio, read_audio, write_audio


def tone(rate: int, duration_s: float, frequency_hz: float = 440.0) -> Tensor:
    return 0.5 * torch.sin(2 * math.pi * frequency_hz * torch.arange(round(rate * duration_s)) / rate)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_written_clip_reads_back_within_16_bits(tmp_path: Path, suffix: str) -> None:
    waveform = torch.cat([tone(16_000, 0.5), torch.tensor([1.0, -1.0, 0.0])])
    write_audio(tmp_path / f"new/a{suffix}", waveform, 16_000)
    read = read_audio(tmp_path / f"new/a{suffix}")
    assert read.dtype == torch.float32
    torch.testing.assert_close(read, waveform, atol=1.01 / 32768, rtol=0)
    assert [file.name for file in (tmp_path / "new").iterdir()] == [f"a{suffix}"]


def test_channels_are_averaged(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.tile([0.5, -0.25], (1600, 1)), 16_000, subtype="FLOAT")
    torch.testing.assert_close(read_audio(tmp_path / "a.wav"), torch.full((1600,), 0.125))


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_a_tone_stays_the_same_tone_at_another_rate(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", tone(rate, 1.0).numpy(), rate, subtype="FLOAT")
    read = read_audio(tmp_path / "a.wav", sampling_rate=16_000)
    assert read.shape == (16_000,)
    inner = slice(200, -200)  # the filter's ends see the silence beside the clip
    torch.testing.assert_close(read[inner], tone(16_000, 1.0)[inner], atol=2e-3, rtol=0)


def test_lossy_overshoot_is_clipped_and_silence_is_a_clip(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([0.0, 1.25, -2.0, 0.5]), 16_000, subtype="FLOAT")
    assert read_audio(tmp_path / "a.wav").tolist() == [0.0, 1.0, -1.0, 0.5]
    soundfile.write(tmp_path / "b.wav", np.zeros(100), 16_000)
    assert read_audio(tmp_path / "b.wav").tolist() == [0.0] * 100


def test_the_longest_clip_fits_and_one_sample_more_does_not(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(16_000), 8_000)
    assert read_audio(path, max_duration_s=2.0).shape == (32_000,)
    soundfile.write(path, np.zeros(16_001), 8_000)
    with pytest.raises(AudioError, match=r"a\.wav: lasts 2\.00 s, at most 2 s are read; cut it into windows") as error:
        read_audio(path, max_duration_s=2.0)
    assert error.value.kind == "too_long"


def flac_that_promises(path: Path, num_samples: int) -> None:
    soundfile.write(path, np.zeros(4_000), 16_000)
    data = bytearray(path.read_bytes())
    (packed,) = struct.unpack_from(">Q", data, 18)  # 20 bits rate, 3 channels, 5 bits, 36 bits number of samples
    struct.pack_into(">Q", data, 18, packed >> 36 << 36 | num_samples)
    path.write_bytes(data)


def damaged(kind: str, path: Path) -> Path:
    """A file at `path`, or near it, with the fault `kind`."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 32_000).astype(np.float32)
    match kind:
        case "page":
            path.write_text("<html><body>404</body></html>")
        case "nothing":
            path.write_bytes(b"")
        case "directory":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "headerless":
            path = path.with_suffix(".raw")
            path.write_bytes(noise.tobytes())
        case "no samples":
            soundfile.write(path, np.zeros(0), 16_000)
        case "half a FLAC":
            soundfile.write(path, noise, 16_000, format="FLAC")
            path.write_bytes(path.read_bytes()[:20_000])
        case "half a WAV" | "half an AIFF":
            soundfile.write(path, noise, 16_000, format=kind.split()[-1])
            path.write_bytes(path.read_bytes()[:30_000])
        case "half an OGG" | "half an Opus file":
            soundfile.write(path, noise, 16_000, format="OGG", subtype="OPUS" if "Opus" in kind else "VORBIS")
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        case "half an MP3":
            soundfile.write(path, noise, 16_000, format="MP3")
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        case "a name too long":
            path = path.with_name(f"{'a' * 300}.wav")
        case "2**36 samples":
            flac_that_promises(path.with_suffix(".flac"), 2**36 - 1)
            path = path.with_suffix(".flac")
        case "one second too many":
            flac_that_promises(path.with_suffix(".flac"), 20_000)
            path = path.with_suffix(".flac")
        case "NaN":
            noise[100] = np.nan
            soundfile.write(path, noise, 16_000, subtype="FLOAT")
        case "1e30":
            noise[100] = 1e30
            soundfile.write(path, noise, 16_000, subtype="FLOAT")
        case "1,024 channels":
            soundfile.write(path, np.zeros((100, 1_024)), 16_000)
        case "2 kHz" | "400 kHz" | "44,101 Hz":
            rate = {"2 kHz": 2_000, "400 kHz": 400_000, "44,101 Hz": 44_101}[kind]
            soundfile.write(path, np.zeros(100), rate)
    return path


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("absent", "missing"),
        ("a name too long", "unreadable"),
        ("directory", "not_a_file"),
        ("pipe", "not_a_file"),
        ("page", "unreadable"),
        ("nothing", "unreadable"),
        ("headerless", "unreadable"),
        ("no samples", "empty"),
        ("half a FLAC", "unreadable"),
        ("half a WAV", "truncated"),
        ("half an AIFF", "truncated"),
        ("half an OGG", "truncated"),
        ("half an Opus file", "truncated"),
        ("half an MP3", "truncated"),
        ("2**36 samples", "too_long"),
        ("one second too many", "unreadable"),
        ("NaN", "not_finite"),
        ("1e30", "out_of_range"),
        ("1,024 channels", "channels"),
        ("2 kHz", "sampling_rate"),
        ("400 kHz", "sampling_rate"),
        ("44,101 Hz", "sampling_rate"),
    ],
)
def test_an_unusable_file_is_named_with_its_fault(tmp_path: Path, fault: str, kind: str) -> None:
    path = damaged(fault, tmp_path / "clip.wav")
    tracemalloc.start()
    with pytest.raises(AudioError, match=rf"{path.name}: ") as error:
        read_audio(path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert error.value.kind == kind
    assert peak_bytes < 10 * 2**20  # whatever the header promises


def test_whole_files_are_not_taken_for_halves(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 32_000)
    for format_, subtype in (("WAV", "PCM_16"), ("AIFF", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None)):
        soundfile.write(tmp_path / "a", samples, 16_000, format=format_, subtype=subtype)
        assert abs(len(read_audio(tmp_path / "a")) - 32_000) < 2_500
    soundfile.write(tmp_path / "a", samples, 16_000, format="WAV")
    data = bytearray((tmp_path / "a").read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"  # as ffmpeg writes it into a pipe
    (tmp_path / "a").write_bytes(data)
    assert len(read_audio(tmp_path / "a")) == 32_000


def test_silence_is_read_but_not_measured(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav", torch.zeros(1_600), 16_000)
    assert not read_audio(tmp_path / "a.wav").any()
    with open_audio(tmp_path / "a.wav") as stream, pytest.raises(AudioError, match="every sample is 0") as error:
        measure_audio(stream, "a.wav", 16_000, 30.0)
    assert error.value.kind == "silent"


@pytest.mark.parametrize(
    ("name", "waveform", "says"),
    [
        ("a.mp3", torch.zeros(4), "written as .flac or .wav, not '.mp3'"),
        ("a.wav", torch.zeros(2, 4), r"expected a waveform of shape \(num_samples,\), not \(2, 4\)"),
        ("a.wav", torch.zeros(0), "expected a waveform"),
        ("a.wav", torch.tensor([0.0, 1.1]), r"leaves \[-1, 1\]"),
        ("a.wav", torch.tensor([0.0, float("nan")]), r"leaves \[-1, 1\]"),
    ],
)
def test_what_is_no_clip_is_not_written(tmp_path: Path, name: str, waveform: Tensor, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        write_audio(tmp_path / name, waveform, 16_000)
    assert list(tmp_path.iterdir()) == []
