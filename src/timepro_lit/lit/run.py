"""A run: its stages in order, each made once and kept, then an evaluation of each row of the table."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from timepro_lit.files.fingerprint import fingerprint
from timepro_lit.files.mirror import mirror
from timepro_lit.lalm.checkpoint import base_fingerprint
from timepro_lit.lit.fit import ADAPTER, CHECKPOINT, CURVES, fit, plan
from timepro_lit.lit.rows import answer_rows
from timepro_lit.lit.setting import Parts, Setting, quiet
from timepro_lit.records import RunDescription
from timepro_lit.runs.stages import StageStore, is_rank_zero


def run(
    parts: Parts,
    directory: Path,
    store: StageStore,
    determinants: Mapping[str, Any],
    described: RunDescription,
    init_from: str | None,
    seed: int,
    checkpoint_every: int | None,
    rows: Sequence[str] | None,
) -> tuple[str, float | None]:
    """Train what is missing, evaluate, write the report; returns the table and the last stage's validation score.

    `determinants` are the settings that each stage's result depends on.
    """
    quiet()
    setting, data = Setting(parts, directory, seed, checkpoint_every), parts.data
    data.prepare_data()
    parts.model.make_checkpoint(data.texts)
    source = parts.source(Path(init_from) / ADAPTER if init_from else None)
    plans = {name: plan(setting, name, stage, source) for name, stage in parts.stage.items()}
    parent = fingerprint(Path(init_from)) if init_from else base_fingerprint(parts.model)
    sources = {described.rows[0].key: parts.base()}
    metric = None
    for name, planned in plans.items():
        given = {"settings": determinants[name], "parent": parent, "data": data.fingerprints()}
        with store.claim(name, given) as claim:
            if not claim.complete:
                claim.publish(fit(setting, name, planned, source, claim))
            if is_rank_zero():
                shutil.rmtree(claim.states, ignore_errors=True)
            metric, parent = claim.result["validation"], claim.key
            adapter = claim.final / ADAPTER
            source = parts.source(adapter if adapter.exists() else None)
            sources[name] = source
            _show(directory / name, claim.final)
    if parts.stage and source.adapter is None:  # the weights themselves were trained: nothing to put beside them
        return f"trained weights: {claim.final / CHECKPOINT}", metric
    wanted = rows or [list(sources)[-1]]
    return answer_rows(setting, {name: sources[name] for name in wanted}, data.test_split, described), metric


def evaluate(
    parts: Parts, directory: Path, rows: Sequence[str] | None, split: str, described: RunDescription
) -> str:
    """Evaluate stages of a finished run on a split, into `<directory>/evaluation-<split>`; returns the table."""
    quiet()
    parts.data.prepare_data()
    sources = {described.rows[0].key: parts.base()}
    for name in parts.stage:
        sources[name] = parts.source(directory / name / "result" / ADAPTER)
    setting = Setting(parts, directory / f"evaluation-{split}")
    return answer_rows(setting, {name: sources[name] for name in rows or sources}, split, described)


def _show(folder: Path, result: Path) -> None:
    """Show a stage's result in the run directory, which may move, with the curves of the run that made it."""
    if is_rank_zero():
        mirror(result, folder / "result")
        if (result / CURVES).exists() and not (folder / CURVES).exists():
            shutil.copy(result / CURVES, folder / CURVES)
