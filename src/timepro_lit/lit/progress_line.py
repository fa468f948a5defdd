"""The line that a run says while it works, as text: how far it is, how fast, and how long it will still take.

A stage that has not begun counts for nothing in the time left for the run, which then reads "at least": a step of GRPO
takes many times one of SFT, and nothing says how many. The rows of the table are expected to take as long a batch as
validation does, which answers in the same way.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

RECENT = 50
"""Of the latest steps, or batches, whose mean is the pace: what is to come resembles them more than the first ones."""


@dataclass(frozen=True)
class Course:
    """What a run does, in this order, as far as it is known beforehand."""

    stages: Sequence[str] = ()
    rows: Sequence[str] = ()
    """Of the table, that are still to be answered."""
    batches_per_row: int = 0
    """Over all processes."""


@dataclass(frozen=True)
class Left:
    """How long something will still take."""

    seconds: float
    at_least: bool = False
    """Whether there is more to it, of which nothing is known yet."""


class Pace:
    """How long one of many similar things takes: the mean of the latest, without the very first, which starts workers.

    >>> pace = Pace()
    >>> [pace.note(duration_s) or pace.one_s for duration_s in (9.0, 2.0, 3.0)]
    [9.0, 2.0, 2.5]
    """

    def __init__(self) -> None:
        self._first_s: float | None = None
        self._latest_s: deque[float] = deque(maxlen=RECENT)

    def note(self, duration_s: float) -> None:
        """Count one more."""
        if self._first_s is None:
            self._first_s = duration_s
        else:
            self._latest_s.append(duration_s)

    @property
    def one_s(self) -> float | None:
        """None before the first."""
        return sum(self._latest_s) / len(self._latest_s) if self._latest_s else self._first_s


def stage_left(num_steps: int, step_s: float | None, num_batches: int, batch_s: float | None) -> Left | None:
    """Of a stage with so many steps, and so many batches to answer in validation, to come; None before its first step.

    >>> stage_left(10, 2.0, 8, 0.5)
    Left(seconds=24.0, at_least=False)
    """
    if step_s is None:
        return None
    return Left(num_steps * step_s + num_batches * (batch_s or 0.0), num_batches > 0 and batch_s is None)


def run_left(now: Left | None, num_stages: int, num_batches: int, batch_s: float | None) -> Left | None:
    """Of a run that has so many stages, and so many batches of the table's rows, behind what it does `now`.

    >>> run_left(Left(24.0), 1, 40, 0.5)
    Left(seconds=44.0, at_least=True)
    """
    if now is None:
        return None
    rows = stage_left(0, 0.0, num_batches, batch_s)
    assert rows is not None
    return Left(now.seconds + rows.seconds, now.at_least or rows.at_least or num_stages > 0)


def validations_left(step: int, num_steps: int, every: float) -> int:
    """How often a stage is still validated that is, every so many steps and at its end.

    >>> validations_left(120, 500, 100), validations_left(120, 450, 100), validations_left(500, 500, 100)
    (4, 4, 0)
    """
    return max(1, math.ceil(num_steps / every)) - int(step // every) if step < num_steps else 0


def behind(names: Sequence[str], name: str) -> int:
    """How many there are after one; none where nothing is known of it.

    >>> behind(["sft", "grpo"], "sft"), behind([], "sft")
    (1, 0)
    """
    return len(names) - 1 - names.index(name) if name in names else 0


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any.

    >>> clock(7.4), clock(164), clock(90_061)
    ('0:07', '2:44', '25:01:01')
    """
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"


def head_of(name: str, done: int, total: int) -> str:
    """How the line begins; a stage without a last step has no `total`."""
    return f"{name} {done}/{total}" if total > 0 else f"{name} {done}"


def rest_of(
    values: Mapping[str, float], one_s: float | None, unit: str, left: Mapping[str, Left | None], took_s: float | None
) -> str:
    """How it goes on.

    >>> left = {"stage": Left(164.0), "run": Left(190.0, at_least=True)}
    >>> rest_of({"train/loss": 0.41234}, 0.4329, "steps", left, None)
    'loss 0.412, 2.31 steps/s, left: stage 2:44, run at least 3:10'
    >>> rest_of({}, None, "steps", {"stage": None}, None)
    ''
    >>> rest_of({}, 20.0, "steps", {"stage": Left(0.0), "run": Left(190.0)}, 7210.0)
    '0.05 steps/s, took 2:00:10, left: run 3:10'
    """
    parts = [f"{name.rpartition('/')[2].replace('_', ' ')} {value:.3g}" for name, value in values.items()]
    parts += [f"{1 / one_s:.3g} {unit}/s"] if one_s else []
    parts += [f"took {clock(took_s)}"] if took_s is not None else []
    known = [f"{of}{' at least' * it.at_least} {clock(it.seconds)}" for of, it in left.items() if it and it.seconds]
    return ", ".join(parts + ([f"left: {', '.join(known)}"] if known else []))
