"""The rows of a table: answers of each model to a split, greedy or voted, scored, written, and never made twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from timepro_lit.data.windowed import WindowedExamples
from timepro_lit.evaluation.answers import (
    found_record,
    is_complete,
    read_answers,
    read_skipped,
    write_evaluation,
    write_readings,
)
from timepro_lit.evaluation.numbers import scores_by_task
from timepro_lit.evaluation.publish import publish, report_of, table_of
from timepro_lit.events.voting import Voting
from timepro_lit.files.fingerprint import fingerprint
from timepro_lit.inference.windowing import Windowing
from timepro_lit.lalm.checkpoint import ModelSource, base_fingerprint
from timepro_lit.lit.base import AnsweringModule
from timepro_lit.lit.processes import gathered
from timepro_lit.lit.setting import Setting, release
from timepro_lit.lit.told import tell_test
from timepro_lit.metrics.suite import Scores
from timepro_lit.records import Answer, RunDescription
from timepro_lit.runs.determinants import grounds_of_scores
from timepro_lit.runs.origin import Grounds, Origin, listed, other_versions, read_record
from timepro_lit.runs.stages import RECORD, is_rank_zero, say
from timepro_lit.tasks.merged import merged

ANSWERS = "answers"
EVALUATION = "evaluation"
"""Folder of a row's answers, by its key."""


@dataclass(frozen=True)
class Rows:
    """The rows to answer: a model each, and what decides whether answers that are there are taken."""

    sources: Mapping[str, ModelSource]
    split: str
    grounds: Grounds
    data: Mapping[str, Any]
    """Identity of the split."""
    reuse_anyway: bool = False
    """Take answers that other code made."""
    notes: list[str] = field(default_factory=list)
    """What a reader of the numbers must know of reused results."""
    heard: str | None = None
    """What a reader must know of recordings that the models were trained on."""
    voting: Voting | None = None
    """How the answers are sampled and voted over, as `grounds` say too; None = greedy."""
    windowing: Windowing | None = None
    """How long examples are cut into windows, as `grounds` say too; None where there are none."""

    def origin(self, name: str) -> Origin:
        """What a row's answers are made from."""
        source = self.sources[name]
        return self.grounds.on(
            base=base_fingerprint(source.backbone),
            time_prompt=None if source.time_prompt is None else asdict(source.time_prompt),
            adapter=None if source.adapter is None else fingerprint(source.adapter),
            data=self.data,
        )

    def and_earlier(self, wanted: Collection[str], directory: Path) -> Rows:
        """The rows that are wanted, and those with answers in the directory from before, in the order of training."""
        folder = directory / EVALUATION
        earlier = {name for name in self.sources if (folder / name).exists() and self.found(folder, name) is not None}
        return replace(self, sources={n: source for n, source in self.sources.items() if n in wanted or n in earlier})

    def found(self, folder: Path, name: str) -> dict[str, Any] | None:
        """The record of answers that are there and to be taken."""
        origin = self.origin(name)
        record = found_record(folder / name, origin)
        return record if record is not None and (self.reuse_anyway or not origin.other_code(record)) else None

    def other_code(self, folder: Path) -> Mapping[str, str] | None:
        """The code that made answers which are there, of the first row where it is not today's."""
        made_by = ((read_record(folder / name / RECORD) or {}).get("code") for name in self.sources)
        return next((code for code in made_by if code is not None and code != self.grounds.code), None)


def answer_rows(setting: Setting, rows: Rows, described: RunDescription) -> str:
    """Answers of each row's model, scored; writes report.json and report.html; returns the table.

    Rank zero alone scores, writes and has a table.
    """
    scores: dict[str, dict[str, Scores]] = {}
    for name in rows.sources:
        answers, scores[name] = answer_row(setting, rows, name)
        if is_rank_zero():
            tell_test(setting, name, answers, scores[name])
        del answers  # before the next row's
    if not is_rank_zero():
        return ""
    in_windows = None if rows.windowing is None else str(rows.windowing)
    note = "; ".join(filter(None, (setting.parts.data.corpus.note(), rows.heard, in_windows))) or None
    report = report_of(scores, setting.scored, described, note, rows.notes, rows.split)
    return f"{table_of(report)}page: {publish(setting.directory, report)}\n"


def answer_row(setting: Setting, rows: Rows, name: str) -> tuple[list[Answer], dict[str, Scores]]:
    """Answers of one model to a split and their scores, on rank zero; read, where they are there, otherwise made."""
    folder, origin, tasks = setting.directory / EVALUATION / name, rows.origin(name), setting.scored
    locate = setting.parts.data.corpus.store().location
    scoring = grounds_of_scores(rows.grounds.settings["task"])
    if (record := rows.found(folder.parent, name)) is not None:
        if not is_rank_zero():
            return [], {}
        files = origin.other_code(record)
        note = f"{ANSWERS} made by other code ({listed(files)})" if files else None
        said = "; ".join(part for part in (note, other_versions(record)) if part)
        say(f"{name}: answers reused from {folder}{f' ({said})' if said else ''}")
        rows.notes.extend([f"{name}: {note}"] if note else [])
        answers = read_answers(folder, tasks)
        scores = scores_by_task(answers, tasks)
        write_readings(folder, answers, scores, locate, read_skipped(folder), scoring)
        return answers, scores
    _say_why(folder, name, origin)
    with setting.interruption.held():
        answers, skipped = _made(setting, rows, name)
        if not is_rank_zero():
            return [], {}
        scores = scores_by_task(answers, tasks)
        write_evaluation(folder, answers, scores, locate, skipped, origin, scoring)
    return answers, scores


def _say_why(folder: Path, name: str, origin: Origin) -> None:
    """Why answers that are there are made anew."""
    if not folder.exists():
        return
    record = found_record(folder, origin)
    files = listed(origin.other_code(record)) if record else ""
    why = f"were made by other code ({files})" if record else "were made from something else"
    say(f"{name}: answers made anew; those in {folder} {why if is_complete(folder) else 'are not whole'}")


def _made(setting: Setting, rows: Rows, name: str) -> tuple[list[Answer], Mapping[str, int]]:
    """The answers of all processes in the order of their ids, and how many examples have none, by kind of fault."""
    release()
    source = rows.sources[name]
    module = AnsweringModule(source.load, setting.scored, metrics={}, voting=rows.voting)
    trainer = setting.new_trainer(name, logger=False)
    setting.parts.data.place(trainer.global_rank, trainer.world_size)
    setting.parts.data.connect(source.frontend())
    loader = setting.parts.data.evaluation_loader(rows.split, rows.windowing)
    module.skips = setting.parts.data.skips(loader)
    trainer.test(module, loader, verbose=False)
    answers = [answer for of_process in gathered(module.answers) for answer in of_process]
    skipped = module.skipped()
    if rows.windowing is not None:
        windowed = setting.parts.data.asked(rows.split, rows.windowing)
        answers = _merged(windowed, answers, skipped, setting, rows.windowing.merge_iou)
    return sorted(answers, key=lambda answer: answer.example.id), Counter(skipped.values())


def _merged(
    windowed: WindowedExamples,
    answers: Sequence[Answer],
    skipped: Mapping[str, str],
    setting: Setting,
    merge_iou: float,
) -> list[Answer]:
    """Answers, those of windows as those of their recordings: whole, or without an answer where one was skipped."""
    of_window = {answer.example.id: answer for answer in answers}
    for place, ids in windowed.wholes().items():
        example = windowed.examples[place]
        found = [of_window.pop(id_) for id_ in ids if id_ in of_window]
        if found and example.id not in skipped:
            of_window[example.id] = merged(example, setting.scored[example.task], found, merge_iou)
    return list(of_window.values())
