"""What phones, browsers and cameras record: read by FFmpeg, which the extra `media` brings. The only door to av.

The container is told by its first bytes, and FFmpeg is held to it: left to guess, it takes a text file for a playlist
and opens what that names, here or anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from timepro_lit.data.audio_error import AudioError
from timepro_lit.data.containers.boxes import check_matroska, check_mpeg4, check_windows_media
from timepro_lit.data.containers.spliced import Stream
from timepro_lit.data.waveforms import check_format, check_length, floats

if TYPE_CHECKING:
    from av.container import InputContainer

MEDIA_SUFFIXES = (
    ".m4a", ".m4b", ".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".aac", ".webm", ".weba", ".mka", ".mkv", ".wma", ".asf",
    ".wmv", ".amr", ".awb",
)  # fmt: skip
"""How files are called that the extra `media` reads."""
_TITLES = {
    "mov": "MPEG-4 (m4a, mp4, mov, 3gp)",
    "matroska": "Matroska (webm, mka, mkv)",
    "asf": "Windows Media (wma, asf)",
    "aac": "AAC",
    "amr": "AMR",
}
_TIMED = ("mov", "matroska")
"""Whose frames have times to be relied on."""
_GAP_S, _LONGEST_GAP_S = 0.05, 3600.0
"""Less is how exactly containers tell the time, more is no recording."""
_CHECKS = {"mov": check_mpeg4, "matroska": check_matroska, "asf": check_windows_media}


def media_format(head: bytes) -> str | None:
    """FFmpeg's name of the container that begins with these bytes; None for what soundfile reads, and for all else."""
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"):
        return "mov"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:  # as MP3, but of layer 0
        return "aac"
    begins = {b"\x1a\x45\xdf\xa3": "matroska", b"\x30\x26\xb2\x75": "asf", b"#!AM": "amr"}
    return begins.get(head[:4])


def decode_media(
    stream: Stream, name: str, format_: str, sampling_rate: int, max_duration_s: float
) -> tuple[Tensor, int]:
    """(num_samples, num_channels) float32 of the first sound track, and its rate in Hz.

    Raises AudioError for a file that cannot be read, is cut off or too long, and where the extra `media` is missing.
    """
    blocks: list[Tensor] = []
    rate, duration_s = 1, 0.0
    for samples, rate in media_blocks(stream, name, format_, sampling_rate):
        blocks.append(samples)
        duration_s += len(samples) / rate
        if duration_s > max_duration_s:
            break
    check_length(name, sum(map(len, blocks)) / rate, max_duration_s)
    return torch.cat(blocks), rate


def media_blocks(stream: Stream, name: str, format_: str, sampling_rate: int) -> Iterator[tuple[Tensor, int]]:
    """(num_samples, num_channels) float32 of the first sound track, a frame at a time, and their rate in Hz.

    Raises AudioError as `decode_media`, whatever the length.
    """
    if format_ in _CHECKS:
        _CHECKS[format_](stream, stream.seek(0, os.SEEK_END), name)
    before: tuple[int, int] | None = None
    for samples, rate in _blocks(stream, name, format_, sampling_rate):
        kind = rate, samples.shape[1]
        if kind != (before or kind):
            raise AudioError(f"{name}: goes on with another sampling rate or number of channels", "sampling_rate")
        before = kind
        yield samples, rate


def _blocks(stream: Stream, name: str, format_: str, sampling_rate: int) -> Iterator[tuple[Tensor, int]]:
    """Samples of one frame after the other, and their rate."""
    try:
        import av
    except ModuleNotFoundError:
        raise AudioError(f"{name}: is {_TITLES[format_]}, which needs pip install 'timepro_lit[media]'",
                         "unreadable") from None  # fmt: skip
    stream.seek(0)
    try:
        with av.open(stream, format=format_, metadata_errors="replace") as container:
            if not container.streams.audio:
                raise AudioError(f"{name}: holds no sound track", "empty")
            clock = _Clock(name, _start_s(container)) if format_ in _TIMED else None
            for packet in container.demux(container.streams.audio[0]):
                if packet.is_corrupt:
                    raise AudioError(f"{name}: ends within a frame", "truncated")
                for frame in packet.decode():
                    num_channels = frame.layout.nb_channels
                    # Of more than eight channels av would read beyond the frame's memory.
                    check_format(name, frame.sample_rate, num_channels, sampling_rate)
                    if clock is not None:
                        for num_samples in clock.missing(frame.time, frame.samples, frame.sample_rate):
                            yield torch.zeros(num_samples, num_channels), frame.sample_rate
                    yield _samples(frame.to_ndarray(), num_channels), frame.sample_rate
    except av.FFmpegError as error:
        raise AudioError(f"{name}: cannot be decoded: {error.strerror}", "unreadable") from error


def _start_s(container: InputContainer) -> float | None:
    """When a film begins whose picture is there before its sound, in seconds; None where the sound is the first.

    By the tracks, not by the first frame, before which codecs have a decoder drop some samples: no player waits there.
    """
    import av

    sound, start = container.streams.audio[0], container.start_time
    is_film = any(not track.disposition & av.stream.Disposition.attached_pic for track in container.streams.video)
    if not is_film or start is None or sound.start_time is None or sound.time_base is None:
        return None
    start_s = start / av.time_base
    return start_s if start_s < float(sound.start_time * sound.time_base) else None


class _Clock:
    """What frames leave out by their times: a recorder that paused, packets that were lost. A player waits there.

    `start_s` is when the recording begins; None = with the first frame.
    """

    def __init__(self, name: str, start_s: float | None) -> None:
        self.name = name
        self._first_s = start_s
        self._heard_s = 0.0

    def missing(self, start_s: float | None, num_samples: int, rate: int) -> Iterator[int]:
        """Samples of silence before a frame, at most a second's at a time.

        Raises AudioError for a time that lies further behind than a recording is long.
        """
        if start_s is not None:
            if self._first_s is None or (not self._heard_s and start_s - self._first_s <= _GAP_S):
                self._first_s = start_s
            gap_s = start_s - self._first_s - self._heard_s
            if gap_s > _LONGEST_GAP_S:
                raise AudioError(f"{self.name}: goes on {gap_s:.0f} s after {self._heard_s:.2f} s", "unreadable")
            left = round(gap_s * rate) if gap_s > _GAP_S else 0
            self._heard_s += left / rate
            while left > 0:
                yield min(left, rate)
                left -= rate
        self._heard_s += num_samples / rate


def _samples(frame: np.ndarray, num_channels: int) -> Tensor:
    """(num_samples, num_channels) of a frame, whose channels are rows or lie interleaved in one."""
    samples = floats(frame)
    return samples.T if len(samples) == num_channels else samples.reshape(-1, num_channels)
