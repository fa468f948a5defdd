"""Recordings of any length as questions about clips that a model hears, and the answers put together again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from timepro_lit.data.audio import AudioError, open_audio
from timepro_lit.data.collate import Frontend
from timepro_lit.data.streaming import Decoding, Piece, Samples, Tape, begins_at, pieces
from timepro_lit.data.waveforms import mono_waveform
from timepro_lit.events.merging import AGREE, checked_iou
from timepro_lit.events.voting import Voting
from timepro_lit.events.windows import TICKS, Cut
from timepro_lit.records import Answer
from timepro_lit.tasks.base import ScoredTask
from timepro_lit.tasks.grounding import takes_one_event
from timepro_lit.tasks.merged import merged, no_merging

_ANY_LENGTH_S = 1e9


@dataclass(frozen=True, slots=True)
class Windowing:
    """Which recordings are cut into windows, and how."""

    cut: Cut
    whole_s: float
    """Recordings that are no longer than this are heard in one piece."""
    merge_iou: float = AGREE
    """From which IoU on, in (0, 1], two windows speak of one event."""

    def __post_init__(self) -> None:
        checked_iou(self.merge_iou)

    def __str__(self) -> str:
        return f"recordings of over {self.whole_s:g} s were answered in {self.cut}"


def windowing_of(
    window_s: float | None, hop_s: float | None, longest_s: float | None, heard_s: float, merge_iou: float = AGREE
) -> Windowing:
    """What the settings ask for; None = windows as long as what the model was trained on, half of each in the next.

    Args:
        longest_s: how long the recordings were that the model was trained on; None = not known.
        heard_s: what it hears at once.

    Without `window_s`, what it hears at once is heard so. Raises ValueError for lengths that are none or too long.

    >>> windowing_of(None, None, 10.0, 30.0)
    Windowing(cut=Cut(window_s=10.0, hop_s=5.0), whole_s=30.0, merge_iou=0.5)
    """
    for name, length in (("window_s", window_s), ("hop_s", hop_s)):
        if isinstance(length, bool) or not isinstance(length, int | float | None):
            raise ValueError(f"{name}: must be a length in seconds, not {length!r}")
    whole_s = heard_s if window_s is None else window_s
    length_s = min(longest_s or heard_s, heard_s) if window_s is None else window_s
    if length_s > heard_s:
        raise ValueError(f"window_s: {length_s:g} s is more than the {heard_s:g} s that the model hears at once")
    length_s = max(length_s, 1 / TICKS) if window_s is None else length_s
    hop = length_s / 2 if hop_s is None else hop_s
    return Windowing(Cut(length_s, max(1 / TICKS, hop) if hop_s is None else hop), whole_s, merge_iou)


@contextmanager
def opened(audio: object, frontend: Frontend, sampling_rate: int | None = None, start_s: float = 0.0) -> Iterator[Tape]:
    """A file, or samples as `mono_waveform` takes them, of any length, at the sampling rate of a model.

    Raises AudioError for what cannot be read, ValueError where a file is given a sampling rate.
    """
    to_rate = frontend.sampling_rate
    if not isinstance(audio, str | Path):
        yield Samples(mono_waveform(audio, sampling_rate, to_rate, _ANY_LENGTH_S), to_rate)
        return
    if sampling_rate is not None:
        raise ValueError(f"sampling_rate: {audio} says its own")
    with open_audio(audio) as stream:
        # What a call did that was killed is decoded again: what it would have found later is found as well.
        yield Decoding(stream, str(audio), to_rate, start_s, is_sought=False)


def heard_pieces(
    audio: object, frontend: Frontend, windowing: Windowing, sampling_rate: int | None = None, first: int = 0
) -> Iterator[Piece]:
    """A recording, or its windows from the number `first` on.

    Raises AudioError as `opened`, for what is too short to be heard, and where damage is found on the way.
    """
    with opened(audio, frontend, sampling_rate, begins_at(windowing.cut, first)) as tape:
        for piece in pieces(tape, windowing.cut, windowing.whole_s, first):
            if piece.is_whole:  # resampling makes a last sample of less than one
                piece = replace(piece, waveform=piece.waveform[: round(windowing.whole_s * frontend.sampling_rate)])
            num_samples = len(piece.waveform)
            if frontend.num_frames(num_samples) < 1:
                name = str(audio) if isinstance(audio, str | Path) else "array"
                says = f"{num_samples} samples at {frontend.sampling_rate} Hz are too short to be heard"
                raise AudioError(f"{name}: {says}", "empty")
            yield piece


def check_asked(name: str, piece: Piece, task: ScoredTask, voting: Voting | None) -> None:
    """Raises AudioError where a recording is too long for a question that is asked greedily."""
    if not piece.is_whole and takes_one_event(task) and voting is None:
        raise AudioError(f"{name}: is longer than what is heard at once, and {no_merging(task)}", "too_long")


def whole_answer(
    heard: Sequence[Answer], id_: str, recording_s: float, task: ScoredTask, merge_iou: float = AGREE
) -> Answer:
    """The answer about a recording of `recording_s` seconds: the one where it was heard in one piece, else the merged.

    `heard` are the answers to one question about its windows, in their order. Raises ValueError as `merged`.
    """
    if len(heard) == 1:
        return heard[0]
    recording = replace(heard[0].example, id=id_, start_s=0.0, duration_s=recording_s)
    return merged(recording, task, heard, merge_iou)
