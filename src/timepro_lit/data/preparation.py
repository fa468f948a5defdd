"""From a corpus' public files to manifests: read, listen to every recording, sort out, split, write, and count.

Nothing disappears: what does not become an example is written to dropped.jsonl and counted by its reason.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from timepro_lit.data.corpora.annotated import AnnotatedCorpus, Annotation, Dropped
from timepro_lit.data.corpora.prepared import JOURNAL, SETTINGS, is_half_prepared, prepared_settings
from timepro_lit.data.joining import joined
from timepro_lit.data.manifest import is_plain_path, iterate_manifest, write_prepared
from timepro_lit.data.measuring import measure_all
from timepro_lit.data.questions import LONGEST_S, Cutting, Question, questions
from timepro_lit.data.splits import VALIDATION_SHARE, hash_of, hold_out, recording_key
from timepro_lit.data.store import AudioFolder, write_shards
from timepro_lit.data.table import arrow_file
from timepro_lit.files.atomic import sweep, write_if_changed
from timepro_lit.files.checksums import checksum_file
from timepro_lit.files.sealing import sealed
from timepro_lit.tasks.base import Task

TRAIN, VALIDATION, TEST = "train", "val", "test"
DROPPED, COUNTS, SHARDS = "dropped.jsonl", "counts.json", "shards"


@dataclass(frozen=True)
class SortedQuestions:
    """What became of the questions of a corpus."""

    splits: Mapping[str, Sequence[Question]]
    dropped: Sequence[Dropped]
    note: str | None
    """Of the test split, what a reader of its scores must know."""


def prepare(
    corpus: AnnotatedCorpus,
    root: Path,
    out: Path,
    tasks: Mapping[str, Task],
    exclude: Sequence[Path] = (),
    count_tokens: Callable[[str], int] | None = None,
    max_answer_tokens: int = 640,
    max_duration_s: float = 30.0,
    shard_bytes: int | None = None,
    num_workers: int = 2,
    cutting: Cutting | None = None,
) -> dict[str, Any]:
    """Write `<split>.jsonl`, dropped.jsonl, counts.json and prepared.json into `out`; returns the counts.

    Called again, it changes nothing; interrupted, it goes on where it stopped. Of each task's targets those that cannot
    be written are dropped. What other corpora, in the folders `exclude`, test on is in neither train nor val here, what
    they validate on not in train, what they train on neither in val nor held out. `count_tokens` counts an answer, to
    report those that evaluation would cut off. `shard_bytes`: also pack the recordings into tar shards of that size.
    `num_workers` processes listen; 0 = this one. `cutting` says how long recordings are cut whose annotations are
    complete; of the others those of over `max_duration_s` are dropped.

    Raises ValueError or OSError for files in another format, for another corpus in `out`, and where no example is left.
    """
    _refuse_other(out, corpus, root)
    elsewhere = _elsewhere(exclude)  # refused, where it is, before hours of listening
    annotations, dropped = _read(corpus, root)
    folder = AudioFolder(root)
    plain = {a.audio for a in annotations if is_plain_path(a.audio)}
    cutting, is_cut = cutting or Cutting(), any(one.complete for one in annotations)
    measured = measure_all(folder, plain, out / JOURNAL, LONGEST_S if is_cut else max_duration_s, num_workers)
    found = list(questions(corpus.name, annotations, measured, tasks, cutting, max_duration_s, dropped))
    outcome = _split(corpus, found, elsewhere, dropped)
    _write_splits(outcome, out)
    store = _packed(outcome, folder, out, shard_bytes)
    counts = _counts(corpus, outcome, tasks, count_tokens, max_answer_tokens)
    counts |= {**asdict(cutting), "none": _nones(outcome)} if is_cut else {}
    lines = [json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in outcome.dropped]
    write_if_changed(out / DROPPED, "".join(lines))
    if not outcome.splits:
        raise ValueError(f"{root}: no question became an example ({_reasons(counts)}); see {out / DROPPED}")
    write_if_changed(out / COUNTS, json.dumps(counts, indent=1) + "\n")
    settings = {"corpus": corpus.name, "root": str(root.resolve()), "audio": store, "note": outcome.note}
    write_if_changed(out / SETTINGS, sealed(settings) + "\n")  # last: its presence says that all is there
    return counts


def _packed(outcome: SortedQuestions, folder: AudioFolder, out: Path, shard_bytes: int | None) -> dict[str, str]:
    """Where the recordings are for training: where they were, or in shards that are written here."""
    if shard_bytes is None:
        below = Path(folder.root).is_relative_to(out.resolve())  # then they move, and are copied, with the manifests
        return {"folder": os.path.relpath(folder.root, out.resolve()) if below else folder.root}
    used = {question.example.audio for of_split in outcome.splits.values() for question in of_split}
    write_shards(folder, used, out / SHARDS, shard_bytes)
    return {"shards": SHARDS}


def _write_splits(outcome: SortedQuestions, out: Path) -> None:
    sweep(out)
    for split, of_split in outcome.splits.items():
        manifest = out / f"{split}.jsonl"
        write_prepared(manifest, [question.example for question in of_split])
        arrow_file(manifest)
    for path in out.glob("*.jsonl"):  # of an earlier call with other settings; others are somebody's own
        if path.stem not in outcome.splits and checksum_file(path).exists():
            for one in (path, path.with_suffix(".arrow")):
                one.unlink(missing_ok=True)
                checksum_file(one).unlink(missing_ok=True)


def _reasons(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{reason}: {sum(of_task.values())}" for reason, of_task in counts["dropped"].items())


def _refuse_other(out: Path, corpus: AnnotatedCorpus, root: Path) -> None:
    """Raise FileExistsError where `out` holds something else."""
    if not (out / SETTINGS).exists():
        if any(out.glob("*.jsonl")) and not (out / JOURNAL).exists():
            raise FileExistsError(f"out: {out} holds manifests that were not made here; choose another folder")
        return
    before = prepared_settings(out)
    if (before.get("corpus"), before.get("root")) != (corpus.name, str(root.resolve())):
        raise FileExistsError(
            f"out: {out} holds {before.get('corpus')} from {before.get('root')}; choose another folder, or remove it"
        )


def _read(corpus: AnnotatedCorpus, root: Path) -> tuple[list[Annotation], list[Dropped]]:
    annotations: list[Annotation] = []
    dropped: list[Dropped] = []
    seen: dict[str, list[Annotation]] = {}
    for one in corpus.annotations(root):
        if isinstance(one, Dropped):
            dropped.append(one)
            continue
        before = seen.setdefault(f"{one.split}/{one.id}", [])
        if any((b.audio, b.query, b.events) == (one.audio, one.query, one.events) for b in before):
            dropped.append(Dropped(one.where, "repeated", f"says what {before[0].where} says", one.task))
            continue
        before.append(one)
        annotations.append(one if len(before) == 1 else replace(one, id=f"{one.id}+{len(before) - 1}"))
    return joined(annotations, dropped), dropped


def _elsewhere(folders: Sequence[Path]) -> dict[str, str]:
    """Recording key -> the split of other corpora that needs it most: any that is tested on, then val, then train.

    Raises FileNotFoundError for a folder without manifests, or whose preparation was interrupted.
    """
    found: list[tuple[int, str, str]] = []
    for folder in folders:
        manifests = [path for path in folder.glob("*.jsonl") if path.name not in (JOURNAL, DROPPED)]
        if not manifests or is_half_prepared(folder):
            raise FileNotFoundError(f"exclude: {folder} holds no finished manifests: prepare the corpus there first")
        corpus = prepared_settings(folder).get("corpus", "")
        for path in manifests:
            need = (TRAIN, VALIDATION).index(path.stem) if path.stem in (TRAIN, VALIDATION) else 2
            split = (TRAIN, VALIDATION, TEST)[need]
            found += {(need, e.recording or recording_key(corpus, e.audio), split) for e in iterate_manifest(path)}
    return {key: split for _, key, split in sorted(found)}


def _all_held_out(questions: Sequence[Question], chosen: Collection[str]) -> list[str]:
    """Tasks of which every question is held out, as of a small part of a corpus."""
    left = {q.example.task for q in questions if q.key not in chosen}
    return sorted({q.example.task for q in questions} - left)


def _split(
    corpus: AnnotatedCorpus,
    questions: Sequence[Question],
    elsewhere: Mapping[str, str],
    dropped: list[Dropped],
) -> SortedQuestions:
    """Test before validation before train: a recording is where it is needed most, and nowhere else."""
    note = None
    splits = {question.split for question in questions}
    if corpus.held_out and TEST not in splits:
        allowed = [(q.key, q.example.task) for q in questions if q.key not in elsewhere]
        chosen = hold_out(allowed, corpus.held_out)
        questions = [replace(q, split=TEST) if q.key in chosen else q for q in questions]
        note = "not the paper's test set: held out by a hash of the recording"
        note += "".join(f"; all of {task}, with none left to train on" for task in _all_held_out(questions, chosen))
    if VALIDATION not in splits:
        questions = [replace(q, split=VALIDATION) if _validates(q, elsewhere) else q for q in questions]
    order = sorted({q.split for q in questions}, key=lambda name: (name == TRAIN, name == VALIDATION, name != TEST))
    taken: dict[str, str] = {}
    kept: dict[str, list[Question]] = {}
    for split in order:
        for question in (q for q in questions if q.split == split):
            other = taken.get(question.key) or _forbidding(split, elsewhere.get(question.key, split))
            if other is None:
                kept.setdefault(split, []).append(question)
            else:
                dropped.append(
                    Dropped(question.where, f"in {split} and in {other}", question.key, question.example.task)
                )
        taken.update(dict.fromkeys((q.key for q in kept.get(split, ())), split))
    return SortedQuestions(kept, dropped, note)


def _validates(question: Question, elsewhere: Mapping[str, str]) -> bool:
    if question.split != TRAIN or elsewhere.get(question.key) == TRAIN:
        return False
    return hash_of(f"val:{question.key}") < VALIDATION_SHARE


def _forbidding(split: str, elsewhere: str) -> str | None:
    """What forbids a recording in a split, if it is in the split `elsewhere` of another corpus."""
    forbids = split in (TRAIN, VALIDATION) and elsewhere != split
    return f"the {elsewhere} split of another corpus" if forbids else None


def _nones(outcome: SortedQuestions) -> dict[str, int]:
    """Of each split, the questions whose answer is that there is no such event."""
    examples = {split: [q.example for q in of_split] for split, of_split in sorted(outcome.splits.items())}
    return {split: sum(not e.events and e.query is not None for e in of_split) for split, of_split in examples.items()}


def _counts(
    corpus: AnnotatedCorpus,
    outcome: SortedQuestions,
    tasks: Mapping[str, Task],
    count_tokens: Callable[[str], int] | None,
    max_answer_tokens: int,
) -> dict[str, Any]:
    examples: dict[str, dict[str, int]] = {}
    long_answers: dict[str, int] = {}
    for split, asked in sorted(outcome.splits.items()):
        for question in asked:
            task = question.example.task
            of_split = examples.setdefault(split, {})
            of_split[task] = of_split.get(task, 0) + 1
            if count_tokens and count_tokens(tasks[task].target(question.example)) > max_answer_tokens:
                long_answers[split] = long_answers.get(split, 0) + 1
    dropped: dict[str, dict[str, int]] = {}
    for one in outcome.dropped:
        of_reason = dropped.setdefault(one.reason, {})
        of_reason[one.task] = of_reason.get(one.task, 0) + 1
    return {
        "corpus": corpus.name,
        "examples": examples,
        "dropped": dict(sorted(dropped.items())),
        "note": outcome.note,
        "max_answer_tokens": max_answer_tokens,
        "long_answers": long_answers if count_tokens else None,
    }
