"""Twelve sound classes that a person tells apart by ear, synthesised from a seed.

Every function takes the length, a pitch factor within [0.7, 1.4] and a random state, and fills its extent from the
first sample to the last, so that the label is where the sound is. `numpy.random.RandomState` is used on purpose:
NumPy freezes its streams, so that the same seed gives the same sound on any machine.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

SAMPLING_RATE = 16_000
Wave = NDArray[np.float64]


def _time_s(num_samples: int) -> Wave:
    return np.arange(num_samples) / SAMPLING_RATE


def _glide(freq_hz: Wave) -> Wave:
    """Sine whose instantaneous frequency is `freq_hz`, sample by sample."""
    return np.sin(2 * np.pi * np.cumsum(freq_hz) / SAMPLING_RATE)


def _harmonics(freq_hz: Wave, gains: list[float]) -> Wave:
    phase = 2 * np.pi * np.cumsum(freq_hz) / SAMPLING_RATE
    return sum((g * np.sin((k + 1) * phase) for k, g in enumerate(gains)), np.zeros_like(phase))


def _band_noise(num_samples: int, low_hz: float, high_hz: float, rng: RandomState) -> Wave:
    spectrum = np.fft.rfft(rng.standard_normal(num_samples))
    freq_hz = np.fft.rfftfreq(num_samples, 1 / SAMPLING_RATE)
    edge = 0.15 * (high_hz - low_hz) + 20
    gain = np.clip((freq_hz - low_hz) / edge + 1, 0, 1) * np.clip((high_hz - freq_hz) / edge + 1, 0, 1)
    return np.fft.irfft(spectrum * gain, num_samples)


def _pulse_starts(num_samples: int, period_s: float) -> list[tuple[int, int]]:
    """Equal pulses that fill the extent exactly: (first sample, length) of each."""
    count = max(1, round(num_samples / (period_s * SAMPLING_RATE)))
    edges = [round(i * num_samples / count) for i in range(count + 1)]
    return [(a, b - a) for a, b in pairwise(edges)]


def _decay(num_samples: int, end_level: float) -> Wave:
    return end_level ** (np.arange(num_samples) / max(1, num_samples - 1))


def _alarm(n: int, pitch: float, rng: RandomState) -> Wave:
    """Two tones in turn."""
    low, high = 780 * pitch, 1040 * pitch
    freq = np.empty(n)
    for k, (start, length) in enumerate(_pulse_starts(n, rng.uniform(0.16, 0.22))):
        freq[start : start + length] = (low, high)[k % 2]
    return _harmonics(freq, [1.0, 0.0, 0.33, 0.0, 0.2])


def _beep(n: int, pitch: float, rng: RandomState) -> Wave:
    """One steady pure tone."""
    return _glide(np.full(n, 1700 * pitch)) * (1 + 0.05 * rng.standard_normal())


def _bell(n: int, pitch: float, rng: RandomState) -> Wave:
    """Inharmonic partials, struck once and again every half second."""
    out = np.zeros(n)
    ratios = [0.56, 0.92, 1.19, 1.71, 2.0, 2.74, 3.0]
    for start, length in _pulse_starts(n, rng.uniform(0.45, 0.65)):
        t = _time_s(length)
        strike = sum(
            np.sin(2 * np.pi * 950 * pitch * r * t + rng.uniform(0, 6.28)) / (1 + i) for i, r in enumerate(ratios)
        )
        out[start : start + length] = strike * _decay(length, 0.12)
    return out


def _bird(n: int, pitch: float, rng: RandomState) -> Wave:
    """Quick falling chirps."""
    out = np.zeros(n)
    for start, length in _pulse_starts(n, rng.uniform(0.11, 0.16)):
        sweep = np.linspace(4700, 3000, length) * pitch * rng.uniform(0.95, 1.05)
        out[start : start + length] = _glide(np.minimum(sweep, 7600)) * np.sin(np.pi * np.linspace(0.08, 0.92, length))
    return out


def _buzzer(n: int, pitch: float, rng: RandomState) -> Wave:
    """A harsh low square wave."""
    gains = [1 / k if k % 2 else 0.0 for k in range(1, 24)]
    return _harmonics(np.full(n, 150 * pitch * rng.uniform(0.97, 1.03)), gains)


def _crackle(n: int, pitch: float, rng: RandomState) -> Wave:
    """Dense random clicks, as of a fire."""
    clicks = np.zeros(n)
    hits = rng.randint(0, n, size=max(4, int(70 * n / SAMPLING_RATE)))
    clicks[hits] = rng.standard_normal(len(hits)) * 4
    clicks[[0, n - 1]] = 3.0
    t = _time_s(int(0.012 * SAMPLING_RATE))
    click = np.exp(-t / 0.0025) * np.sin(2 * np.pi * 2600 * pitch * t)
    return np.convolve(clicks, click)[:n] + 0.04 * rng.standard_normal(n)


def _dog(n: int, pitch: float, rng: RandomState) -> Wave:
    """Barks: a falling voice with noise, opening and closing."""
    out = np.zeros(n)
    for start, length in _pulse_starts(n, rng.uniform(0.26, 0.38)):
        freq = np.linspace(620, 380, length) * pitch * rng.uniform(0.92, 1.08)
        voice = _harmonics(freq, [0.5, 1.0, 0.8, 0.5, 0.3, 0.15]) + 0.6 * _band_noise(length, 700, 2200, rng)
        out[start : start + length] = voice * np.sin(np.pi * np.linspace(0.1, 0.9, length)) ** 1.5
    return out


def _drum(n: int, pitch: float, rng: RandomState) -> Wave:
    """Low strokes of a skin."""
    out = np.zeros(n)
    for start, length in _pulse_starts(n, rng.uniform(0.18, 0.26)):
        stroke = _glide(110 * pitch * (1 + 0.9 * np.exp(-_time_s(length) / 0.02)))
        attack = rng.standard_normal(length) * np.exp(-_time_s(length) / 0.006)
        out[start : start + length] = (stroke + 0.5 * attack) * _decay(length, 0.1)
    return out


def _engine(n: int, pitch: float, rng: RandomState) -> Wave:
    """A rough low idle with a beat."""
    wobble = 1 + 0.04 * np.sin(2 * np.pi * rng.uniform(2, 4) * _time_s(n) + rng.uniform(0, 6.28))
    body = _harmonics(62 * pitch * wobble, [1 / (k**0.7) for k in range(1, 16)])
    beat = 0.65 + 0.35 * np.sin(2 * np.pi * 21 * pitch * _time_s(n))
    return (body + 0.8 * _band_noise(n, 60, 500, rng)) * beat


def _hiss(n: int, pitch: float, rng: RandomState) -> Wave:
    """Steam: steady high noise."""
    return _band_noise(n, 3200 * pitch, min(7600.0, 6800 * pitch), rng)


def _siren(n: int, pitch: float, rng: RandomState) -> Wave:
    """A slow wail up and down."""
    sweep = np.sin(2 * np.pi * rng.uniform(0.8, 1.2) * _time_s(n) + rng.uniform(0, 6.28))
    return _harmonics(720 * pitch * 1.55**sweep, [1.0, 0.5, 0.3, 0.15])


def _whistle(n: int, pitch: float, rng: RandomState) -> Wave:
    """A breathy tone with vibrato."""
    vibrato = 1 + 0.035 * np.sin(2 * np.pi * rng.uniform(5.5, 7) * _time_s(n))
    return _glide(2300 * pitch * vibrato) + 0.25 * _band_noise(n, 1900 * pitch, 2800 * pitch, rng)


SYNTHESISERS: dict[str, Callable[[int, float, RandomState], Wave]] = {
    "alarm": _alarm, "beep": _beep, "bell": _bell, "bird": _bird, "buzzer": _buzzer, "crackle": _crackle,
    "dog": _dog, "drum": _drum, "engine": _engine, "hiss": _hiss, "siren": _siren, "whistle": _whistle,
}  # fmt: skip


class Synthesiser:
    """The built-in source of sounds: nothing to download, nothing to license."""

    labels: tuple[str, ...] = tuple(SYNTHESISERS)
    fades = False

    def draw(self, label: str, event_s: tuple[float, float], rng: RandomState) -> tuple[str, float]:
        """A take of `label` and its length in seconds, log-uniform within `event_s`; it has no file."""
        return "", float(np.exp(rng.uniform(np.log(event_s[0]), np.log(event_s[1]))))

    def sound(self, label: str, take: str, num_samples: int, pitch: float, rng: RandomState) -> Wave:
        """A sound of exactly `num_samples`, root mean square 1, with 8 ms ramps and a slow swell.

        `pitch` multiplies the class's nominal frequency (0.7 low, 1.4 high).
        """
        wave = SYNTHESISERS[label](num_samples, pitch, rng)
        swell = 1 + rng.uniform(-0.35, 0.35) * np.linspace(-1, 1, num_samples)
        ramp = np.minimum(1, np.arange(num_samples) / (0.008 * SAMPLING_RATE))
        wave = wave * swell * ramp * ramp[::-1]
        return wave / np.sqrt(np.mean(wave**2))

    def background(self, num_samples: int, rng: RandomState) -> Wave:
        """Noise of random colour (white to nearly brown), root mean square 1."""
        spectrum = np.fft.rfft(rng.standard_normal(num_samples))
        freq_hz = np.maximum(np.fft.rfftfreq(num_samples, 1 / SAMPLING_RATE), 40.0)
        noise = np.fft.irfft(spectrum * freq_hz ** -rng.uniform(0.0, 0.8), num_samples)
        return noise / np.sqrt(np.mean(noise**2))
