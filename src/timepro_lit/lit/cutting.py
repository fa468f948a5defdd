"""The examples of a split that are longer than what is heard at once, and how they are cut into windows."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np

from timepro_lit.events.voting import Voting
from timepro_lit.inference.windowing import Windowing
from timepro_lit.lit.setting import Parts
from timepro_lit.runs.determinants import WINDOWS
from timepro_lit.runs.origin import Grounds
from timepro_lit.runs.stages import say
from timepro_lit.tasks.base import scored
from timepro_lit.tasks.grounding import takes_one_event
from timepro_lit.tasks.merged import no_merging


def cut_of(parts: Parts, split: str, windowing: Windowing, voting: Voting | None) -> Windowing | None:
    """How the examples of a split are cut into windows; None where all are heard in one piece.

    Raises ValueError where one is asked a question that one event answers, without votes.
    """
    examples = parts.data.asked(split)
    long = np.flatnonzero(examples.durations_s > windowing.whole_s)
    if not len(long):
        return None
    names, firsts = np.unique(examples.tasks[long].astype(str), return_index=True)
    for name, first in zip(names.tolist(), firsts.tolist(), strict=True):
        task, example = scored(parts.task)[name], examples[int(long[first])]
        if takes_one_event(task) and voting is None:
            lasts = f"lasts {example.duration_s:g} s, of which {windowing.whole_s:g} s are heard at once"
            raise ValueError(f"example {example.id!r} ({example.audio}) {lasts}, and {no_merging(task)}")
    cut = windowing.cut
    said = f"{len(long):,} of {len(examples):,} questions are about more than {windowing.whole_s:g} s"
    say(f"{said}: they are asked in windows of {cut.window_s:g} s, one every {cut.hop_s:g} s")
    return windowing


def in_windows(answers: Grounds, windowing: Windowing | None) -> Grounds:
    """What answers depend on that are given in windows, where any are."""
    if windowing is None:
        return answers
    return replace(answers, settings={**answers.settings, WINDOWS: asdict(windowing)})
