"""From folders on disk to evaluated models: of runs, and of other systems whose answers were scored."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from timepro_lit.evaluation.answers import PREDICTIONS, SCORES, is_complete, read_answers
from timepro_lit.evaluation.numbers import metrics_of, scores_by_task
from timepro_lit.evaluation.sums import SUMS, questions_of, read_sums
from timepro_lit.events.voting import Voting
from timepro_lit.events.windows import Cut
from timepro_lit.files.json_object import read_object, shown
from timepro_lit.metrics.base import SumMetric
from timepro_lit.metrics.suite import Scores
from timepro_lit.records import Method
from timepro_lit.runs.config_file import CONFIG, dotted, entries
from timepro_lit.runs.determinants import VOTING, WINDOWS
from timepro_lit.runs.directory import Run
from timepro_lit.runs.origin import Grounds, key_of, read_record
from timepro_lit.runs.stages import RECORD
from timepro_lit.settings.description import in_other_windows, with_votes
from timepro_lit.tasks.base import ScoredTask

EVALUATION = "evaluation"
VOTED = f"{EVALUATION}-*/{EVALUATION}"
"""Where `evaluate` leaves votes, in a run."""


@dataclass(frozen=True)
class Evaluated:
    """One model and its answers to a test split."""

    folder: Path
    """Of the answers."""
    system: str
    """What it is called: the experiment of a run, or whose answers were scored."""
    scores: Mapping[str, Scores]
    """By task, and over all of them."""
    questions: Mapping[str, str]
    """By task, a digest of what was asked."""
    variant: Mapping[str, str]
    """By task, a digest of how it is scored."""
    tasks: Mapping[str, ScoredTask]
    method: Method | None = None
    """None for a system that is none of ours."""
    seed: int | None = None
    run: Path | None = None
    content: str | None = None
    """Digest of what it was trained on and from, by content; None where the run does not say."""
    read_anew: bool = False
    """Whether its scores are of its answers as they are read now, which its folder does not say."""


def folders_of(arguments: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """Run directories and folders of scores that arguments name: themselves, by a glob, or below a folder.

    Raises ValueError that names the argument with which nothing is meant.
    """
    runs, scores = {}, {}
    for argument in arguments:
        places = [Path(argument)] if os.path.lexists(argument) else [Path(p) for p in sorted(glob.glob(argument))]
        found = [path for place in places for path in _below(place)]
        if not found:
            missing = "holds no run and no scores" if places else "does not exist"
            raise ValueError(f"runs: {argument} {missing}")
        for path in found:
            kind = runs if is_run(path) else scores
            kind[path.resolve()] = path.absolute()
    return list(runs.values()), list(scores.values())


def _below(place: Path) -> Iterator[Path]:
    """Runs and folders of scores at a place and below it, in order; links below it are not followed."""
    if _is_one(place):
        yield place
        return
    for folder, inside, _ in os.walk(place):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        ones = [name for name in inside if _is_one(Path(folder, name))]
        yield from (Path(folder, name) for name in ones)
        inside[:] = [name for name in inside if name not in ones]


def _is_one(folder: Path) -> bool:
    return is_run(folder) or ((folder / SUMS).exists() and (folder / SCORES).exists() and _is_scored(folder))


def _is_scored(folder: Path) -> bool:
    """Whether `timepro_lit.score` made it; scores of a run's own answers say no task of theirs."""
    try:
        return isinstance(read_object(folder / SCORES).get("task"), str)
    except ValueError:  # which is said where it is read
        return not (folder / RECORD).exists()


def is_run(folder: Path) -> bool:
    """Whether it has the settings of a run; others write a config.yaml as well."""
    config = folder / CONFIG
    return config.is_file() and b"\npaths:" in config.read_bytes()


def evaluations_of(
    run: Path,
    methods: Sequence[Method],
    seed: int,
    tasks: Callable[[], Mapping[str, ScoredTask]],
    metrics: Callable[[str], Sequence[SumMetric]],
    scoring: Grounds,
    variant: Mapping[str, str],
    rescored: list[Path],
) -> list[Evaluated]:
    """The rows of a run that were evaluated to their end, in the order of `methods`, and after each its votes.

    Votes are those that `evaluate` has left in the run, each way to vote a row of its own; what else it left is a
    second look at the same answers, or at other data, and has a report of its own. Sums that are not there, or were
    made by other code, are made again, and their folder is added to `rescored`. Raises ValueError that names a file
    that is damaged or no answer.
    """
    if (path := Run(run).damaged(f"{EVALUATION}/*", "*/metrics.csv")) is not None:
        raise ValueError(f"{path} is missing or damaged: the command that made the run makes it again")
    found = []
    places = [(run / EVALUATION / method.row.key, method) for method in methods]
    for folder, method in [place for own in places for place in (own, *_voted(run, own[1]))]:
        if not (folder / PREDICTIONS).exists():
            continue
        known = read_sums(folder, folder / PREDICTIONS, metrics, scoring)
        anew = known is None
        if known is None:
            if not is_complete(folder):
                if (folder / RECORD).exists():
                    raise ValueError(
                        f"{folder} is damaged or was changed: the command that made the run makes it again"
                    )
                continue  # half an evaluation of an earlier version
            answers = read_answers(folder, tasks())
            known = scores_by_task(answers, tasks()), questions_of([answer.example for answer in answers])
            rescored.append(folder)
        content = _content(run, method)
        found.append(Evaluated(folder, method.experiment, *known, variant, tasks(), method, seed, run, content, anew))
    return found


def _voted(run: Path, method: Method) -> list[tuple[Path, Method]]:
    """Where votes of a run's row on the data of its own answers lie, and what to call them.

    The row need not have an answer of its own, but some row of the run, by which the data are known.
    """
    found = []
    own = [_determinants(record.parent) for record in sorted((run / EVALUATION).glob(f"*/{RECORD}"))]
    asked = next((one["data"] for one in own if "data" in one), None)
    usual = next((one["settings"].get(WINDOWS) for one in own if "settings" in one), None)
    for folder in sorted(run.glob(f"{VOTED}/{method.row.key}")):
        determinants = _determinants(folder)
        settings = determinants.get("settings", {})
        said = settings.get(VOTING)
        if said is None or not own or (asked is not None and determinants.get("data") != asked):
            continue  # no votes, or on other clips or recordings
        try:
            voting, windows = Voting(**said), settings.get(WINDOWS)
            cut = None if windows is None else Cut(**windows["cut"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{folder / RECORD} says no way to vote: {error}") from None
        apart = {key: settings[key] for key in (WINDOWS, "trainer") if key in settings}
        apart["data"] = key_of({"data": determinants.get("data")})
        how = {dotted((VOTING, *place)): value for place, value in entries({**said, **apart})}
        leaves = {key: value for key, value in how.items() if not isinstance(value, Mapping | list)}
        row = with_votes(method.row, voting)
        row = row if windows == usual else in_other_windows(row, cut)
        found.append((folder, replace(method, row=row, settings={**method.settings, **leaves})))
    return found


def _determinants(folder: Path) -> Mapping[str, Any]:
    """What a record says that the answers of a folder were made from; nothing where there is none."""
    said = (read_record(folder / RECORD) or {}).get("determinants")
    return said if isinstance(said, dict) else {}


def _content(run: Path, method: Method) -> str | None:
    """By the records of its stages' results; where data lie, settings do not say for all machines alike."""
    records = [read_record(run / stage / "result" / RECORD) for stage in method.stage_keys]
    origins = [record.get("determinants") for record in records if record]
    if not origins or len(origins) < len(records) or not all(isinstance(one, dict) for one in origins):
        return None
    return key_of({"stages": [{key: one.get(key) for key in ("base", "data", "lengths")} for one in origins if one]})


def scored_elsewhere(folder: Path, of_runs: Sequence[Evaluated], scoring: Callable[[str], Grounds]) -> Evaluated:
    """A system that is none of ours, by the folder that `timepro_lit.score` made of its answers to one task.

    Its figures were made as those of one of the runs are, or it is refused: raises ValueError where no run scores the
    task in the same way, or what lies there was scored by other code.
    """
    said = read_object(folder / SCORES)
    task, system, variant = (said.get(key) for key in ("task", "system", "variant"))
    # Called by nobody, it is one with what was scored into the same folder, and with nothing else.
    place = None if said.get("named") else str((folder.parent if folder.name == task else folder).resolve())
    alike = [one for one in of_runs if isinstance(task, str) and one.variant.get(task) == variant]
    if not alike:
        raise ValueError(
            f"runs: {folder} was scored in {shown(task)} in another way than any of the runs, or its classes"
        )
    known = read_sums(
        folder, folder / PREDICTIONS, lambda name: metrics_of(name, alike[0].tasks), scoring(str(variant))
    )
    if known is None:
        raise ValueError(f"runs: {folder} was scored by other code, or changed since: score the answers again")
    return Evaluated(folder, str(system), *known, {task: str(variant)}, alike[0].tasks, content=place)
