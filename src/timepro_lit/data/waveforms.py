"""Samples in any shape, type and rate in, mono float32 at one rate out: what files and arrays have in common.

The only door to torchaudio.
"""

from __future__ import annotations

import math
from functools import lru_cache
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timepro_lit.data.antiphase import Phase
from timepro_lit.data.audio_error import AudioError

MAX_CHANNELS = 8
MIN_SAMPLING_RATE, MAX_SAMPLING_RATE = 4_000, 192_000
MAX_AMPLITUDE = 8.0
"""Lossy decoders overshoot 1 a little (and are clipped); floats far beyond it are no audio."""
_NAME = "array"
"""What errors call samples that come without a file."""
_FILTER_ZEROS, _ROLLOFF = 6, 0.99
"""Of the resampler's filter: its zero crossings on either side, and the part of the lower band that passes."""
_MAX_KERNEL_SIZE = 1 << 24  # resampling 44,101 Hz to 16 kHz would need a filter of 700 million taps
_SCALES = {"int8": (0, 1 << 7), "uint8": (1 << 7, 1 << 7), "int16": (0, 1 << 15), "int32": (0, 1 << 31)}
"""Of integers: what stands for 0, and for 1."""


def mono_waveform(samples: Any, sampling_rate: Any, to_rate: int, max_duration_s: float) -> Tensor:
    """An array as a file that holds it would be read: (num_samples,) float32 within [-1, 1] at `to_rate`.

    Args:
        samples: (num_samples,), (num_samples, num_channels) or (num_channels, num_samples), floats within [-1, 1] or
            int8, uint8, int16 or int32; or a pair of such samples and their rate.
        sampling_rate: in Hz; None = that of the pair, or `to_rate`.
        to_rate: of the result, in Hz.
        max_duration_s: in seconds.

    Raises AudioError for whatever cannot be a clip of at most `max_duration_s` seconds.
    """
    samples, sampling_rate = _apart(samples, sampling_rate)
    rate = to_rate if sampling_rate is None else _whole_number(sampling_rate)
    channels = _channels_last(floats(samples))
    check_format(_NAME, rate, channels.shape[1], to_rate)
    check_length(_NAME, len(channels) / rate, max_duration_s)
    waveform = mono_of_all(channels, _NAME)
    if rate != to_rate:
        waveform = resampled(waveform, rate, to_rate)
    return waveform[: int(max_duration_s * to_rate)].clamp(-1.0, 1.0)


def mono(samples: Tensor, name: str) -> Tensor:
    """The mean of the channels of (num_samples, num_channels). Raises AudioError for samples that are no audio."""
    if not bool(torch.isfinite(samples).all()):
        raise AudioError(f"{name}: holds samples that are not finite", "not_finite")
    peak = float(samples.abs().max())
    if peak > MAX_AMPLITUDE:
        raise AudioError(f"{name}: reaches an amplitude of {peak:.3g}, audio lies within [-1, 1]", "out_of_range")
    # Not mean(1), which takes twelve times as long over interleaved channels.
    return sum(samples.unbind(1)) / samples.shape[1]


def mono_of_all(samples: Tensor, name: str) -> Tensor:
    """As `mono`, of a whole recording. Raises AudioError also where its channels cancel each other."""
    waveform, phase = mono(samples, name), Phase()
    phase.add(samples)
    phase.check(name)
    return waveform


def check_format(name: str, rate: int, num_channels: int, to_rate: int) -> None:
    """Raises AudioError for more channels, or another sampling rate in Hz, than can be brought to `to_rate`."""
    if num_channels > MAX_CHANNELS:
        raise AudioError(f"{name}: has {num_channels} channels, at most {MAX_CHANNELS} are read", "channels")
    gcd = math.gcd(rate, to_rate)
    if not MIN_SAMPLING_RATE <= rate <= MAX_SAMPLING_RATE or rate // gcd * (to_rate // gcd) > _MAX_KERNEL_SIZE:
        raise AudioError(f"{name}: its sampling rate of {rate} Hz cannot be resampled to {to_rate} Hz", "sampling_rate")


def check_length(name: str, duration_s: float, max_duration_s: float) -> None:
    """Raises AudioError for what is empty or longer than it may be."""
    if duration_s == 0:
        raise AudioError(f"{name}: holds no samples", "empty")
    if duration_s > max_duration_s:
        raise AudioError(f"{name}: lasts {duration_s:.2f} s, at most {max_duration_s:g} s are read; "
                         f"cut it into windows of {max_duration_s:g} s", "too_long")  # fmt: skip


def floats(samples: Any) -> Tensor:
    """Samples as float32, integers scaled by their type. Raises AudioError for other types."""
    if isinstance(samples, Tensor):
        samples = samples.detach().cpu()
        samples = samples.float() if samples.dtype.is_floating_point else samples
    try:
        array = np.asarray(samples)
    except ValueError as error:
        raise AudioError(f"{_NAME}: {error}", "unreadable") from error
    if not array.size:
        raise AudioError(f"{_NAME}: holds no samples", "empty")
    if array.dtype.kind == "f":
        return torch.from_numpy(array.astype(np.float32, order="C"))
    zero, one = _SCALES.get(array.dtype.name, (0, 0))
    if not one:
        raise AudioError(f"{_NAME}: holds {array.dtype}; give floats within [-1, 1] or {', '.join(_SCALES)}",
                         "unreadable")  # fmt: skip
    return torch.from_numpy(((array.astype(np.float64) - zero) / one).astype(np.float32, order="C"))


def resampled(waveform: Tensor, from_rate: int, to_rate: int) -> Tensor:
    """The same sound at another rate."""
    other: Tensor = _resampler(from_rate, to_rate)(waveform)
    return other


@lru_cache(maxsize=8)
def _resampler(from_rate: int, to_rate: int) -> torch.nn.Module:
    # Imported here: corpora at the model's own rate never need torchaudio. Kept, because making the filter is work.
    from torchaudio.transforms import Resample

    return Resample(from_rate, to_rate, lowpass_filter_width=_FILTER_ZEROS, rolloff=_ROLLOFF)


def stretch(from_rate: int, to_rate: int, start_s: float, duration_s: float) -> tuple[range, range]:
    """The samples of a recording that a stretch of it at another rate is made of, and its place in what they give.

    They begin where both rates have a sample, and reach as far as the filter looks: resampled by themselves, they give
    what the whole recording would give there.

    >>> stretch(8_000, 16_000, 1.0, 0.5)
    (range(7992, 12008), range(16, 8016))
    """
    first, stop = round(start_s * to_rate), round((start_s + duration_s) * to_rate)
    if from_rate == to_rate:
        return range(first, stop), range(stop - first)
    gcd = math.gcd(from_rate, to_rate)
    block, block_out = from_rate // gcd, to_rate // gcd
    reach = math.ceil(_FILTER_ZEROS * from_rate / (_ROLLOFF * min(from_rate, to_rate))) + 1
    margin = -(-reach // block)
    begin, end = max(0, first // block_out - margin), -(-stop // block_out) + margin
    skipped = begin * block_out
    return range(begin * block, end * block), range(first - skipped, stop - skipped)


def _apart(samples: Any, sampling_rate: Any) -> tuple[Any, Any]:
    """Samples and their rate, out of a pair where they are one."""
    if not isinstance(samples, tuple) or len(samples) != 2:
        return samples, sampling_rate
    (rate, array) = samples if isinstance(samples[0], Real) else samples[::-1]
    if not isinstance(rate, Real) or isinstance(array, Real):
        return samples, sampling_rate
    if sampling_rate is not None and sampling_rate != rate:
        raise AudioError(f"{_NAME}: comes with {rate} Hz, and sampling_rate says {sampling_rate}", "sampling_rate")
    return array, rate


def _whole_number(rate: Any) -> int:
    if not isinstance(rate, Real) or not float(rate).is_integer():
        raise AudioError(f"{_NAME}: a sampling rate is a whole number of Hz, not {rate!r}", "sampling_rate")
    return int(float(rate))


def _channels_last(samples: Tensor) -> Tensor:
    """(num_samples, num_channels): of two dimensions the one of up to `MAX_CHANNELS` are the channels."""
    if samples.ndim == 1:
        return samples[:, None]
    few = [size <= MAX_CHANNELS for size in samples.shape]
    if samples.ndim != 2 or sum(few) != 1:
        shape = tuple(samples.shape)
        raise AudioError(f"{_NAME}: has the shape {shape}, and not (num_samples,), alone or with up to {MAX_CHANNELS} "
                         "channels", "channels")  # fmt: skip
    return samples if few[1] else samples.T
