"""Trained models evaluated again: a run's on its test split, on another one or on other data; an exported folder's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from timepro_lit.data.leakage import heard_before
from timepro_lit.events.merging import AGREE
from timepro_lit.events.voting import Voting
from timepro_lit.files.holding import held
from timepro_lit.inference.windowing import windowing_of
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lit.cutting import cut_of, in_windows
from timepro_lit.lit.fit import RECORDINGS
from timepro_lit.lit.rows import ANSWERS, Rows, answer_rows
from timepro_lit.lit.run import after_stage, course_of
from timepro_lit.lit.samples import make_ready
from timepro_lit.lit.setting import Parts, Setting, quiet
from timepro_lit.records import RunDescription
from timepro_lit.runs.origin import Grounds, key_of, read_record
from timepro_lit.runs.stages import LONGEST, RECORD, check_result, is_rank_zero, say


@dataclass(frozen=True)
class StoredModels:
    """Trained models that lie in a folder."""

    folder: Path
    sources: Mapping[str, ModelSource]
    """By the key of their row."""
    recordings: Mapping[str, Path]
    """By the same keys: what each was trained on, in files that need not be there."""
    longest_s: float | None = None
    """How long the recordings were that they were trained on, at least; None where that is not known."""


def models_of_run(
    parts: Parts, directory: Path, described: RunDescription, rows: Sequence[str] | None = None
) -> StoredModels:
    """The base model and that of each stage that has ended.

    Raises ValueError where one is not as it was stored, or of the `rows` that are asked for, None = all, is not there.
    """
    base, *stages = (row.key for row in described.rows)
    results = {name: directory / name / "result" for name in stages if (directory / name / "result").exists()}
    if missing := [name for name in stages if name not in results and name in (rows or stages)]:
        there = ",".join([base, *results])
        raise ValueError(f"{directory} has not finished its stage {missing[0]}: rows=[{there}] are those that it has")
    for result in results.values():
        check_result(result)
    sources = {base: parts.base()} | {name: after_stage(parts, result) for name, result in results.items()}
    trained_s = [(read_record(result / RECORD) or {}).get("result", {}).get(LONGEST) for result in results.values()]
    longest_s = min((length_s for length_s in trained_s if length_s), default=None)
    return StoredModels(directory, sources, {name: result / RECORDINGS for name, result in results.items()}, longest_s)


def model_of_export(
    parts: Parts, folder: Path, adapter: Path | None, described: RunDescription, longest_s: float | None
) -> StoredModels:
    """The one model of an exported folder."""
    (row,) = described.rows
    source = ModelSource(parts.model, parts.time_prompt, None, adapter)
    return StoredModels(folder, {row.key: source}, {row.key: folder / RECORDINGS}, longest_s)


def evaluate(
    parts: Parts,
    models: StoredModels,
    rows: Sequence[str] | None,
    split: str,
    described: RunDescription,
    answers: Grounds,
    writable: Collection[Path] | None,
    voting: Voting | None = None,
    window_s: float | None = None,
    hop_s: float | None = None,
    merge_iou: float = AGREE,
) -> str:
    """Evaluate trained models on a split, by greedy answers or by votes; returns the table.

    Into `<their folder>/evaluation-<split>-<key>`, where the key stands for the data, the questions, the precision and
    how answers are sampled: what is evaluated on other data, or voted, has another folder. Recordings that the models
    were trained on are counted beside the figures; they are no error: such a split may be asked for on purpose.

    Examples that are longer than what all models hear at once, or than `window_s`, are answered in windows, one every
    `hop_s`; so are those of all rows, in windows as long as what the models were trained on, where None are given.
    From `merge_iou` on two windows speak of one event.

    The folder may come from anybody: data are generated below the `writable` folders alone, None = anywhere, and
    nothing is written through a link. Raises ValueError where either were needed, or another process is at work there.
    """
    quiet()
    make_ready(parts.data, writable)  # the split asked for may be all there is
    chosen = list(rows or models.sources)
    heard_s = min(models.sources[name].frontend().max_duration_s for name in chosen)
    windowing = cut_of(parts, split, windowing_of(window_s, hop_s, models.longest_s, heard_s, merge_iou), voting)
    answers = in_windows(answers, windowing)
    data = parts.data.identity(split)
    folder = models.folder / f"evaluation-{split}-{key_of({'settings': answers.settings, 'data': data})[:8]}"
    for path in (folder, *folder.glob("**/*")):
        if path.is_symlink():
            raise ValueError(f"{path} is a link, and nothing is written through it")
    say(f"evaluation directory: {folder}")
    setting = Setting(parts, folder)
    setting = setting.on(course_of(setting, [], chosen, split, windowing))
    heard, notes = _heard(parts, models.recordings, split), _notes_on_stages(models.folder)
    table = Rows(models.sources, split, answers, data, notes=notes, heard=heard, voting=voting, windowing=windowing)
    with held(folder) if is_rank_zero() else nullcontext():
        return answer_rows(setting, table.and_earlier(chosen, folder), described)


def _heard(parts: Parts, stored: Mapping[str, Path], split: str) -> str | None:
    """What a reader of scores on a split must know of the recordings that the run's stages were trained on."""
    if silent := [name for name, path in stored.items() if not path.exists()]:
        return f"whether {silent[0]} was trained on some of it is not known: its folder does not say"
    heard, of = heard_before(parts.data.examples(split), list(stored.values()))
    return f"{heard} of its {of} recordings were trained on" if heard else None


def _notes_on_stages(directory: Path) -> list[str]:
    """What a run's report says of the stages that other code made."""
    noted = (read_record(directory / "report.json") or {}).get("run", {}).get("reused", [])
    return [note for note in noted if ANSWERS not in note]
