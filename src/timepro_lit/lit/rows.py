"""The rows of a table: greedy answers of each model to a split, scored, written, and never made twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from timepro_lit.evaluation.answers import is_complete, read_answers, write_evaluation
from timepro_lit.evaluation.numbers import scores_by_task
from timepro_lit.evaluation.publish import publish, report_of, table_of
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lit.base import AnsweringModule
from timepro_lit.lit.processes import gathered
from timepro_lit.lit.setting import Setting, release
from timepro_lit.metrics.suite import Scores
from timepro_lit.records import Answer, RunDescription
from timepro_lit.runs.stages import is_rank_zero, say


def answer_rows(
    setting: Setting,
    sources: Mapping[str, ModelSource],
    split: str,
    described: RunDescription,
    heard: str | None = None,
) -> str:
    """Answers of each row's model, scored; writes report.json and report.html; returns the table.

    `heard` is said beside the figures, with what the corpus says of its test split.
    """
    rows = {name: answer_row(setting, name, source, split) for name, source in sources.items()}
    note = "; ".join(filter(None, (setting.parts.data.corpus.note(), heard))) or None
    report = report_of(rows, setting.scored, described, note)
    if not is_rank_zero():
        return table_of(report)
    return f"{table_of(report)}page: {publish(setting.directory, report)}\n"


def answer_row(setting: Setting, name: str, source: ModelSource, split: str) -> dict[str, Scores]:
    """Scores of one model on a split; its evaluation is read, where it is there already, and otherwise written."""
    folder = setting.directory / "evaluation" / name
    tasks = setting.scored
    if is_complete(folder):
        say(f"{name}: answers reused from {folder}")
        return scores_by_task(read_answers(folder, tasks), tasks)
    release()
    module = AnsweringModule(source.load, tasks, metrics={})
    trainer = setting.new_trainer(name, logger=False)
    setting.parts.data.place(trainer.global_rank, trainer.world_size)
    setting.parts.data.connect(source.frontend())
    loader = setting.parts.data.evaluation_loader(split)
    module.skips = setting.parts.data.skips(trainer.world_size, loader)
    trainer.test(module, loader, verbose=False)
    answers = gather_answers(module.answers)
    scores = scores_by_task(answers, tasks)
    if is_rank_zero():
        store = setting.parts.data.corpus.store()
        write_evaluation(folder, answers, scores, store.location, module.skips.by_kind())
    return scores


def gather_answers(answers: Sequence[Answer]) -> list[Answer]:
    """The answers of all processes, in the order of their ids; batches are dealt out without copies."""
    parts = gathered(list(answers))
    return sorted((answer for part in parts for answer in part), key=lambda answer: answer.example.id)
