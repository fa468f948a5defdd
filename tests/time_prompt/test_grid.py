from __future__ import annotations

import pytest

from timepro_lit.time_prompt.grid import TimeGrid


def test_the_papers_table_runs_from_0_04_to_30_00():
    grid = TimeGrid()
    assert grid.num_timestamps == 750
    assert [grid.token(k) for k in (1, 2, 3, 25, 750)] == ["<0.04>", "<0.08>", "<0.12>", "<1.00>", "<30.00>"]
    assert len(set(grid.texts())) == 750
    assert grid.texts()[0] == "0.04"


def test_every_timestamp_names_the_end_of_its_frame():
    grid = TimeGrid()
    assert [round(25 * float(grid.text(k))) for k in range(1, 751)] == list(range(1, 751))


def test_a_longer_stride_keeps_every_nth_moment():
    grid = TimeGrid(stride=5)
    assert grid.num_timestamps == 150
    assert [grid.text(k) for k in (1, 2, 150)] == ["0.20", "0.40", "30.00"]
    assert TimeGrid(stride=25).texts()[:2] == ["1.00", "2.00"]


def test_a_stride_that_does_not_divide_leaves_the_end_unnamed():
    grid = TimeGrid(stride=4)
    assert grid.num_timestamps == 187  # 750 frames = 187 strides and 2 frames
    assert grid.texts()[-1] == "29.92"
    assert grid.timestamps_for(11) == 2
    assert grid.timestamps_for(3) == 0


def test_timestamps_of_minutes():
    assert [TimeGrid(max_seconds=300.0).token(k) for k in (2499, 2500, 3085, 7500)] == [
        "<99.96>", "<100.00>", "<123.40>", "<300.00>",
    ]  # fmt: skip
    assert TimeGrid(stride=5, max_seconds=300.0).token(617) == "<123.40>"
    assert TimeGrid(stride=25, max_seconds=300.0).num_timestamps == 300
    hours = TimeGrid(frames_per_second=12.5, block_s=1.0, max_seconds=2400.0)
    assert [hours.token(k) for k in (13 * 123 + 5, 31_200)] == ["<123.40>", "<2400.00>"]
    assert hours.texts() == [
        f"{s}.{c:02d}" if c < 100 else f"{s + 1}.00" for s in range(2400) for c in [*range(8, 97, 8), 100]
    ]


def test_other_frame_rates():
    assert TimeGrid(frames_per_second=12.5).texts()[:2] == ["0.08", "0.16"]
    assert TimeGrid(frames_per_second=12.5).num_timestamps == 375
    assert TimeGrid(max_seconds=0.3).num_timestamps == 7  # 7.5 frames


def test_a_clip_of_the_longest_length_fits_and_one_frame_more_does_not():
    grid = TimeGrid()
    assert grid.timestamps_for(750) == 750
    with pytest.raises(ValueError, match=r"751 audio frames \(30\.04 s\) is longer .* cut it into windows"):
        grid.timestamps_for(751)


def test_frames_that_end_behind_the_longest_clip_have_no_timestamp():
    grid = TimeGrid(frames_per_second=12.5, block_s=1.0, max_seconds=30.5, longest_frames=397)
    assert grid.texts() == TimeGrid(frames_per_second=12.5, block_s=1.0, max_seconds=30.5).texts()
    assert grid.texts()[-1] == "30.48"
    assert [grid.timestamps_for(n) for n in (395, 396, 397)] == [395, 396, 396]
    with pytest.raises(ValueError, match="398 audio frames"):
        grid.timestamps_for(398)
    assert TimeGrid(longest_frames=749).max_frames == 750


@pytest.mark.parametrize("num_frames", [0, -1])
def test_an_empty_clip_is_refused(num_frames):
    with pytest.raises(ValueError, match="at least one audio frame"):
        TimeGrid().timestamps_for(num_frames)


@pytest.mark.parametrize("index", [0, 751])
def test_an_index_off_the_grid_is_refused(index):
    with pytest.raises(ValueError, match=r"1\.\.750"):
        TimeGrid().text(index)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stride": 0}, "stride must be"),
        ({"stride": 2.0}, "stride must be"),
        ({"stride": True}, "stride must be"),
        ({"stride": 751}, "no timestamp within 30 s"),
        ({"frames_per_second": 0.0}, "frames_per_second must be positive"),
        ({"frames_per_second": float("nan")}, "frames_per_second must be positive"),
        ({"frames_per_second": 200.0}, "two decimals"),
        ({"max_seconds": float("inf")}, "max_seconds must be positive"),
    ],
)
def test_impossible_grids_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TimeGrid(**settings)
