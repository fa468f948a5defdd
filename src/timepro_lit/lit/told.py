"""What loggers are told of a stage besides its curves: where its result lies, and how its model did in the test."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any

from timepro_lit.lit.completions import ON_TEST, Judged, chosen, completions, sound_in, worth_of
from timepro_lit.lit.curve_rows import read_rows
from timepro_lit.lit.fit import CURVES
from timepro_lit.lit.loggers import Forgiven, beside_curves, finish
from timepro_lit.lit.setting import Setting
from timepro_lit.lit.shown import num_wanted
from timepro_lit.metrics.suite import Scores
from timepro_lit.records import Answer
from timepro_lit.runs.stages import Claim, is_rank_zero


def tell_reused(setting: Setting, stage: str, claim: Claim, with_curves: bool) -> None:
    """Give a stage that was found in the store a job of its own, which says where its result comes from.

    `with_curves` also repeats the curves of the training that made it.
    """
    with _told(setting, stage, result=claim.final.name) as loggers:
        for row in read_rows(claim.final / CURVES) if with_curves and loggers else ():
            step = int(row.pop("step"))
            values = {name: float(value) for name, value in row.items()}
            for logger in loggers:
                logger.log_metrics(values, step)
        for logger in loggers:
            logger.log_result(claim.final, reused=True)


def tell_stored(setting: Setting, stage: str, claim: Claim) -> None:
    """Give what a stage has just stored to the loggers that keep such results."""
    loggers = beside_curves(setting.silent_loggers(stage)) if is_rank_zero() else []
    with _finished(logger for logger in loggers if logger.keeps_results) as keepers:
        for logger in keepers:
            logger.log_result(claim.final, reused=False)


def tell_test(setting: Setting, row: str, answers: Sequence[Answer], scores: Mapping[str, Scores]) -> None:
    """Tell how the model of a row did on the test split, and show answers to a few fixed clips of it."""
    with _told(setting, row) as loggers:
        few = _a_few(answers, scores, setting, num_wanted(loggers))
        make = cache(lambda: completions(few, setting.scored, sound_in(setting.parts.data.corpus.store())))
        for logger in loggers:
            logger.log_metrics(_values(scores))
            if few:
                logger.log_completions(ON_TEST, make, None)


def _a_few(answers: Sequence[Answer], scores: Mapping[str, Scores], setting: Setting, limit: int) -> list[Judged]:
    if not limit:
        return []
    examples, tasks = [answer.example for answer in answers], setting.scored
    own = {
        (task, id_): found
        for task in tasks
        if task in scores
        for id_, found in zip(scores[task].ids, scores[task].examples, strict=True)
    }
    places = chosen([one.id for one in examples], [one.task for one in examples], limit)
    few = [answers[place] for place in places]
    return [Judged(a, worth_of(own[a.example.task, a.example.id], tasks[a.example.task])) for a in few]


def _values(scores: Mapping[str, Scores]) -> dict[str, float]:
    return {
        f"test/{task}/{metric}": value
        for task, of_task in scores.items()
        for metric, value in of_task.values.items()
        if math.isfinite(value)
    }


def _told(setting: Setting, stage: str, **told: Any) -> AbstractContextManager[list[Forgiven]]:
    """The loggers of a stage, begun, and finished behind it; on processes other than rank zero none."""
    return _finished(beside_curves(setting.loggers(stage, **told)) if is_rank_zero() else [])


@contextmanager
def _finished(loggers: Iterable[Forgiven]) -> Iterator[list[Forgiven]]:
    opened = list(loggers)
    yield opened
    for logger in opened:
        logger.save()
        logger.finalize("success")
    finish(opened)
