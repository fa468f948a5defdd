"""What a generated clip will hold, drawn before a sample is rendered, and the rendering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from timepro_lit.data.corpora.synthesis import SAMPLING_RATE

SAME_CLASS_GAP_S = 0.28
"""Two sounds of one class closer than this would be heard as one."""
_COUNT_WEIGHTS = (0.3, 0.35, 0.2, 0.15)
"""Chance of 1, 2, 3 and 4 events."""


class SoundSource(Protocol):
    """Where the sounds of a soundscape come from: synthesis or recordings."""

    labels: tuple[str, ...]
    fades: bool
    """Whether its sounds may end below the background, so that where they are heard follows from the mix."""

    def draw(self, label: str, event_s: tuple[float, float], rng: RandomState) -> tuple[str, float]: ...
    def sound(self, label: str, take: str, num_samples: int, pitch: float, rng: RandomState) -> NDArray[np.float64]: ...
    def background(self, num_samples: int, rng: RandomState) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class Sound:
    """One planned event, before it becomes samples."""

    onset_tick: int
    offset_tick: int
    label: str
    take: str
    """File of a recorded sound; empty for a synthesised one."""
    pitch: float
    """Factor on the class's nominal frequency, 0.7 to 1.4."""
    snr_db: float
    heard: tuple[int, int] | None = None
    """First tick and the one after the last in which it is heard; None = from its onset to its offset."""

    @property
    def heard_ticks(self) -> tuple[int, int]:
        """What its label says."""
        return self.heard or (self.onset_tick, self.offset_tick)


@dataclass(frozen=True)
class ClipPlan:
    """What a clip will hold: enough for its labels, without a sample rendered."""

    num_ticks: int
    sounds: tuple[Sound, ...]
    asked: int
    """Index of the sound that the grounding question is about; its class occurs once in the clip."""
    sought: str | None = None
    """Class of the sounds that the question about all occurrences asks for; None where it is not asked."""


@dataclass(frozen=True)
class SoundscapeSettings:
    """What decides the content of a clip, apart from its split and index. Times in seconds, levels in decibels."""

    seed: int
    clip_s: float
    clip_spread_s: float
    """Clip lengths are uniform within clip_s +- clip_spread_s."""
    tick_s: float
    """Grid of lengths, onsets and offsets: 0.04 is the audio frame, 0.01 gives times off the frames."""
    event_s: tuple[float, float]
    snr_db: tuple[float, float]
    occurrences: tuple[float, ...] | None = None
    """Chances of 0, 1, 2, ... occurrences of a sound that is asked for; None where no question asks for all of them."""
    others: tuple[float, ...] | None = None
    """Beside those, chances of 1, 2, ... sounds of other classes; None for what fits into a clip of some seconds."""

    def __post_init__(self) -> None:
        for name in ("occurrences", "others"):
            chances = getattr(self, name)
            if chances is not None and not (min(chances, default=-1.0) >= 0 and abs(sum(chances) - 1) < 1e-6):
                raise ValueError(f"{name} are chances that sum to 1, not {list(chances)}")
        if self.others is not None and self.occurrences is None:
            raise ValueError("others: they stand beside the sound that is asked for, and occurrences is null")
        if self.clip_s - self.clip_spread_s <= self.event_s[0]:
            raise ValueError(
                f"clip_s - clip_spread_s must exceed the shortest event, event_s[0] = {self.event_s[0]:g} s"
            )
        if abs(round(self.tick_s * 100) - self.tick_s * 100) > 1e-9 or self.tick_s <= 0:
            raise ValueError(
                f"tick_s = {self.tick_s} is not a whole number of hundredths, in which answers are written"
            )


def length_of(settings: SoundscapeSettings, rng: RandomState) -> int:
    """Ticks of one clip."""
    shortest = round((settings.clip_s - settings.clip_spread_s) / settings.tick_s)
    return int(rng.randint(shortest, round((settings.clip_s + settings.clip_spread_s) / settings.tick_s) + 1))


def plan_clip(settings: SoundscapeSettings, source: SoundSource, rng: RandomState) -> ClipPlan:
    """Length and sounds of one clip; at least one class occurs exactly once, so that it can be asked for."""
    tick_s = settings.tick_s
    num_ticks = length_of(settings, rng)
    gap = round(SAME_CLASS_GAP_S / tick_s)
    while True:
        sounds: list[Sound] = []
        for _ in range(1 + rng.choice(len(_COUNT_WEIGHTS), p=_COUNT_WEIGHTS)):
            repeated = bool(sounds) and rng.uniform() < 0.2
            label = sounds[-1].label if repeated else source.labels[rng.randint(len(source.labels))]
            take, length_s = source.draw(label, settings.event_s, rng)
            length = min(max(1, round(length_s / tick_s)), num_ticks)
            onset = int(rng.randint(0, num_ticks - length + 1))
            pitch, snr_db = float(2 ** rng.uniform(-0.5, 0.5)), float(rng.uniform(*settings.snr_db))
            if all(
                s.label != label or onset >= s.offset_tick + gap or onset + length <= s.onset_tick - gap for s in sounds
            ):
                sounds.append(Sound(onset, onset + length, label, take, pitch, snr_db))
        sounds.sort(key=lambda s: (s.onset_tick, s.offset_tick, s.label))
        names = [s.label for s in sounds]
        single = [i for i, name in enumerate(names) if names.count(name) == 1]
        if single:
            return ClipPlan(num_ticks, tuple(sounds), single[rng.randint(len(single))])


def render(plan: ClipPlan, settings: SoundscapeSettings, source: SoundSource, rng: RandomState) -> NDArray[np.float64]:
    """Samples of one clip, peak within 0.9; an event's root mean square lies `snr_db` above the background's."""
    tick = round(settings.tick_s * SAMPLING_RATE)
    clip = source.background(plan.num_ticks * tick, rng)
    for s in plan.sounds:
        wave = source.sound(s.label, s.take, (s.offset_tick - s.onset_tick) * tick, s.pitch, rng)
        clip[s.onset_tick * tick : s.offset_tick * tick] += wave * 10 ** (s.snr_db / 20)
    return clip * (rng.uniform(0.25, 0.9) / np.abs(clip).max())
