"""One pass through a recording of any length: windows of it, decoded once, in memory that does not grow with it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from timepro_lit.data.antiphase import Phase
from timepro_lit.data.audio import AudioError, Stream, blocks_from, open_audio
from timepro_lit.data.waveforms import check_length, mono, resampled, stretch
from timepro_lit.events.windows import TICKS, Cut
from timepro_lit.files.fragments import without_fragment

_TO_THE_END_S = 1e9
_BLOCK_S = 30.0


class Tape(Protocol):
    """A recording that is wound on, and never back."""

    def lasts_beyond(self, time_s: float) -> bool:
        """Whether there is anything behind a moment."""
        ...

    @property
    def duration_s(self) -> float:
        """Length of the recording, known once its end was reached."""
        ...

    def window(self, start_s: float, duration_s: float | None) -> Tensor:
        """(num_samples,) float32 of a window that begins no earlier than the one before; None = to the end."""
        ...


class Decoding:
    """A file being decoded, block by block, to mono at `sampling_rate`; each window as `decode_window` gives it.

    Args:
        stream: open as long as this is used.
        name: what errors call it.
        start_s: where the first window begins that will be asked for.
        is_sought: whether what stands before it may be passed over; damage in it is then not found.
        recording_s: the length that it is to have; another one is refused.

    Reading raises AudioError as `decode_window` does; what is cut off may be found as late as at the end, and so are
    channels that cancel each other, where all was decoded.
    """

    def __init__(
        self,
        stream: Stream,
        name: str,
        sampling_rate: int,
        start_s: float = 0.0,
        recording_s: float | None = None,
        is_sought: bool = True,
    ) -> None:
        self.name = name
        self.sampling_rate = sampling_rate
        self._blocks = blocks_from(stream, name, sampling_rate, start_s if is_sought else 0.0, recording_s)
        self._rate = sampling_rate
        self._start_s = start_s
        self._held: list[Tensor] = []
        self._phase = Phase()
        self._begin, self._end = 0, 0
        """Of what is held, in samples of the file."""
        self.was_sought = False
        """Whether what stands before the first window was passed over, and not decoded."""
        self._is_at_end = not self._read()

    @property
    def position_s(self) -> float:
        """Up to where it is decoded."""
        return self._end / self._rate

    def lasts_beyond(self, time_s: float) -> bool:
        """As in `Tape`."""
        while not self._is_at_end and self._end <= time_s * self._rate:
            self._is_at_end = not self._read()
        return self._end / self._rate > time_s

    @property
    def duration_s(self) -> float:
        """As in `Tape`: of the samples at the model's rate."""
        while not self._is_at_end:
            self._is_at_end = not self._read()
        return math.ceil(self._end * self.sampling_rate / self._rate) / self.sampling_rate

    def window(self, start_s: float, duration_s: float | None) -> Tensor:
        """As in `Tape`."""
        length_s = _TO_THE_END_S if duration_s is None else duration_s
        needed, wanted = stretch(self._rate, self.sampling_rate, start_s, length_s)
        self._start_s = start_s
        self._forget()
        while not self._is_at_end and self._end < needed.stop:
            self._is_at_end = not self._read()
        check_length(self.name, self._end / self._rate, _TO_THE_END_S)
        if self._end <= needed.start:
            raise AudioError(f"{self.name}: ends before its clip from {start_s:.2f} s begins", "truncated")
        if needed.start < self._begin:
            raise ValueError(f"{self.name}: a window from {start_s:.2f} s on was asked for after a later one")
        waveform = torch.cat(self._held)[needed.start - self._begin : needed.stop - self._begin]
        if self._rate != self.sampling_rate:
            waveform = resampled(waveform, self._rate, self.sampling_rate)
        return waveform[wanted.start : wanted.stop].clamp(-1.0, 1.0)

    def _read(self) -> bool:
        """Hold one block more; False where there is none."""
        block = next(self._blocks, None)
        if block is None:
            if not self.was_sought:
                self._phase.check(self.name)
            return False
        samples, self._rate, skipped = block
        if skipped:
            self.was_sought = True
            self._begin = self._end = self._end + skipped
        self._held.append(mono(samples, self.name))
        self._phase.add(samples)
        self._end += len(samples)
        self._forget()
        return True

    def _forget(self) -> None:
        """Let go of blocks that no window will need."""
        before = stretch(self._rate, self.sampling_rate, self._start_s, 0.0)[0].start
        while self._held and self._begin + len(self._held[0]) <= before:
            self._begin += len(self._held.pop(0))


class Samples:
    """A waveform that is there already, as a `Tape`."""

    def __init__(self, waveform: Tensor, sampling_rate: int) -> None:
        self._waveform = waveform
        self._rate = sampling_rate

    @property
    def duration_s(self) -> float:
        """As in `Tape`."""
        return len(self._waveform) / self._rate

    def lasts_beyond(self, time_s: float) -> bool:
        """As in `Tape`."""
        return self.duration_s > time_s

    def window(self, start_s: float, duration_s: float | None) -> Tensor:
        """As in `Tape`."""
        first = round(start_s * self._rate)
        return self._waveform[first : None if duration_s is None else round((start_s + duration_s) * self._rate)]


@dataclass(frozen=True, slots=True)
class Piece:
    """A recording, or a window of it."""

    start_s: float
    waveform: Tensor
    """(num_samples,) float32."""
    recording_s: float | None
    """Length of the recording where this is its last window; None before that is known."""
    is_whole: bool


def pieces(tape: Tape, cut: Cut, whole_s: float, first: int = 0) -> Iterator[Piece]:
    """A recording that is no longer than `whole_s`, or the windows of a longer one from the number `first` on."""
    if not first and not tape.lasts_beyond(whole_s):
        yield Piece(0.0, tape.window(0.0, None), tape.duration_s, is_whole=True)
        return
    length_s, number = cut.window / TICKS, first
    # A moment more, so that what is left at the end is decided by `Cut.windows` alone.
    while tape.lasts_beyond((number * cut.hop + cut.window) / TICKS + 1e-4):
        yield Piece(cut.start_s(number), tape.window(cut.start_s(number), length_s), None, is_whole=False)
        number += 1
    for start_s, rest_s in cut.windows(tape.duration_s)[number:]:
        is_last = start_s + rest_s >= tape.duration_s - 1e-6
        waveform = tape.window(start_s, None if is_last else length_s)
        yield Piece(start_s, waveform, tape.duration_s if is_last else None, is_whole=False)


def blocks_of(place: str, sampling_rate: int = 16_000) -> Iterator[Tensor]:
    """A recording of any length, or a stretch of it that `place` names (`files.fragments`), in pieces of half a minute.

    (num_samples,) float32 each, one behind the other. Raises AudioError as `Decoding`.
    """
    path, window = without_fragment(place)
    start_s, end_s = (0.0, _TO_THE_END_S) if window is None else window
    with open_audio(path) as stream:
        tape = Decoding(stream, place, sampling_rate, start_s)
        while start_s < end_s and tape.lasts_beyond(start_s):
            block = tape.window(start_s, min(_BLOCK_S, end_s - start_s))
            if len(block):
                yield block
            start_s += _BLOCK_S


def begins_at(cut: Cut, first: int) -> float:
    """From where on a recording has to be decoded for its windows from the number `first` on, in seconds.

    The last one begins earlier than its number says, but behind the one before.
    """
    return cut.start_s(max(0, first - 1))
