"""A report over whatever runs and scores lie below some folders."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from timepro_lit.evaluation.gathering import Evaluated, evaluations_of, folders_of, scored_elsewhere
from timepro_lit.evaluation.numbers import metrics_of
from timepro_lit.evaluation.reporting import Wish, report_over
from timepro_lit.metrics.base import SumMetric
from timepro_lit.settings.methods import Readers, methods_of
from timepro_lit.settings.stored import settings_as_data
from timepro_lit.tasks.base import ScoredTask


def report_over_runs(arguments: Sequence[str], directory: Path, wish: Wish, trust: Collection[str] = ()) -> str:
    """Find the runs, read and group them, write the report into `directory`; returns the tables and what was odd.

    `arguments` are as in `folders_of`. Raises ValueError where one of them names nothing, or a run cannot be read.
    """
    evaluated, odd = evaluated_in(arguments, trust)
    return odd + report_over(evaluated, directory, wish)


def evaluated_in(arguments: Sequence[str], trust: Collection[str] = ()) -> tuple[list[Evaluated], str]:
    """All models that were evaluated, and what was odd about them, in lines. Raises as `report_over_runs` does."""
    runs, scores = folders_of(arguments)
    readers, rescored = Readers(trust), list[Path]()
    found = {run: _evaluated(run, readers, rescored) for run in runs}
    evaluated = [one for of_run in found.values() for one in of_run]
    evaluated += [scored_elsewhere(folder, evaluated, readers.scoring_of) for folder in scores]
    silent = [str(run) for run, of_run in found.items() if not of_run]
    odd = [f"no evaluation yet: {', '.join(silent)}\n"] if silent else []
    if rescored:
        odd.append(f"{len(rescored)} evaluations were scored again: they were stored by code that scores otherwise\n")
    return evaluated, "".join(odd)


def _evaluated(run: Path, readers: Readers, rescored: list[Path]) -> list[Evaluated]:
    """What was evaluated of a run; what had to be scored again is added to `rescored`."""
    settings = settings_as_data(run, readers.trust)
    try:
        methods, seed, tasks = methods_of(settings), int(settings["seed"]), settings["task"]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{run}/config.yaml holds no settings of a run: {error!r}") from error
    reader = readers.of(run, tasks)
    metrics = partial(_metrics, reader.build)
    return evaluations_of(run, methods, seed, reader.build, metrics, reader.scoring, reader.variant, rescored)


@cache
def _metrics(build: Callable[[], Mapping[str, ScoredTask]], task: str) -> Sequence[SumMetric]:
    """Of the tasks that hundreds of runs have in common, once."""
    return metrics_of(task, build())
