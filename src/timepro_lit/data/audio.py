"""Audio files in, 16 kHz mono float32 out: the only door to soundfile.

libsndfile reads WAV, FLAC, OGG, Opus, MP3 and AIFF. It trusts headers: half a file loads silently short, and a header
may promise 2**36 samples. So the header is judged before anything is decoded, and what was decoded against the header.
`containers` says which files are cut off, and mends those whose header would have libsndfile stop before their end;
`media` reads what libsndfile does not know.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, FileIO
from pathlib import Path

import fsspec
import numpy as np
import soundfile
import torch
from torch import Tensor

from timepro_lit.data.audio_error import AudioError
from timepro_lit.data.containers.spliced import Stream
from timepro_lit.data.containers.streams import beginning, streams_in
from timepro_lit.data.media import decode_media, media_format
from timepro_lit.data.waveforms import check_format, check_length, mono, resampled
from timepro_lit.files.atomic import replacing

__all__ = [
    "AUDIO_SUFFIXES", "LENGTH_TOLERANCE_S", "AudioError", "Stream", "decode_audio", "measure_audio", "open_audio",
    "read_audio", "write_audio",
]  # fmt: skip

AUDIO_SUFFIXES = (
    ".wav", ".wave", ".bwf", ".rf64", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".aif", ".aiff",
    ".aifc", ".au", ".snd", ".caf", ".sph",
)  # fmt: skip
"""How files are called that libsndfile reads."""
LENGTH_TOLERANCE_S = 0.1
"""Allowed difference between a promised and a decoded length: MP3 and OGG pad to whole frames."""
_READ_FORMATS = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "CAF", "AU", "NIST", "FLAC", "OGG", "MP3")
"""Of those that libsndfile knows, the ones whose end is looked for: of the others half a file is read in silence."""
_UNKNOWN_LENGTH = 1 << 40
"""So many samples or more libsndfile counts where a header says none."""


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
        waveform = resampled(waveform, file_sampling_rate, sampling_rate)
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


def _decode(stream: Stream, name: str, sampling_rate: int, max_duration_s: float) -> tuple[Tensor, int]:
    start, head = beginning(stream)
    format_ = media_format(head)
    if format_ is not None:
        samples, rate = decode_media(stream, name, format_, sampling_rate, max_duration_s)
        return mono(samples, name), rate
    parts: list[Tensor] = []
    rates: list[int] = []
    for part in streams_in(stream, name, start, head):
        before_s = sum(map(len, parts)) / rates[0] if rates else 0.0
        samples, rate = _decode_part(part, name, sampling_rate, max_duration_s, before_s)
        parts.append(samples)
        rates.append(rate)
        if (rate, samples.shape[1]) != (rates[0], parts[0].shape[1]):
            raise AudioError(f"{name}: goes on with another sampling rate or number of channels", "sampling_rate")
    return mono(parts[0] if len(parts) == 1 else torch.cat(parts), name), rates[0]


def _decode_part(
    stream: Stream, name: str, sampling_rate: int, max_duration_s: float, before_s: float
) -> tuple[Tensor, int]:
    """(num_frames, num_channels) samples of one stream, which `before_s` seconds of the file stand before."""
    # A file by its descriptor: soundfile would believe the suffix of its name (.raw) instead of the contents.
    source = stream.fileno() if isinstance(stream, FileIO) else stream
    try:
        with soundfile.SoundFile(source, closefd=False) as sound:
            rate, num_frames = sound.samplerate, sound.frames
            if sound.format not in _READ_FORMATS:
                raise AudioError(f"{name}: recordings in {sound.format_info} are not read", "unreadable")
            check_format(name, rate, sound.channels, sampling_rate)
            most = math.floor((max_duration_s - before_s) * rate)
            if num_frames >= _UNKNOWN_LENGTH:
                blocks = list(sound.blocks(rate, frames=most + 1, dtype="float32", always_2d=True))
                samples = np.concatenate(blocks or [np.empty((0, sound.channels), np.float32)])
                num_frames = len(samples)
            elif num_frames <= most:
                samples = sound.read(num_frames, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{name}: cannot be decoded: {error.error_string}", "unreadable") from error
    check_length(name, before_s + num_frames / rate, max_duration_s)
    if num_frames - len(samples) > LENGTH_TOLERANCE_S * rate or len(samples) == 0 < num_frames:
        found, promised = len(samples) / rate, num_frames / rate
        raise AudioError(f"{name}: holds {found:.2f} s, its header promises {promised:.2f} s", "truncated")
    return torch.from_numpy(samples), rate
