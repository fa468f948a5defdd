"""From evaluated models to the systems of a table: trainings of one method are one, whatever seed they began from.

Nothing is averaged that does not belong together: other test questions, other ways to score and other scales make a
table of their own, other settings a row of their own.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from timepro_lit.evaluation.answers import digest_of_answers
from timepro_lit.evaluation.gathering import Evaluated
from timepro_lit.evaluation.numbers import ALL_TASKS, Trained
from timepro_lit.records import Method
from timepro_lit.runs.naming import DEFAULT_SCALE

Key = TypeVar("Key", bound=Hashable)
_OF_ROW = ("model.", "time_prompt", "stage.grpo.module.reward")
"""What rows of the paper's tables differ in; the model as well, of which each has rows of its own."""
_PAPERS: Mapping[str, tuple[object, ...]] = {
    "time_prompt.stride": (1,),
    "time_prompt.init": ("digits", "random"),
    "time_prompt.before": (False,),
}
"""Of those, what they are in the paper's rows, where another value is another method."""


@dataclass(frozen=True)
class System:
    """A row of a table before it has a place in one."""

    name: str
    short: str
    about: str
    trainings: tuple[Evaluated, ...]
    """One of each seed."""

    @property
    def method(self) -> Method | None:
        """None for a system that is none of ours."""
        return self.trainings[0].method

    @property
    def trained(self) -> Trained:
        """Its scores: of the tasks that all its trainings were asked."""
        tasks = [task for task in self.trainings[0].scores if all(task in one.scores for one in self.trainings)]
        scores = {task: [one.scores[task] for one in self.trainings] for task in tasks}
        return Trained(scores, tuple(one.seed for one in self.trainings))

    @property
    def seeds(self) -> tuple[int, ...]:
        """What its trainings began from; none of a model that was not trained here."""
        method = self.method
        return () if method is None or not method.stages else tuple(one.seed or 0 for one in self.trainings)


def tables_of(evaluated: Sequence[Evaluated]) -> list[list[Evaluated]]:
    """The models apart, by what may stand in one table: equal questions and metrics of each task, and one scale.

    Systems of others have no scale; they stand with the first that were asked the same, and with none that were not.
    """
    tables: list[tuple[str | None, dict[str, tuple[str, str]], list[Evaluated]]] = []
    for one in sorted(evaluated, key=lambda e: e.method is None):
        scale = None if one.method is None else one.method.scale
        asked = {task: (one.questions[task], one.variant[task]) for task in one.scores if task != ALL_TASKS}
        for of_scale, known, members in tables:
            shared = known.keys() & asked.keys()
            if scale in ((None, of_scale) if shared else (of_scale,)) and all(
                known[task] == asked[task] for task in shared
            ):
                known.update(asked)
                members.append(one)
                break
        else:
            tables.append((scale, asked, [one]))
    return [members for _, _, members in tables]


def systems_of(evaluated: Iterable[Evaluated]) -> list[System]:
    """The systems among the models of one table, in the order in which they are met, their trainings by seed.

    One that only a later run has, such as a row that was added, stands before what follows it there.
    """
    groups: dict[tuple[str, ...], list[Evaluated]] = {}
    orders: dict[Path, list[tuple[str, ...]]] = {}
    for one in evaluated:
        own = (one.system,) if one.method is None else tuple(sorted(map(repr, one.method.settings.items())))
        key = (str(one.method is None), str(one.content), *own)
        groups.setdefault(key, []).append(one)
        orders.setdefault(one.run or one.folder, []).append(key)
    systems = [system for key in in_one_order(list(orders.values())) for system in _apart(groups[key])]
    return _told_apart(_alike_apart(systems))


def in_one_order(orders: Sequence[Sequence[Key]]) -> list[Key]:
    """All that several lists hold, each once; what is new in a later one stands before what follows it there.

    >>> in_one_order([["sft", "grpo"], ["zero_shot", "sft", "grpo"], ["sft", "dapo"]])
    ['zero_shot', 'sft', 'grpo', 'dapo']
    """
    found: list[Key] = []
    for order in orders:
        for place, key in enumerate(order):
            if key not in found:
                behind = next((other for other in order[place + 1 :] if other in found), None)
                found.insert(len(found) if behind is None else found.index(behind), key)
    return found


def _apart(members: Sequence[Evaluated]) -> list[System]:
    """One system of trainings that differ in their seed; where two of the same seed said other things, one of each run.

    Nobody knows then which belong together.
    """
    method = members[0].method
    if method is None:
        return [_other(members)]
    distinct: dict[tuple[int | None, str], Evaluated] = {}
    for one in members:  # the same result, found in another run, counts once; what was not trained has no seed
        distinct.setdefault((one.seed if method.stages else None, digest_of_answers(one.folder)), one)
    trainings = sorted(distinct.values(), key=lambda e: e.seed or 0)
    seeds = [seed for seed, _ in distinct]
    apart = [(one,) for one in trainings] if len(set(seeds)) < len(seeds) else [tuple(trainings)]
    name, short = _names(method)
    return [System(name, short, method.row.about, group) for group in apart]


def _other(members: Sequence[Evaluated]) -> System:
    """A system of others, whose tasks are scored one by one. Raises ValueError for a task that was scored twice."""
    scores, questions, variant = {}, {}, {}
    for one in members:
        if twice := scores.keys() & one.scores.keys() - {ALL_TASKS}:
            raise ValueError(f"runs: {one.folder} and another folder both hold scores of {one.system} in {min(twice)}")
        scores |= one.scores
        questions |= one.questions
        variant |= one.variant
    whole = replace(members[0], scores=scores, questions=questions, variant=variant)
    return System(whole.system, whole.system, "is another system, whose answers were scored", (whole,))


def _names(method: Method) -> tuple[str, str]:
    if not method.stages:
        return f"{method.row.name}, {method.model}", f"{method.row.short} {method.model}"
    return f"{method.experiment}: {method.row.name}", method.experiment


def _alike_apart(systems: Sequence[System]) -> list[System]:
    """Rows of one experiment by their stage; an experiment with one row alone, and one experiment alone, say less."""
    methods = [system.method for system in systems if system.method]
    if len({(method.experiment, method.model) for method in methods if method.stages}) <= 1:
        return [replace(s, name=s.method.row.name, short=s.method.row.short) if s.method else s for s in systems]
    found = []
    for system in systems:
        rows = {m.row.short for m in methods if system.method and m.stages and m.experiment == system.method.experiment}
        if system.method and system.method.stages and len(rows) > 1:
            system = replace(system, short=f"{system.short}: {system.method.row.short}")
        found.append(system)
    return found


def _told_apart(systems: Sequence[System]) -> list[System]:
    """Systems of one name with what they differ in, or, where that is nothing, with the folder of their run."""
    found = []
    for system in systems:
        # One of others that is called as one of ours is told apart, and ours is not.
        alike = [o for o in systems if o.short == system.short and (o.method or not system.method)]
        if len(alike) > 1:
            told = told_apart(system, alike)
            system = replace(system, name=f"{system.name} ({told})", short=f"{system.short} ({told})")
        found.append(system)
    return found


def told_apart(system: System, others: Sequence[System]) -> str:
    """What tells a system from others that would be called the same: settings, and the folder where these are equal."""
    words = [] if system.method is None else differences(system, [other for other in others if other.method])
    own = system.method.settings if system.method else None
    equal = [o for o in others if o is not system and (o.method.settings if o.method else None) == own]
    return ", ".join([*words, *([] if words and not equal else [str(system.trainings[0].folder)])])


def differences(system: System, others: Sequence[System]) -> list[str]:
    """In which settings a system differs from any of the others, as key=value; keys as short as they stay clear."""
    trees: list[Mapping[str, object]] = [other.method.settings if other.method else {} for other in others]
    own = system.method.settings if system.method else {}
    absent = "none"
    keys = [
        key
        for key in dict.fromkeys(key for tree in trees for key in tree)
        if len({repr(t.get(key)) for t in trees}) > 1
    ]
    last = [key.rpartition(".")[2] for key in keys]
    return [
        f"{word if last.count(word) == 1 else key}={own.get(key, absent)}" for key, word in zip(keys, last, strict=True)
    ]


def unlike_most(system: System, others: Sequence[System]) -> list[str]:
    """Settings, but those that make a row of the paper, in which a system differs from most others that have them.

    What makes another method is told wherever it is not the paper's.
    """
    if system.method is None:
        return []
    trees = [other.method.settings for other in others if other.method and other.method.stages]
    odd = []
    for key, value in system.method.settings.items():
        held = [repr(tree[key]) for tree in trees if key in tree]
        usual = max(dict.fromkeys(held), key=held.count, default=repr(value))
        papers = _papers(key, system.method.scale)
        if (value not in papers) if papers else (repr(value) != usual and not key.startswith(_OF_ROW)):
            odd.append(f"{key.rpartition('.')[2]}={value}")
    return odd


def _papers(key: str, scale: str) -> tuple[object, ...]:
    """What a setting may be in a row of the paper; nothing where that does not make a method."""
    if key == "time_prompt.share_positions":  # which sizes say: the default alone shares them
        return (scale == DEFAULT_SCALE,)
    return (0,) if key.endswith(".module.reward.rescue") else _PAPERS.get(key, ())
