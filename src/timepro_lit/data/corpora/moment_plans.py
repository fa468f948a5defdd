"""Plans of clips that are asked for all occurrences of a sound: some have it not at all, some up to several times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import RandomState

from timepro_lit.data.corpora.clip_plans import (
    SAME_CLASS_GAP_S,
    ClipPlan,
    Sound,
    SoundscapeSettings,
    SoundSource,
    length_of,
)

_OTHERS_WEIGHTS = (0.5, 0.35, 0.15)
"""Chance of 1, 2 and 3 sounds of other classes; one alone where the sought one occurs more than twice."""
_MAX_DRAWS = 1000


def plan_moments(settings: SoundscapeSettings, source: SoundSource, rng: RandomState) -> ClipPlan:
    """Length and sounds of one clip, one class of which is sought; the others occur once each.

    `settings.occurrences` are the chances of 0, 1, 2, ... sounds of the sought class, which neither touch nor overlap.
    Raises ValueError where so many never fit into a clip, or there are not so many other classes.
    """
    assert settings.occurrences is not None
    num_ticks = length_of(settings, rng)
    labels = [str(label) for label in rng.permutation(source.labels)]
    number = int(rng.choice(len(settings.occurrences), p=settings.occurrences))
    sounds = _repeated(labels[0], number, num_ticks, settings, source, rng)
    num_others = _number_of_others(settings, number, rng)
    if num_others >= len(labels):
        raise ValueError(f"others: there are no {num_others} classes beside the one that is asked for")
    for label in labels[1 : 1 + num_others]:
        take, length_s = source.draw(label, settings.event_s, rng)
        length = min(max(1, round(length_s / settings.tick_s)), num_ticks)
        sounds.append(_sound(label, take, int(rng.randint(0, num_ticks - length + 1)), length, settings, rng))
    sounds.sort(key=lambda s: (s.onset_tick, s.offset_tick, s.label))
    single = [i for i, s in enumerate(sounds) if s.label != labels[0] or number == 1]
    return ClipPlan(num_ticks, tuple(sounds), single[rng.randint(len(single))], sought=labels[0])


def _number_of_others(settings: SoundscapeSettings, number: int, rng: RandomState) -> int:
    if settings.others is not None:
        return 1 + int(rng.choice(len(settings.others), p=settings.others))
    return 1 if number > 2 else 1 + int(rng.choice(len(_OTHERS_WEIGHTS), p=_OTHERS_WEIGHTS))


def _repeated(
    label: str, number: int, num_ticks: int, settings: SoundscapeSettings, source: SoundSource, rng: RandomState
) -> list[Sound]:
    """So many sounds of one class, one after the other; what is left of the clip lies anywhere between them."""
    gap = round(SAME_CLASS_GAP_S / settings.tick_s)
    for _ in range(_MAX_DRAWS):
        drawn = [source.draw(label, settings.event_s, rng) for _ in range(number)]
        lengths = [max(1, round(length_s / settings.tick_s)) for _, length_s in drawn]
        left = num_ticks - sum(lengths) - gap * max(0, number - 1)
        if left >= 0:
            onsets = _onsets(lengths, gap, np.sort(rng.randint(0, left + 1, size=number)))
            takes = [take for take, _ in drawn]
            return [
                _sound(label, take, onset, length, settings, rng)
                for take, onset, length in zip(takes, onsets, lengths, strict=True)
            ]
    raise ValueError(f"occurrences: {number} sounds of event_s = {settings.event_s} s do not fit into a clip")


def _onsets(lengths: Sequence[int], gap: int, silences: np.ndarray) -> list[int]:
    """Where each sound begins; `silences` are the ticks left free before it in all, gaps aside."""
    taken = np.cumsum([0, *(length + gap for length in lengths[:-1])])[: len(lengths)]
    return [int(onset) for onset in taken + silences]


def _sound(label: str, take: str, onset: int, length: int, settings: SoundscapeSettings, rng: RandomState) -> Sound:
    pitch, snr_db = float(2 ** rng.uniform(-0.5, 0.5)), float(rng.uniform(*settings.snr_db))
    return Sound(onset, onset + length, label, take, pitch, snr_db)
