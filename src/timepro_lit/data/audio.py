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
from timepro_lit.data.media import decode_media, media_blocks, media_format
from timepro_lit.data.waveforms import check_format, check_length, mono, mono_of_all, resampled, stretch
from timepro_lit.files.atomic import replacing
from timepro_lit.files.fragments import without_fragment

__all__ = [
    "AUDIO_SUFFIXES", "LENGTH_TOLERANCE_S", "AudioError", "Stream", "blocks_from", "decode_audio", "decode_window",
    "listen", "measure_audio", "open_audio", "promised_s", "read_audio", "read_place", "write_audio",
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
_FOREVER_S = 1e9
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
    return waveform[: round(max_duration_s * sampling_rate)].clamp_(-1.0, 1.0)


def decode_window(
    stream: Stream,
    name: str,
    sampling_rate: int,
    start_s: float,
    duration_s: float,
    recording_s: float | None = None,
) -> Tensor:
    """What `decode_audio` would give of a whole recording from `start_s` on, for `duration_s` seconds or to its end.

    Sought where the format can be, to the sample; MP3 and what FFmpeg reads is decoded from the beginning, and no
    further than the window. Raises AudioError as `decode_audio` does, but for channels that cancel each other, which a
    whole recording is judged by; where the recording ends before the window begins, and where its header gives it
    another length than `recording_s`.
    """
    parts: list[Tensor] = []
    place, wanted, from_rate = 0, range(0), sampling_rate
    for samples, from_rate, skipped in _blocks(stream, name, sampling_rate, (start_s, duration_s), recording_s):
        needed, wanted = stretch(from_rate, sampling_rate, start_s, duration_s)
        place += skipped
        if place + len(samples) > needed.start:
            parts.append(samples[max(0, needed.start - place) : needed.stop - place])
        place += len(samples)
        if place >= needed.stop:
            break
    if not parts:
        raise AudioError(f"{name}: ends before its clip from {start_s:.2f} s begins", "truncated")
    waveform = mono(torch.cat(parts), name)
    if from_rate != sampling_rate:
        waveform = resampled(waveform, from_rate, sampling_rate)
    return waveform[wanted.start : wanted.stop].clamp(-1.0, 1.0)


def read_place(place: str, sampling_rate: int = 16_000, max_duration_s: float = 30.0) -> Tensor:
    """As `read_audio`, of a file or URL, or of the stretch of it that a fragment names (`files.fragments`)."""
    path, window = (place, None) if Path(place).exists() else without_fragment(place)
    if window is None:
        return read_audio(path, sampling_rate, max_duration_s)
    start_s, length_s = window[0], window[1] - window[0]
    check_length(place, length_s, max_duration_s)
    with open_audio(path) as stream:
        return decode_window(stream, place, sampling_rate, start_s, length_s)


def blocks_from(
    stream: Stream, name: str, sampling_rate: int, start_s: float, recording_s: float | None = None
) -> Iterator[tuple[Tensor, int, int]]:
    """What a recording holds from `start_s` on, or from earlier, block by block, for what is resampled behind it.

    (num_samples, num_channels) float32, their rate, and how many samples were passed over before them. Sought and
    checked as `decode_window` does.
    """
    return _blocks(stream, name, sampling_rate, (start_s, _FOREVER_S), recording_s)


def measure_audio(stream: Stream, name: str, sampling_rate: int, max_duration_s: float) -> float:
    """Length in seconds of what `decode_audio` would return, without the price of resampling.

    Raises AudioError as it does, and where every sample is 0: no annotator heard anything there.
    """
    return listen(stream, name, sampling_rate, max_duration_s)[0]


def listen(
    stream: Stream, name: str, sampling_rate: int, max_duration_s: float
) -> tuple[float, list[tuple[float, float]]]:
    """As `measure_audio`, and from when to when, in seconds, every sample is 0 for a second or longer."""
    waveform, rate = _decode(stream, name, sampling_rate, max_duration_s)
    if not bool(waveform.any()):
        raise AudioError(f"{name}: every sample is 0", "silent")
    edges = torch.nn.functional.pad(waveform == 0, (1, 1)).int().diff().nonzero().squeeze(1).reshape(-1, 2)
    long = edges[edges[:, 1] - edges[:, 0] >= rate]
    return min(len(waveform) / rate, max_duration_s), [(a / rate, b / rate) for a, b in long.tolist()]


def promised_s(path: Path) -> float | None:
    """Length in seconds as a header says it, which may be wrong; None where it says none, or cannot be read."""
    try:
        with open_audio(path) as stream, soundfile.SoundFile(stream.fileno(), closefd=False) as sound:
            return sound.frames / sound.samplerate if sound.frames < _UNKNOWN_LENGTH else None
    except (AudioError, OSError, soundfile.LibsndfileError):
        return None


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
        return mono_of_all(samples, name), rate
    parts: list[Tensor] = []
    rates: list[int] = []
    for part in streams_in(stream, name, start, head):
        before_s = sum(map(len, parts)) / rates[0] if rates else 0.0
        samples, rate = _decode_part(part, name, sampling_rate, max_duration_s, before_s)
        parts.append(samples)
        rates.append(rate)
        if (rate, samples.shape[1]) != (rates[0], parts[0].shape[1]):
            raise AudioError(f"{name}: goes on with another sampling rate or number of channels", "sampling_rate")
    return mono_of_all(parts[0] if len(parts) == 1 else torch.cat(parts), name), rates[0]


def _blocks(
    stream: Stream, name: str, sampling_rate: int, window_s: tuple[float, float], recording_s: float | None
) -> Iterator[tuple[Tensor, int, int]]:
    """(num_samples, num_channels) after each other, their rate, and how many were passed over before them."""
    start, head = beginning(stream)
    format_ = media_format(head)
    if format_ is not None:
        yield from ((samples, rate, 0) for samples, rate in media_blocks(stream, name, format_, sampling_rate))
        return
    parts = streams_in(stream, name, start, head)
    before: tuple[int, int] | None = None
    for part in parts:
        # A file by its descriptor: soundfile would believe the suffix of its name (.raw) instead of the contents.
        source = part.fileno() if isinstance(part, FileIO) else part
        try:
            with soundfile.SoundFile(source, closefd=False) as sound:
                _check_readable(sound, name, sampling_rate)
                kind = sound.samplerate, sound.channels
                if kind != (before or kind):
                    raise AudioError(f"{name}: goes on with another sampling rate or number of channels",
                                     "sampling_rate")  # fmt: skip
                before = kind
                if len(parts) == 1:
                    _check_recording(sound, name, recording_s)
                yield from _blocks_of(sound, name, stretch(kind[0], sampling_rate, *window_s)[0], len(parts) == 1)
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{name}: cannot be decoded: {error.error_string}", "unreadable") from error


def _blocks_of(sound: soundfile.SoundFile, name: str, needed: range, is_all: bool) -> Iterator[tuple[Tensor, int, int]]:
    """As `_blocks`, of one stream, up to the last sample that is needed; sought where that is exact."""
    rate, num_frames = sound.samplerate, min(sound.frames, needed.stop)
    first = 0
    # MP3 frames lean on those before them; of a stream whose length nobody knows the end cannot be sought either.
    if is_all and sound.seekable() and sound.format != "MP3" and sound.frames < _UNKNOWN_LENGTH:
        first = sound.seek(min(needed.start, num_frames))
    skipped, place = first, first
    while place < num_frames:
        # The last block is no short one: of Opus, libsndfile would make something else of the last few samples.
        num_left = num_frames - place
        block = sound.read(rate if num_left >= 2 * rate else num_left, dtype="float32", always_2d=True)
        if not len(block):  # the end of a stream whose length nobody knows
            break
        yield torch.from_numpy(block), rate, skipped
        skipped, place = 0, place + len(block)
    if sound.frames < _UNKNOWN_LENGTH and num_frames - place > LENGTH_TOLERANCE_S * rate:
        found, promised = place / rate, sound.frames / rate
        raise AudioError(f"{name}: holds {found:.2f} s, its header promises {promised:.2f} s", "truncated")


def _check_readable(sound: soundfile.SoundFile, name: str, sampling_rate: int) -> None:
    if sound.format not in _READ_FORMATS:
        raise AudioError(f"{name}: recordings in {sound.format_info} are not read", "unreadable")
    check_format(name, sound.samplerate, sound.channels, sampling_rate)


def _check_recording(sound: soundfile.SoundFile, name: str, recording_s: float | None) -> None:
    """Raises AudioError where the header gives another length: the clip would be a window of something else."""
    lasts = sound.frames / sound.samplerate
    known = recording_s is not None and sound.frames < _UNKNOWN_LENGTH
    if known and abs(lasts - recording_s) > LENGTH_TOLERANCE_S:
        says = f"lasts {lasts:.2f} s, the manifest says {recording_s:.2f} s of the recording"
        raise AudioError(f"{name}: {says}", "truncated")


def _decode_part(
    stream: Stream, name: str, sampling_rate: int, max_duration_s: float, before_s: float
) -> tuple[Tensor, int]:
    """(num_frames, num_channels) samples of one stream, which `before_s` seconds of the file stand before."""
    # A file by its descriptor: soundfile would believe the suffix of its name (.raw) instead of the contents.
    source = stream.fileno() if isinstance(stream, FileIO) else stream
    try:
        with soundfile.SoundFile(source, closefd=False) as sound:
            rate, num_frames = sound.samplerate, sound.frames
            _check_readable(sound, name, sampling_rate)
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
