"""A long recording on a page: of bounded size, whole in the overview, and to be scrolled through."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.figures.test_run_report import EVIL, Outline
from timepro_lit.figures.clips import Clip, ShownAnswer, ShownQuestion, ShownTask, clip_html
from timepro_lit.figures.long_clips import clock, long_clip_html
from timepro_lit.figures.page import recording_page
from timepro_lit.figures.spectrogram import log_mel, long_log_mel
from timepro_lit.records import Event

DURATION_S = 36_000.0
EVENTS = tuple(Event(n * 7.0, n * 7.0 + 2.5, EVIL) for n in range(5_000))
TASK = ShownTask("Moment retrieval", "", (), 0, True)
QUESTION = ShownQuestion(TASK, EVIL, "When?", None, (ShownAnswer(EVIL, EVIL, True, EVENTS, {}),))


def noise(seconds: float, block: int) -> Iterator[Tensor]:
    left = round(seconds * 16_000)
    generator = torch.Generator().manual_seed(0)
    while left > 0:
        yield 0.1 * torch.randn(min(block, left), generator=generator)
        left -= block


@pytest.mark.parametrize("block", [100, 1_600, 33_333, 100_000])
def test_a_spectrogram_in_blocks_is_that_of_the_whole(block: int) -> None:
    whole = torch.cat(list(noise(5.0, 80_000)))
    found = long_log_mel(whole.split(block), 5.0, max_columns=10_000)
    torch.testing.assert_close(found[:, :-1], log_mel(whole)[:, : found.shape[1] - 1], atol=1e-4, rtol=0)
    assert long_log_mel(whole.split(block), 5.0, max_columns=10).shape == (80, 10)


def test_a_page_of_ten_hours_is_small_and_shows_texts_as_they_are() -> None:
    clip = Clip(
        "night.flac", DURATION_S, (QUESTION, replace(QUESTION, reference=EVENTS)), mel=-70 * torch.rand(80, 4_000)
    )
    page = recording_page(clip)
    assert len(page) < 6_000_000
    outline = Outline(page)
    assert [tag for tag, _ in outline.tags].count("script") == 1
    assert "<script>alert" not in page and "10:00:00" in page
    bars = re.findall(r'class="bar h0" style="left:([0-9.]+)%;width:([0-9.]+)%', page)
    assert all(0 <= float(left) <= 100 and float(left) + float(width) <= 100.001 for left, width in bars)
    assert "not drawn: 3000 more" in page
    assert {round(float(left) / 100 * DURATION_S, 1) for left, _ in bars} >= {0.0, 7.0, 13_993.0}


def test_events_of_a_long_recording_share_lanes() -> None:
    question = replace(QUESTION, answers=(ShownAnswer("a", "", True, EVENTS[:20], {}),))
    page = long_clip_html(Clip("a.wav", 180.0, (question,)))
    assert page.count('class="lane"') == 1
    assert "<audio" not in page and "<img" not in page and "<audio" not in clip_html(Clip("b.wav", 4.0, (question,)))


def test_the_overview_leaves_out_what_the_strips_do() -> None:
    spans = ((2000.0, 1998.0), (-3.0, -1.0), (float("nan"), 5.0), (3601.0, 3602.0), (900.0, 1800.0))
    events = tuple(Event(onset, offset, "dog") for onset, offset in spans)
    question = replace(QUESTION, answers=(ShownAnswer("a", "", True, events, {}),))
    page = long_clip_html(Clip("a.wav", 3_600.0, (question,)))
    bars = re.findall(r'class="bar h\d" style="left:([0-9.]+)%;width:([0-9.]+)%', page)
    assert {tuple(map(float, bar)) for bar in bars} == {(25.0, 25.0)} and "not drawn: 4 reversed" in page


def test_moments_are_written_as_on_a_clock() -> None:
    assert [clock(time) for time in (0.0, 59.7, 3_599.0, 36_000.0)] == ["0:00", "1:00", "59:59", "10:00:00"]
