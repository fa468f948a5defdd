"""Where a listener hears a recorded sound in a mix: as long as it makes the background louder by what an ear notices.

Levels are A-weighted (IEC 61672-1), as a sound level meter shows them, in steps of 10 ms.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from timepro_lit.data.corpora.clip_plans import ClipPlan, Sound, SoundscapeSettings, SoundSource
from timepro_lit.data.corpora.synthesis import SAMPLING_RATE, Wave

NOTICED_DB = 1.0
"""The least change of level that is noticed in noise."""
_STEP = SAMPLING_RATE // 100
_SOUND_STEPS, _BACKGROUND_STEPS = 4, 50
"""Over how long levels are taken: a background is known by half a second of it."""


def as_heard(plan: ClipPlan, settings: SoundscapeSettings, source: SoundSource, rng: RandomState) -> ClipPlan:
    """The plan of a clip with its labels where its sounds are heard, in the order in which they begin.

    `rng` is what the clip will be rendered from; it is left as it is.
    """
    ahead = RandomState()
    ahead.set_state(rng.get_state())
    tick = round(settings.tick_s * SAMPLING_RATE)
    background = _levels(source.background(plan.num_ticks * tick, ahead), _BACKGROUND_STEPS)
    heard = [replace(s, heard=_heard(s, background, tick, source, ahead)) for s in plan.sounds]
    order = sorted(range(len(heard)), key=lambda i: (*heard[i].heard_ticks, heard[i].label))
    return replace(plan, sounds=tuple(heard[i] for i in order), asked=order.index(plan.asked))


def _heard(sound: Sound, background: Wave, tick: int, source: SoundSource, rng: RandomState) -> tuple[int, int]:
    """Ticks of the clip between which a sound is heard; all of its own where it is nowhere as loud as that."""
    wave = source.sound(sound.label, sound.take, (sound.offset_tick - sound.onset_tick) * tick, sound.pitch, rng)
    level = _levels(wave, _SOUND_STEPS) * 10 ** (sound.snr_db / 10)
    start = sound.onset_tick * tick // _STEP
    masking = background[np.minimum(np.arange(start, start + len(level)), len(background) - 1)]
    loud = np.flatnonzero(level >= masking * (10 ** (NOTICED_DB / 10) - 1))
    if not len(loud):
        return sound.onset_tick, sound.offset_tick
    first = sound.onset_tick + int(loud[0]) * _STEP // tick
    end = sound.onset_tick + -(-(int(loud[-1]) + 1) * _STEP // tick)
    return first, min(max(end, first + 1), sound.offset_tick)


def _levels(wave: Wave, num_steps: int) -> Wave:
    """A-weighted power at each step of 10 ms, over `num_steps` of them around it."""
    weighted = np.fft.irfft(np.fft.rfft(wave) * _a_weights(len(wave)), len(wave))
    power = np.add.reduceat(weighted**2, np.arange(0, len(wave), _STEP))
    window = np.ones(min(num_steps, len(power)))
    over = np.convolve(np.ones(len(power)), window, "same")
    levels: Wave = np.convolve(power, window, "same") / over
    return levels


def _a_weights(num_samples: int) -> NDArray[np.float64]:
    """Factor on the amplitude of each bin of a real Fourier transform, 1 at 1 kHz."""
    f2 = np.fft.rfftfreq(num_samples, 1 / SAMPLING_RATE) ** 2
    weights: NDArray[np.float64] = (12194.0**2 * f2**2) / (
        (f2 + 20.6**2) * np.sqrt((f2 + 107.7**2) * (f2 + 737.9**2)) * (f2 + 12194.0**2)
    )
    return weights * 10**0.1
