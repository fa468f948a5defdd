"""A run: its stages in order, each made once and kept, then an evaluation of each row of the table."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from timepro_lit.data.leakage import heard_before
from timepro_lit.evaluation.answers import is_complete
from timepro_lit.files.fingerprint import fingerprint
from timepro_lit.files.mirror import mirror
from timepro_lit.lalm.checkpoint import base_fingerprint
from timepro_lit.lit.fit import ADAPTER, CHECKPOINT, CURVES, RECORDINGS, fit, plan
from timepro_lit.lit.progress_line import Course
from timepro_lit.lit.rows import answer_rows
from timepro_lit.lit.setting import Parts, Setting, quiet
from timepro_lit.records import RunDescription
from timepro_lit.runs.stages import StageStore, is_rank_zero, say


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
    say(f"run directory: {directory}")
    setting, data = Setting(parts, directory, seed, checkpoint_every), parts.data
    trains_base = bool(parts.stage) and init_from is None and parts.lora is None
    _make_ready(parts, tests=not trains_base)
    source = parts.source(Path(init_from) / ADAPTER if init_from else None)
    plans = {name: plan(setting, name, stage, source) for name, stage in parts.stage.items()}
    sources = {described.rows[0].key: parts.base()}
    wanted = [] if trains_base else rows or [[*sources, *plans][-1]]
    setting = setting.on(_course(setting, list(plans), wanted, data.test_split))
    parent = fingerprint(Path(init_from)) if init_from else base_fingerprint(parts.model)
    metric = None
    for name, planned in plans.items():
        given = {"settings": determinants[name], "parent": parent, "data": data.fingerprints()}
        with store.claim(name, given) as claim:
            if claim.complete:
                say(f"{name}: reused from {claim.final}")
            else:
                claim.publish(fit(setting, name, planned, source, claim))
            if is_rank_zero():
                shutil.rmtree(claim.states, ignore_errors=True)
            metric, parent = claim.result["validation"], claim.key
            adapter = claim.final / ADAPTER
            source = parts.source(adapter if adapter.exists() else None)
            sources[name] = source
            _show(directory / name, claim.final)
    if trains_base:  # the weights themselves were trained: nothing to put beside them
        return f"trained weights: {claim.final / CHECKPOINT}", metric
    return answer_rows(setting, {name: sources[name] for name in wanted}, data.test_split, described), metric


def _make_ready(parts: Parts, tests: bool) -> None:
    """Data and weights, as far as they are made here. Raises ValueError where splits of the run share recordings."""
    data = parts.data
    data.prepare_data()
    if parts.stage:
        data.refuse_shared(data.train_split, data.validation_split, *([data.test_split] if tests else []))
    parts.model.make_checkpoint(data.texts)


def evaluate(
    parts: Parts,
    directory: Path,
    rows: Sequence[str] | None,
    split: str,
    described: RunDescription,
    writable: Collection[Path] | None,
) -> str:
    """Evaluate stages of a finished run on a split, into `<directory>/evaluation-<split>`; returns the table.

    The run may come from anybody: data are generated below the `writable` folders alone, None = anywhere, and nothing
    is written through a link. Raises ValueError where either were needed. Recordings that it was trained on are counted
    beside the figures; they are no error: such a split may be asked for on purpose.
    """
    quiet()
    place = parts.data.corpus.generated_in()
    own = writable is None or place is None or any(place.resolve().is_relative_to(w.resolve()) for w in writable)
    if not own:
        raise ValueError(f"the run's data would be generated in {place}: allow it by paths.data={place.parent}")
    for path in (directory / f"evaluation-{split}", *directory.glob(f"evaluation-{split}/**/*")):
        if path.is_symlink():
            raise ValueError(f"{path} is a link, and nothing is written through it")
    parts.data.prepare_data()
    base, *stages = (row.key for row in described.rows)
    sources = {base: parts.base()}
    for name in stages:
        sources[name] = parts.source(directory / name / "result" / ADAPTER)
    setting, wanted = Setting(parts, directory / f"evaluation-{split}"), rows or list(sources)
    say(f"evaluation directory: {setting.directory}")
    setting = setting.on(_course(setting, [], wanted, split))
    heard = _heard(parts, {name: directory / name / "result" / RECORDINGS for name in stages}, split)
    return answer_rows(setting, {name: sources[name] for name in wanted}, split, described, heard)


def _heard(parts: Parts, stored: Mapping[str, Path], split: str) -> str | None:
    """What a reader of scores on a split must know of the recordings that the run's stages were trained on."""
    if silent := [name for name, path in stored.items() if not path.exists()]:
        return f"whether the run was trained on some of it is not known: an older result of {silent[0]} does not say"
    heard, of = heard_before(parts.data.examples(split), list(stored.values()))
    return f"{heard} of its {of} recordings were trained on" if heard else None


def _course(setting: Setting, stages: Sequence[str], rows: Sequence[str], split: str) -> Course:
    """What there is to do. Raises ValueError now where the table could not be made at the end."""
    data = setting.parts.data
    missing = [row for row in rows if not is_complete(setting.directory / "evaluation" / row)]
    return Course(stages, missing, -(-len(data.examples(split)) // data.eval_batch_size) if rows else 0)


def _show(folder: Path, result: Path) -> None:
    """Show a stage's result in the run directory, which may move, with the curves of the run that made it."""
    if is_rank_zero():
        mirror(result, folder / "result")
        if (result / CURVES).exists() and not (folder / CURVES).exists():
            shutil.copy(result / CURVES, folder / CURVES)
