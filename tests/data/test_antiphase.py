"""A recording whose channels cancel each other is refused, wherever all of it is decoded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.data.containers.recordings import heard
from timepro_lit.data.antiphase import Phase
from timepro_lit.data.audio import AudioError, decode_window, open_audio, read_audio
from timepro_lit.data.measuring import measure
from timepro_lit.data.store import AudioFolder
from timepro_lit.data.streaming import Decoding, pieces
from timepro_lit.data.waveforms import mono_waveform
from timepro_lit.events.windows import Cut

X = 0.3 * np.random.default_rng(0).standard_normal(64_000).clip(-3, 3)
Y = 0.3 * np.random.default_rng(1).standard_normal(64_000).clip(-3, 3)
CANCELLED = {
    "x and -x": [X, -X],
    "not quite": [X, -0.98 * X],
    "on an offset": [0.3 * X + 0.2, -0.3 * X + 0.2],
    "faint": [1e-3 * X, -1e-3 * X],
    "two pairs": [X, Y, -X, -Y],
}
HEARD = {
    "one channel": [X],
    "alike": [X, X],
    "alike, on opposite offsets": [0.01 * X + 0.5, 0.01 * X - 0.5],
    "one is silent": [X, 0 * X],
    "one of eight": [X, *[0 * X] * 7],
    "of two sources": [X, Y],
    "of another strength": [X, -0.8 * X],
    "silence": [0 * X, 0 * X],
    "an offset": [0 * X + 0.3, 0 * X - 0.3],
    "for half of the time": [X, np.where(np.arange(64_000) < 32_000, X, -X)],
}


@pytest.mark.parametrize("channels", CANCELLED.values(), ids=CANCELLED)
def test_channels_that_cancel_are_named(channels: list[np.ndarray], tmp_path: Path) -> None:
    samples = np.stack(channels, 1)
    with pytest.raises(AudioError, match=r"array: its channels cancel each other: .* dB below them") as error:
        mono_waveform(samples, 16_000, 16_000, 30.0)
    assert error.value.kind == "antiphase"
    soundfile.write(tmp_path / "b.wav", samples, 16_000, subtype="FLOAT")
    assert heard((tmp_path / "b.wav").read_bytes(), tmp_path) == "antiphase"
    assert measure(AudioFolder(tmp_path), 30.0, "b.wav").fault == "antiphase"
    with open_audio(tmp_path / "b.wav") as stream, pytest.raises(AudioError) as error:
        list(pieces(Decoding(stream, "b.wav", 16_000), Cut(1.5, 1.0), 1.5))
    assert error.value.kind == "antiphase"


@pytest.mark.parametrize("channels", HEARD.values(), ids=HEARD)
def test_all_others_are_heard(channels: list[np.ndarray], tmp_path: Path) -> None:
    samples = np.stack(channels, 1).astype(np.float32)
    torch.testing.assert_close(
        mono_waveform(samples, 16_000, 16_000, 30.0), torch.from_numpy(samples.mean(1)).clamp(-1, 1), atol=1e-6, rtol=0
    )
    soundfile.write(tmp_path / "b.wav", samples, 16_000, subtype="FLOAT")
    whole = read_audio(tmp_path / "b.wav")
    with open_audio(tmp_path / "b.wav") as stream:
        for piece in pieces(Decoding(stream, "b.wav", 16_000), Cut(1.5, 1.0), 1.5):
            start = round(piece.start_s * 16_000)
            torch.testing.assert_close(piece.waveform, whole[start : start + 24_000], atol=0, rtol=0)


def test_a_window_alone_is_taken_as_it_is(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "b.wav", np.stack(HEARD["for half of the time"], 1), 16_000)

    def silent(start_s: float, read: Callable[..., torch.Tensor]) -> bool:
        with open_audio(tmp_path / "b.wav") as stream:
            return not bool((read(stream, start_s).abs() > 1e-3).any())

    def alone(stream: object, start_s: float) -> torch.Tensor:
        return decode_window(stream, "b.wav", 16_000, start_s, 1.0)  # type: ignore[arg-type]

    def sought(stream: object, start_s: float) -> torch.Tensor:
        return Decoding(stream, "b.wav", 16_000, start_s).window(start_s, None)  # type: ignore[arg-type]

    for read in (alone, sought):
        assert not silent(0.5, read) and silent(2.5, read)


def test_blocks_come_to_the_same_as_the_whole() -> None:
    samples = torch.tensor(np.stack([X, -0.9 * X], 1))
    phase = Phase()
    for block in samples.split(1_000):
        phase.add(block)
    phase.check("a")
    with pytest.raises(AudioError, match="lies 40 dB below"):
        phase = Phase()
        phase.add(torch.tensor(np.stack([X, -0.98 * X], 1)))
        phase.check("a")
