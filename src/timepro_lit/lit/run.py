"""A run: its stages in order, each made once and kept, then an evaluation of each row of the table."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from timepro_lit.evaluation.answers import is_complete
from timepro_lit.files.atomic import write_if_changed
from timepro_lit.files.fingerprint import fingerprint
from timepro_lit.files.mirror import mirror
from timepro_lit.lalm.checkpoint import ModelSource, base_fingerprint
from timepro_lit.lit.fit import ADAPTER, CHECKPOINT, CURVES, Plan, fit, plan
from timepro_lit.lit.progress_line import Course
from timepro_lit.lit.rows import ANSWERS, Rows, answer_rows
from timepro_lit.lit.setting import Parts, Setting, quiet
from timepro_lit.records import RunDescription
from timepro_lit.runs.directory import LOCK, Run
from timepro_lit.runs.origin import Grounds, key_of, read_record
from timepro_lit.runs.stages import Claim, StageStore, is_rank_zero, say


def run(
    parts: Parts,
    directory: Path,
    store: StageStore,
    grounds: Mapping[str, Grounds],
    answers: Grounds,
    described: RunDescription,
    init_from: str | None,
    seed: int,
    checkpoint_every: int | None,
    rows: Sequence[str] | None,
) -> tuple[str, float | None, dict[str, Any]]:
    """Train what is missing, evaluate, write the report.

    `grounds` are what each stage's result depends on, by its settings, and `answers` what those of its model do.
    Returns the table, the last stage's validation score, and what the run was made from.
    """
    quiet()
    say(f"run directory: {directory}")
    setting, data = Setting(parts, directory, seed, checkpoint_every), parts.data
    data.prepare_data()
    parts.model.make_checkpoint(data.texts)
    source = parts.source(Path(init_from) / ADAPTER if init_from else None)
    plans = {name: plan(setting, name, stage, source) for name, stage in parts.stage.items()}
    base = described.rows[0].key
    wanted = [] if _trains_base(parts, init_from) else rows or [[base, *plans][-1]]
    setting = setting.on(_course(setting, list(plans), wanted, data.test_split))
    found = made_from(parts, grounds, answers, init_from)
    claims = _make_stages(setting, plans, source, store, grounds, found)
    metric = [claim.result["validation"] for claim in claims.values()][-1] if claims else None
    if _trains_base(parts, init_from):  # the weights themselves: there is nothing to put beside them
        return f"trained weights: {list(claims.values())[-1].final / CHECKPOINT}", metric, found
    sources = {base: parts.base()} | {name: _after(parts, claim) for name, claim in claims.items()}
    notes = [f"{name}: {claim.note}" for name, claim in claims.items() if claim.note]
    chosen, seen = {name: sources[name] for name in wanted}, data.identity(data.test_split)
    table = Rows(chosen, data.test_split, answers, seen, store.reuse_anyway, notes)
    return answer_rows(setting, table, described), metric, found


def _make_stages(
    setting: Setting,
    plans: Mapping[str, Plan],
    source: ModelSource,
    store: StageStore,
    grounds: Mapping[str, Grounds],
    found: Mapping[str, Any],
) -> dict[str, Claim]:
    """The result of each stage, one after the other, made where it is missing."""
    seen = {role: of_split for role, of_split in found["data"].items() if role != "test"}
    parent, claims = found["init_from"] or found["base"], {}
    for name, planned in plans.items():
        given = {"base": found["base"], "parent": parent, "data": seen, "lengths": _lengths(planned)}
        with store.claim(name, grounds[name].on(**given)) as claim:
            if claim.complete:
                say(f"{name}: reused from {claim.told}")
            else:
                claim.publish(fit(setting, name, planned, source, claim))
            if is_rank_zero():
                shutil.rmtree(claim.states, ignore_errors=True)
            _show(setting.directory / name, claim.final)
        claims[name], parent, source = claim, claim.key, _after(setting.parts, claim)
    return claims


def _after(parts: Parts, claim: Claim) -> ModelSource:
    """The model as a stage left it."""
    adapter = claim.final / ADAPTER
    return parts.source(adapter if adapter.exists() else None)


def evaluate(
    parts: Parts,
    directory: Path,
    rows: Sequence[str] | None,
    split: str,
    described: RunDescription,
    answers: Grounds,
) -> str:
    """Evaluate stages of a finished run on a split; returns the table.

    Into `<directory>/evaluation-<split>-<key>`, where the key stands for the data, the questions and the precision:
    what is evaluated on other data has another folder. Raises ValueError where another process is at work there.
    """
    quiet()
    parts.data.corpus.make_ready()  # the split asked for may be all there is
    sources = {described.rows[0].key: parts.base()}
    for name in parts.stage:
        sources[name] = parts.source(directory / name / "result" / ADAPTER)
    data = parts.data.identity(split)
    key = key_of({"settings": answers.settings, "data": data})[:8]
    setting, wanted = Setting(parts, directory / f"evaluation-{split}-{key}"), rows or list(sources)
    say(f"evaluation directory: {setting.directory}")
    setting = setting.on(_course(setting, [], wanted, split))
    chosen, notes = {name: sources[name] for name in wanted}, _notes_on_stages(directory)
    with _held(setting.directory):
        return answer_rows(setting, Rows(chosen, split, answers, data, notes=notes), described)


def made_from(parts: Parts, grounds: Mapping[str, Grounds], answers: Grounds, init_from: str | None) -> dict[str, Any]:
    """All that decides what a run comes to, besides its sizes. Raises OSError where something of it is not here."""
    data = parts.data.fingerprints() if parts.stage else {}
    if not _trains_base(parts, init_from):
        data |= {"test": parts.data.identity(parts.data.test_split)}
    return {
        "stages": {name: asdict(of_stage) for name, of_stage in grounds.items()},
        "answers": asdict(answers),
        "base": base_fingerprint(parts.model),
        "init_from": fingerprint(Path(init_from)) if init_from else None,
        "data": data,
    }


def is_up_to_date(
    finished: Run, parts: Parts, grounds: Mapping[str, Grounds], answers: Grounds, init_from: str | None
) -> bool:
    """Whether a finished run would come to the same today, as far as it can be told; says in what it would not."""
    try:
        now = made_from(parts, grounds, answers, init_from)
    except OSError:  # a copy of the run without its data or its base: there is nothing to compare
        return True
    if (outdated := finished.outdated(now)) is not None:
        say(f"{finished.directory} was finished, and would come to something else today: {outdated}")
    return outdated is None


def _trains_base(parts: Parts, init_from: str | None) -> bool:
    """Whether the weights themselves are trained, without an adapter."""
    return bool(parts.stage) and parts.lora is None and init_from is None


def _notes_on_stages(directory: Path) -> list[str]:
    """What a run's report says of the stages that other code made."""
    noted = (read_record(directory / "report.json") or {}).get("run", {}).get("reused", [])
    return [note for note in noted if ANSWERS not in note]


def _lengths(planned: Plan) -> dict[str, Any]:
    """Optimiser steps and rows to each, whatever they were given as."""
    return {"max_steps": planned.arguments.get("max_steps", -1), "batch_size": planned.stage.batch_size}


def _course(setting: Setting, stages: Sequence[str], rows: Sequence[str], split: str) -> Course:
    """What there is to do. Raises ValueError now where the table could not be made at the end."""
    data = setting.parts.data
    missing = [row for row in rows if not is_complete(setting.directory / "evaluation" / row)]
    return Course(stages, missing, -(-len(data.examples(split)) // data.eval_batch_size) if rows else 0)


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """The directory of an evaluation, held against other processes that would write into it."""
    if not is_rank_zero():
        yield
        return
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(directory / LOCK, timeout=0):
            yield
    except Timeout as error:
        raise ValueError(f"{directory}: another process is running in this directory") from error


def _show(folder: Path, result: Path) -> None:
    """Show a stage's result in the run directory, which may move, with the curves of the run that made it."""
    if not is_rank_zero():
        return
    mirror(result, folder / "result")
    if (result / CURVES).exists():
        write_if_changed(folder / CURVES, (result / CURVES).read_bytes().decode())
    else:
        (folder / CURVES).unlink(missing_ok=True)  # of an earlier result
