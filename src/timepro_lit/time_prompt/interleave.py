"""The audio side of the prompt: audio frames with the timestamps that close them."""

from __future__ import annotations


def interleave(num_frames: int, stride: int, audio_id: int, first_timestamp_id: int) -> list[int]:
    """Token ids of one clip: `stride` audio placeholders, a timestamp, and so on.

    Timestamp k (from 1) has id `first_timestamp_id + k - 1`. Frames of an incomplete last stride end the sequence
    without a timestamp, for the moment it would name lies past the clip. Whether the clip is short enough for the
    table is `TimeGrid.timestamps_for`'s business. Raises ValueError for an empty clip or a stride below 1.

    >>> interleave(5, stride=2, audio_id=0, first_timestamp_id=100)
    [0, 0, 100, 0, 0, 101, 0]
    """
    if num_frames < 1:
        raise ValueError(f"a clip needs at least one audio frame, got {num_frames}.")
    if stride < 1:
        raise ValueError(f"stride must be at least 1 audio frame, got {stride}.")
    num_timestamps, num_trailing = divmod(num_frames, stride)
    ids: list[int] = []
    for k in range(num_timestamps):
        ids += [audio_id] * stride
        ids.append(first_timestamp_id + k)
    return ids + [audio_id] * num_trailing
