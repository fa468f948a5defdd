"""The audio side of the prompt: audio frames with the timestamps that close them."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def interleave(
    num_frames: int,
    stride: int,
    audio_id: int,
    timestamp: Callable[[int], Sequence[int]],
    before: bool = False,
    num_timestamps: int | None = None,
) -> list[int]:
    """Token ids of one clip: `stride` audio placeholders, a timestamp, and so on; or the timestamp `before` them.

    `timestamp` gives the ids of timestamp k (from 1). Frames of an incomplete last stride end the sequence
    without a timestamp, for the moment it would name lies past the clip. `num_timestamps` is what
    `TimeGrid.timestamps_for` says; None = one for each whole stride. Raises ValueError for an empty clip or a stride
    below 1.

    >>> interleave(5, stride=2, audio_id=0, timestamp=lambda k: [99 + k])
    [0, 0, 100, 0, 0, 101, 0]
    >>> interleave(5, stride=2, audio_id=0, timestamp=lambda k: [99 + k], before=True)
    [100, 0, 0, 101, 0, 0, 0]
    """
    if num_frames < 1:
        raise ValueError(f"a clip needs at least one audio frame, got {num_frames}.")
    if stride < 1:
        raise ValueError(f"stride must be at least 1 audio frame, got {stride}.")
    num_timestamps = num_frames // stride if num_timestamps is None else num_timestamps
    ids: list[int] = []
    for k in range(1, num_timestamps + 1):
        frames = [audio_id] * stride
        ids += [*timestamp(k), *frames] if before else [*frames, *timestamp(k)]
    return ids + [audio_id] * (num_frames - num_timestamps * stride)
