from __future__ import annotations

import math
import warnings
from pathlib import Path

import torch
from PIL import Image

from timepro_lit.figures.timeline import clip_figure
from timepro_lit.records import Event


def test_one_band_for_each_timeline_with_bars_at_their_times() -> None:
    reference = [Event(0.5, 1.5, "a dog barks"), Event(1.0, 2.0, "a bell rings")]
    answer = [Event(0.6, 1.4, "a dog barks"), Event(1.5, 1.2, "reversed")]
    figure = clip_figure(torch.randn(48_000), {"Reference": reference, "GRPO": answer}, title="clip 1")
    spectrogram, *bands = figure.axes
    assert spectrogram.get_xlim() == (0, 3)
    spans = [
        [(c.get_paths()[0].get_extents().x0, c.get_paths()[0].get_extents().x1) for c in band.collections]
        for band in bands
    ]
    assert [[tuple(round(x, 3) for x in span) for span in band] for band in spans] == [
        [(0.5, 1.5), (1.0, 2.0)],
        [(0.6, 1.4)],
    ]
    colors = [[c.get_facecolor()[0].tolist() for c in band.collections] for band in bands]
    assert colors[0][0] == colors[1][0] != colors[0][1]


def test_untrusted_labels_and_empty_timelines_are_drawn_as_they_stand(tmp_path: Path) -> None:
    odd = [Event(0.1, 0.9, "$\\frac{ <b>\x1b\ud800\n"), Event(0.2, math.nan, "x")]
    figure = clip_figure(torch.randn(16_000), {"Zero-shot": odd, "SFT": []}, title="$x^")
    figure.savefig(tmp_path / "clip.png", dpi=50)
    assert Image.open(tmp_path / "clip.png").width == 400
    assert [text.get_text() for text in figure.axes[1].texts] == ["$\\frac{ <b>\\x1b\\ud800 "]
    assert [text.get_text() for text in figure.axes[2].texts] == ["no events"]


def test_names_of_timelines_are_text_on_a_few_short_lines(tmp_path: Path) -> None:
    names = ("a $a_$ sound \ud800\tof $5 or $10", "somebody says something that nobody can understand " * 4)
    figure = clip_figure(torch.randn(16_000), {name: [Event(0.2, 0.5, "x")] for name in names})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(tmp_path / "clip.png", dpi=50)
    short, long = (axes.get_ylabel() for axes in figure.axes[1:])
    assert short.split("\n")[0] == "a $a_$ sound \\ud800" and not figure.axes[1].yaxis.label.get_parse_math()
    assert len(long.split("\n")) == 4 and long.endswith(" …") and max(map(len, long.split("\n"))) <= 22
    assert figure.axes[1].get_position().width > 0.6
