"""Texts in other scripts: with a font that has them, and without."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.font_manager import fontManager

from timepro_lit.figures import fonts
from timepro_lit.figures.fonts import OWN, lettering
from timepro_lit.figures.timeline import clip_figure
from timepro_lit.records import Event


@pytest.fixture
def dog_font(tmp_path: Path) -> Iterator[str]:
    """A font with one letter, as if it had been installed."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for point in ((0, 700), (700, 700), (700, 0)):
        pen.lineTo(point)
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "dog"])
    builder.setupCharacterMap({ord("狗"): "dog"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "dog": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (800, 0), "dog": (800, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "One Dog", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "dog.ttf")
    before = list(fontManager.ttflist)
    fontManager.addfont(tmp_path / "dog.ttf")
    fonts._installed.cache_clear()
    yield "One Dog"
    fontManager.ttflist[:] = before
    fonts._installed.cache_clear()


def test_a_script_is_written_in_a_font_that_has_it(dog_font: str) -> None:
    written = lettering(["a dog 狗", "é ω"])
    assert written.families == (OWN, dog_font)
    assert written("狗 é") == "狗 é"


def test_what_no_font_has_is_a_box_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fonts, "_said", [])
    with caplog.at_level(logging.WARNING):
        assert lettering(["a dog"]).families == (OWN,)
        assert not caplog.messages
        monkeypatch.setattr(fonts, "_installed", lambda: ())
        written = lettering(["狗\t\u200d dog"])
        lettering(["猫"])
    assert written("狗\t dog") == "□ dog" and written.families == (OWN,)
    assert caplog.messages == [
        "no installed font has 狗: pictures show boxes instead; a font such as Noto Sans CJK or Noto Emoji, once "
        "installed, is found"
    ]


def test_pictures_are_drawn_without_a_warning(dog_font: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = clip_figure(torch.randn(16_000), {"一只狗 🐶": [Event(0.2, 0.6, "狗 ناقوس $x")]}, "鐘\udcff.wav")
        figure.savefig(io.BytesIO(), format="png")
    assert figure.axes[1].texts[0].get_fontfamily() == [OWN, dog_font]
