"""Audio files in, 16 kHz mono float32 out: the only door to soundfile and torchaudio.

libsndfile reads WAV, FLAC, OGG, Opus, MP3 and AIFF. It trusts headers: half a file loads silently short, and a header
may promise 2**36 samples. So the header is judged before anything is decoded, and what was decoded against the header.
Half a WAV, AIFF or Ogg file is read as a shorter one, so the container's own length or last page is looked at as well.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO, FileIO
from pathlib import Path
from typing import Literal

import fsspec
import soundfile
import torch
from torch import Tensor

from timepro_lit.files.atomic import replacing

MAX_CHANNELS = 8
MIN_SAMPLING_RATE, MAX_SAMPLING_RATE = 4_000, 192_000
MAX_AMPLITUDE = 8.0
"""Lossy decoders overshoot 1 a little (and are clipped); a float file far beyond it is no audio."""
LENGTH_TOLERANCE_S = 0.1
"""Allowed difference between a promised and a decoded length: MP3 and OGG pad to whole frames."""
_UNKNOWN_SIZE = 0x7FFF_F000
"""Programs that write into a pipe put a size of this or more into the header."""
_LAST_PAGE_BYTES = 65_536 + 300  # of Ogg, its header included
_END_OF_STREAM = 4
_MAX_KERNEL_SIZE = 1 << 24  # resampling 44,101 Hz to 16 kHz would need a filter of 700 million taps

Stream = FileIO | BytesIO
"""A file, or what came of a bucket."""
AudioFault = Literal[
    "missing", "not_a_file", "outside_root", "unreadable", "channels", "sampling_rate", "empty", "too_long",
    "truncated", "not_finite", "out_of_range", "silent",
]  # fmt: skip


class AudioError(ValueError):
    """A clip that cannot be used; the text names the file and says why."""

    kind: AudioFault | None
    """What is wrong. None after the trip from a DataLoader worker, which carries the text alone."""

    def __init__(self, message: str, kind: AudioFault | None = None) -> None:
        super().__init__(message)
        self.kind = kind


def read_audio(path: str | Path, sampling_rate: int = 16_000, max_duration_s: float = 30.0) -> Tensor:
    """Decode a file to mono (mean of the channels) at `sampling_rate`: (num_samples,) float32 within [-1, 1].

    `path` may be a URL of any file system that fsspec knows. Raises AudioError for whatever cannot be a clip of at most
    `max_duration_s` seconds. Silence is a clip.
    """
    with open_audio(path) as stream:
        return decode_audio(stream, str(path), sampling_rate, max_duration_s)


@contextmanager
def open_audio(path: str | Path) -> Iterator[Stream]:
    """The bytes of a recording. Raises AudioError where there is none, or something else."""
    if "://" in str(path):
        try:
            with fsspec.open(str(path), "rb") as stream:
                yield BytesIO(stream.read())
        except FileNotFoundError:
            raise AudioError(f"{path}: there is no such audio file", "missing") from None
        return
    path = Path(path)
    try:
        if not path.exists():
            raise AudioError(f"{path}: there is no such audio file", "missing")
        if not path.is_file():  # opening a pipe would wait for ever
            raise AudioError(f"{path}: not a regular file", "not_a_file")
        file = path.open("rb", buffering=0)  # unbuffered, since soundfile goes on by its descriptor
    except OSError as error:
        raise AudioError(f"{path}: cannot be opened: {error.strerror}", "unreadable") from error
    with file:
        yield file


def decode_audio(stream: Stream, name: str, sampling_rate: int, max_duration_s: float) -> Tensor:
    """As `read_audio`, from an open file or from bytes; `name` is what errors call it."""
    waveform, file_sampling_rate = _decode(stream, name, sampling_rate, max_duration_s)
    if file_sampling_rate != sampling_rate:
        waveform = _resample(waveform, file_sampling_rate, sampling_rate)
    return waveform[: int(max_duration_s * sampling_rate)].clamp_(-1.0, 1.0)


def measure_audio(stream: Stream, name: str, sampling_rate: int, max_duration_s: float) -> float:
    """Length in seconds of what `decode_audio` would return, without the price of resampling.

    Raises AudioError as it does, and where every sample is 0: no annotator heard anything there.
    """
    waveform, file_sampling_rate = _decode(stream, name, sampling_rate, max_duration_s)
    if not bool(waveform.any()):
        raise AudioError(f"{name}: every sample is 0", "silent")
    return min(len(waveform) / file_sampling_rate, max_duration_s)


def write_audio(path: str | Path, waveform: Tensor, sampling_rate: int) -> None:
    """Write a (num_samples,) waveform within [-1, 1] as 16-bit .flac or .wav, in one move.

    Raises ValueError for any other suffix, shape or amplitude.
    """
    path = Path(path)
    if path.suffix not in (".flac", ".wav"):
        raise ValueError(f"{path}: audio is written as .flac or .wav, not {path.suffix!r}")
    if waveform.ndim != 1 or len(waveform) == 0:
        raise ValueError(f"{path}: expected a waveform of shape (num_samples,), not {tuple(waveform.shape)}")
    if not bool((waveform.abs() <= 1.0).all()):  # also false for NaN
        raise ValueError(f"{path}: the waveform leaves [-1, 1]; scale it before writing")
    samples = waveform.detach().to("cpu", torch.float32).numpy()
    content = BytesIO()  # libsndfile would not say what went wrong with a file of ours
    soundfile.write(content, samples, sampling_rate, format=path.suffix[1:].upper(), subtype="PCM_16")
    with replacing(path) as file:
        file.write(content.getbuffer())


def _decode(stream: Stream, path: str, sampling_rate: int, max_duration_s: float) -> tuple[Tensor, int]:
    if _is_cut_off(stream):
        raise AudioError(f"{path}: ends before its container does", "truncated")
    # A file by its descriptor: soundfile would believe the suffix of its name (.raw) instead of the contents.
    source = stream if isinstance(stream, BytesIO) else stream.fileno()
    try:
        with soundfile.SoundFile(source, closefd=False) as sound:
            _check_header(path, sound, sampling_rate, max_duration_s)
            num_frames = sound.frames
            samples = torch.from_numpy(sound.read(num_frames, dtype="float32", always_2d=True))
            file_sampling_rate = sound.samplerate
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path}: cannot be decoded: {error.error_string}", "unreadable") from error
    if num_frames - len(samples) > LENGTH_TOLERANCE_S * file_sampling_rate or len(samples) == 0:
        found, promised = len(samples) / file_sampling_rate, num_frames / file_sampling_rate
        raise AudioError(f"{path}: holds {found:.2f} s, its header promises {promised:.2f} s", "truncated")
    if not bool(torch.isfinite(samples).all()):
        raise AudioError(f"{path}: holds samples that are not finite", "not_finite")
    peak = float(samples.abs().max())
    if peak > MAX_AMPLITUDE:
        raise AudioError(f"{path}: reaches an amplitude of {peak:.3g}, audio lies within [-1, 1]", "out_of_range")
    # Not mean(1), which takes twelve times as long over interleaved channels.
    return sum(samples.unbind(1)) / samples.shape[1], file_sampling_rate


def _is_cut_off(stream: Stream) -> bool:
    """Whether a WAV or AIFF file is shorter than it says, or an Ogg stream has no last page."""
    head = stream.read(12)
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - _LAST_PAGE_BYTES) if head[:4] == b"OggS" else 0)
    tail = stream.read() if head[:4] == b"OggS" else b""
    stream.seek(0)
    if tail:
        page = tail.rfind(b"OggS")
        return page < 0 or not tail[page + 5 : page + 6] or not tail[page + 5] & _END_OF_STREAM
    if head[:4] not in (b"RIFF", b"FORM") or len(head) < 12:
        return False
    promised = int.from_bytes(head[4:8], "little" if head[:4] == b"RIFF" else "big") + 8
    return size < promised < _UNKNOWN_SIZE


def _check_header(path: str, sound: soundfile.SoundFile, sampling_rate: int, max_duration_s: float) -> None:
    if sound.channels > MAX_CHANNELS:
        raise AudioError(f"{path}: has {sound.channels} channels, at most {MAX_CHANNELS} are read", "channels")
    rate = sound.samplerate
    gcd = math.gcd(rate, sampling_rate)
    if not MIN_SAMPLING_RATE <= rate <= MAX_SAMPLING_RATE or rate // gcd * (sampling_rate // gcd) > _MAX_KERNEL_SIZE:
        raise AudioError(f"{path}: its sampling rate of {rate} Hz cannot be resampled to {sampling_rate} Hz",
                         "sampling_rate")  # fmt: skip
    if sound.frames == 0:
        raise AudioError(f"{path}: holds no samples", "empty")
    if sound.frames > max_duration_s * rate:
        raise AudioError(f"{path}: lasts {sound.frames / rate:.2f} s, at most {max_duration_s:g} s are read; "
                         f"cut it into windows of {max_duration_s:g} s", "too_long")  # fmt: skip


def _resample(waveform: Tensor, from_rate: int, to_rate: int) -> Tensor:
    resampled: Tensor = _resampler(from_rate, to_rate)(waveform)
    return resampled


@lru_cache(maxsize=8)
def _resampler(from_rate: int, to_rate: int) -> torch.nn.Module:
    # Imported here: corpora at the model's own rate never need torchaudio. Kept, because making the filter is work.
    from torchaudio.transforms import Resample

    return Resample(from_rate, to_rate)
