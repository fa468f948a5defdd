from __future__ import annotations

import pytest

from timepro_lit.time_prompt.grid import TimeGrid
from timepro_lit.time_prompt.interleave import interleave

AUDIO, FIRST = 7, 1000


def stamp(k):
    return [FIRST + k - 1]


def shown(ids, grid):
    return ["A" if token == AUDIO else grid.token(token - FIRST + 1) for token in ids]


def test_the_papers_example_token_by_token():
    ids = interleave(3, stride=1, audio_id=AUDIO, timestamp=stamp)
    assert ids == [7, 1000, 7, 1001, 7, 1002]
    assert shown(ids, TimeGrid()) == ["A", "<0.04>", "A", "<0.08>", "A", "<0.12>"]


def test_frames_of_an_incomplete_stride_come_without_a_timestamp():
    ids = interleave(7, stride=3, audio_id=AUDIO, timestamp=stamp)
    assert shown(ids, TimeGrid(stride=3)) == ["A", "A", "A", "<0.12>", "A", "A", "A", "<0.24>", "A"]
    assert interleave(2, stride=3, audio_id=AUDIO, timestamp=stamp) == [7, 7]


def test_timestamps_may_stand_before_their_frames_and_be_several_tokens():
    assert interleave(5, stride=2, audio_id=AUDIO, timestamp=stamp, before=True) == [1000, 7, 7, 1001, 7, 7, 7]
    assert interleave(3, stride=2, audio_id=AUDIO, timestamp=lambda k: [40 + k, 50]) == [7, 7, 41, 50, 7]


def test_frames_behind_the_last_timestamp_follow_alone():
    assert interleave(5, stride=2, audio_id=AUDIO, timestamp=stamp, num_timestamps=1) == [7, 7, 1000, 7, 7, 7]
    assert interleave(3, 1, AUDIO, stamp, before=True, num_timestamps=2) == [1000, 7, 1001, 7, 7]


@pytest.mark.parametrize("stride", [1, 2, 4, 7, 25])
@pytest.mark.parametrize("num_frames", [1, 24, 25, 26, 749, 750])
def test_grid_and_sequence_agree(num_frames, stride):
    ids = interleave(num_frames, stride, AUDIO, stamp)
    timestamps = [token for token in ids if token != AUDIO]
    assert ids.count(AUDIO) == num_frames
    assert timestamps == list(range(FIRST, FIRST + TimeGrid(stride=stride).timestamps_for(num_frames)))


def test_a_thirty_second_clip_ends_with_30_00():
    ids = interleave(750, 1, AUDIO, stamp)
    assert len(ids) == 1500
    assert shown(ids, TimeGrid())[-2:] == ["A", "<30.00>"]


@pytest.mark.parametrize(("num_frames", "stride"), [(0, 1), (-3, 1), (3, 0), (3, -1)])
def test_empty_clips_and_strides_below_one_are_refused(num_frames, stride):
    with pytest.raises(ValueError, match="at least"):
        interleave(num_frames, stride, AUDIO, stamp)
