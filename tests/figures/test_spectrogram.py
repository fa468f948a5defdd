from __future__ import annotations

import io
import math

import pytest
import torch
from PIL import Image

from timepro_lit.figures.spectrogram import log_mel, mel_filters, spectrogram_png


def tone(hertz: float, num_samples: int = 16_000) -> torch.Tensor:
    return torch.sin(2 * math.pi * hertz * torch.arange(num_samples) / 16_000)


def test_every_mel_band_holds_a_frequency_bin() -> None:
    filters = mel_filters()
    assert filters.shape == (80, 513)
    assert bool((filters.amax(1) > 0.3).all())
    assert bool((filters >= 0).all())


@pytest.mark.parametrize("hertz", [200.0, 1000.0, 6000.0])
def test_a_tone_is_loudest_in_its_own_band(hertz: float) -> None:
    mel = 2595 * math.log10(1 + hertz / 700)
    width = 2595 * math.log10(1 + 8000 / 700) / 81
    band = log_mel(tone(hertz))[:, 50].argmax().item()
    assert abs((band + 1) * width - mel) <= width


def test_shape_and_range_also_of_silence_and_a_single_sample() -> None:
    assert log_mel(tone(440)).shape == (80, 101)
    assert log_mel(tone(440)).max() == 0
    assert log_mel(tone(440)).min() == -70
    assert log_mel(torch.zeros(1600)).unique().tolist() == [0.0]
    assert log_mel(torch.ones(1)).shape == (80, 1)


def test_a_click_stands_at_its_time() -> None:
    waveform = torch.zeros(16_000)
    waveform[4_000] = 1.0
    assert log_mel(waveform).mean(0).argmax().item() == 25


def test_png_is_at_most_as_wide_as_asked_with_low_frequencies_at_the_bottom() -> None:
    image = Image.open(io.BytesIO(spectrogram_png(tone(100, 160_000), max_columns=300))).convert("L")
    assert image.size == (300, 80)
    column = [image.getpixel((150, y)) for y in range(80)]
    assert column.index(max(column)) > 70


@pytest.mark.parametrize("waveform", [torch.zeros(0), torch.zeros(2, 100)])
def test_other_shapes_are_refused(waveform: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="mono waveform"):
        log_mel(waveform)
