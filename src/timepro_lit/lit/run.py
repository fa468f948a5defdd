"""A run: its stages in order, each made once and kept, then an evaluation of each row of the table."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from timepro_lit.evaluation.answers import is_complete
from timepro_lit.files.atomic import write_if_changed
from timepro_lit.files.fingerprint import file_digest
from timepro_lit.files.mirror import mirror
from timepro_lit.inference.windowing import Windowing, windowing_of
from timepro_lit.lalm.checkpoint import ModelSource, adapter_fingerprint, base_fingerprint
from timepro_lit.lit.cutting import cut_of, in_windows
from timepro_lit.lit.fit import CHECKPOINT, CURVES, RECORDINGS, Plan, fit, longest_s, plan
from timepro_lit.lit.progress_line import Course
from timepro_lit.lit.rows import EVALUATION, Rows, answer_rows
from timepro_lit.lit.setting import ADAPTER, Parts, Setting, quiet
from timepro_lit.lit.told import tell_reused, tell_stored
from timepro_lit.records import RunDescription
from timepro_lit.runs.directory import Run
from timepro_lit.runs.origin import Grounds, key_of
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
    hyperparameters: Mapping[str, Any],
) -> tuple[str, float | None, dict[str, Any]]:
    """Train what is missing, evaluate, write the report.

    `grounds` are what each stage's result depends on, by its settings, and `answers` what those of its model do;
    `hyperparameters` are for loggers alone. Returns the table, the last stage's validation score, and what the run was
    made from; where results of other code were taken, that code.
    """
    quiet()
    say(f"run directory: {directory}")
    setting = Setting(parts, directory, seed, checkpoint_every, hyperparameters=hyperparameters)
    data = parts.data
    wanted = _wanted(described, rows)
    _make_ready(parts, tests=bool(wanted))
    source = parts.begun(init_from)
    plans = {name: plan(setting, name, stage, source) for name, stage in parts.stage.items()}
    windowing = _windowing(setting, plans, source) if wanted else None
    setting = setting.on(course_of(setting, list(plans), wanted, data.test_split, windowing))
    found = made_from(parts, grounds, answers, init_from, wanted)
    claims = _make_stages(setting, plans, source, store, grounds, found)
    found["stages"] = {name: of_stage | {"code": claims[name].code} for name, of_stage in found["stages"].items()}
    metric = [claim.result["validation"] for claim in claims.values()][-1] if claims else None
    if not wanted:
        return "".join(f"{name}: {claim.final}\n" for name, claim in claims.items()), metric, found
    sources = {described.rows[0].key: parts.base()}
    sources |= {name: after_stage(parts, claim.final) for name, claim in claims.items()}
    notes = [f"{name}: {claim.note}" for name, claim in claims.items() if claim.note]
    grounds_of_rows, of_split = in_windows(answers, windowing), data.identity(data.test_split)
    table = Rows(sources, data.test_split, grounds_of_rows, of_split, store.reuse_anyway, notes, windowing=windowing)
    table = table.and_earlier(wanted, directory)
    text = answer_rows(setting, table, described)
    if (other := table.other_code(directory / EVALUATION)) is not None:
        found["answers"]["code"] = other
    return text, metric, found


def _windowing(setting: Setting, plans: Mapping[str, Plan], source: ModelSource) -> Windowing | None:
    """How long examples of the test split will be cut, as `evaluate` will by itself once the stages are trained."""
    trained_s = min((longest_s(setting, planned.stage) for planned in plans.values()), default=None)
    heard_s = source.frontend().max_duration_s
    return cut_of(setting.parts, setting.parts.data.test_split, windowing_of(None, None, trained_s, heard_s), None)


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
                curves_are_here = (setting.directory / name / CURVES).exists()
                if not (claim.is_own and curves_are_here):  # or its job has seen how it was trained
                    tell_reused(setting, name, claim, with_curves=not curves_are_here)
            else:
                with setting.interruption.held():
                    claim.publish(fit(setting, name, planned, source, claim))
                tell_stored(setting, name, claim)
            if is_rank_zero():
                shutil.rmtree(claim.states, ignore_errors=True)
            _show(setting.directory / name, claim.final)
        claims[name], parent, source = claim, claim.key, after_stage(setting.parts, claim.final)
    return claims


def after_stage(parts: Parts, result: Path) -> ModelSource:
    """The model as a stage left it, whose result is in this folder."""
    if (result / CHECKPOINT).exists():
        return parts.trained(result / CHECKPOINT)
    return parts.source(result / ADAPTER)


def _wanted(described: RunDescription, rows: Sequence[str] | None) -> list[str]:
    """The rows to answer: those asked for, the last one where nothing is said."""
    return [described.rows[-1].key] if rows is None else list(rows)


def _make_ready(parts: Parts, tests: bool) -> None:
    """Data and weights, as far as they are made here. Raises ValueError where splits of the run share recordings."""
    data = parts.data
    data.prepare_data()
    if parts.stage:
        splits = [data.train_split, data.validation_split, *([data.test_split] if tests else [])]
        data.refuse_shared(*splits)
        data.refuse_same_content(*splits)
    parts.model.make_checkpoint(data.texts)


def made_from(
    parts: Parts, grounds: Mapping[str, Grounds], answers: Grounds, init_from: str | None, rows: Sequence[str]
) -> dict[str, Any]:
    """All that decides what a run comes to, besides its sizes. Raises OSError where something of it is not here.

    What answers depend on is left out where no row is asked for.
    """
    data = parts.data.fingerprints() if parts.stage else {}
    tested = {"test": parts.data.identity(parts.data.test_split)} if rows else {}
    return {
        "stages": {name: asdict(of_stage) for name, of_stage in grounds.items()},
        **({"answers": asdict(answers)} if rows else {}),
        "base": base_fingerprint(parts.model),
        "init_from": taken_from(Path(init_from)) if init_from else None,
        "data": data | tested,
    }


def taken_from(result: Path) -> str:
    """Key of what a stage takes from a folder that it goes on from: the adapter, and what that was trained on."""
    recordings = result / RECORDINGS
    trained_on = file_digest(recordings) if recordings.exists() else None
    return key_of({"adapter": adapter_fingerprint(result / ADAPTER), "recordings": trained_on})


def is_up_to_date(
    finished: Run,
    parts: Parts,
    grounds: Mapping[str, Grounds],
    answers: Grounds,
    described: RunDescription,
    init_from: str | None,
    rows: Sequence[str] | None,
    reuse_anyway: bool,
) -> bool:
    """Whether a finished run would come to the same today, as far as it can be told; says in what it would not.

    One that other rows are asked of than it was when it was finished has these to answer still; one that fewer are
    asked of stays as it is.
    """
    wanted = _wanted(described, rows)
    if not all(is_complete(finished.directory / "evaluation" / row) for row in wanted):
        return False
    try:
        now = made_from(parts, grounds, answers, init_from, wanted)
    except OSError:  # a copy of the run without its data or its base: there is nothing to compare
        return True
    if (outdated := finished.outdated(now)) is None:
        return True
    if reuse_anyway and finished.outdated(now, but_code=True) is None:
        say(f"{finished.directory} was made by other code, and is taken all the same: {outdated}")
        return True
    say(f"{finished.directory} was finished, and would come to something else today: {outdated}")
    return False


def _lengths(planned: Plan) -> dict[str, Any]:
    """Optimiser steps and rows to each, whatever they were given as."""
    return {"max_steps": planned.arguments["max_steps"], "batch_size": planned.stage.batch_size}


def course_of(
    setting: Setting, stages: Sequence[str], rows: Sequence[str], split: str, windowing: Windowing | None = None
) -> Course:
    """What there is to do. Raises ValueError now where the table could not be made at the end."""
    data = setting.parts.data
    missing = [row for row in rows if not is_complete(setting.directory / "evaluation" / row)]
    return Course(stages, missing, data.num_evaluation_batches(split, windowing) if rows else 0)


def _show(folder: Path, result: Path) -> None:
    """Show a stage's result in the run directory, which may move, with the curves of the run that made it."""
    if not is_rank_zero():
        return
    mirror(result, folder / "result")
    if (result / CURVES).exists():
        write_if_changed(folder / CURVES, (result / CURVES).read_bytes().decode())
    else:
        (folder / CURVES).unlink(missing_ok=True)  # of an earlier result
