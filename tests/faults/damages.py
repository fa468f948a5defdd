"""Damage to every kind of file that a run leaves: then the command that reads it repairs it or says what is wrong."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

from bench import TIMEOUT_S, Bench, Case, Skipped, Trial, asking, on_prepared
from kill_at import file_of
from processes import Done
from tiny_run import Place
from verdict import Wrong, check_right, files_below, refusal, shown

DAMAGES_OF_EACH = 2
REMEDY = re.compile(r"delete (/\S+?)[,;:]?(?:\s|$)")
"""How a refusal says what has to go."""
STATES = ("step-3/state.ckpt", "step-3/state.json", "step-3/metrics.csv", "best.safetensors")
PREPARED = ("train.jsonl", "val.jsonl", "test.jsonl", "train.arrow", "counts.json", "prepared.json", "audio.jsonl", "")
EXPORTED = (
    "model.safetensors", "config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json",
    "tokenizer_config.json", "chat_template.jinja", "export.json", "answer.yaml",
)  # fmt: skip


def cases(bench: Bench, rng: Random) -> Iterator[Case]:
    """All damages: some of the kinds to each kind of file."""
    whole = bench.made("whole")
    patterns = dict.fromkeys(file_of(path, whole.folder) for path in files_below(whole.folder))
    files = [("whole", pattern) for pattern in patterns if pattern is not None]
    files += [("states-sft", f"outputs/stages/sft-*.states/{name}") for name in STATES]
    files += [("states-grpo", f"outputs/stages/grpo-*.states/{name}") for name in STATES if "best" not in name]
    files += [("states-sft", "outputs/run/sft/metrics.csv"), ("states-grpo", "outputs/run/grpo/metrics.csv")]
    files += [("prepared", f"data/{name}" if name else "data/*/*/*.flac") for name in PREPARED]
    files += [("exported", f"exported/{name}") for name in EXPORTED]
    possible = [name for name, damage in DAMAGES.items() if damage is not _unreadable or os.geteuid() != 0]
    for start, pattern in files:
        for damage in rng.sample(possible, DAMAGES_OF_EACH):
            act = partial(_damaged, start=start, pattern=pattern, damage=damage)
            yield Case("damage", f"{damage} {pattern} of {start}", start, act)


def _damaged(trial: Trial, start: str, pattern: str, damage: str) -> str:
    place = trial.place
    found = sorted(path for path in place.folder.glob(pattern) if path.is_file())
    if not found:
        raise Skipped(f"there is no {pattern}")
    path = trial.rng.choice(found)
    DAMAGES[damage](path, trial.rng)
    read, right = _reader(trial, start, pattern)
    done = read()
    if done.code == 0 and "Traceback" not in done.err:
        right(done)
        return ""
    said = refusal(done, place)
    _remedy(said, path, place, trial.bench.made(start))
    right(read())
    return said


def _reader(trial: Trial, start: str, pattern: str) -> tuple[Callable[[], Done], Callable[[Done], None]]:
    """The command that reads a damaged file, and the check that it came to what it should."""
    place, whole = trial.place, trial.bench.made("prepared" if start == "prepared" else "whole")
    if start == "exported":
        return lambda: trial.call("predict", *asking(place, "asked")), lambda done: _answered(place, done)
    # Another run of the same settings reads the store and the data; the finished one would not look at them.
    run = "again" if pattern.startswith(("outputs/stages/", "data/")) and start in ("whole", "prepared") else "run"
    if start == "prepared":
        trial.extra = on_prepared(place)
    return lambda: trial.start(run=run).wait(TIMEOUT_S), lambda done: check_right(whole, place, done, run)


def _answered(place: Place, done: Done) -> None:
    if done.code != 0:
        raise Wrong(f"exit code {done.code} of predict once more; {shown(done)}")
    answers = [(place.folder / name / "predictions.jsonl").read_bytes() for name in ("asked", "answers")]
    if answers[0] != answers[1]:
        raise Wrong(f"predict answers otherwise; {shown(done)}")


def _remedy(said: str, path: Path, place: Place, intact: Place) -> None:
    """Do what the sentence says; where it says nothing to do, put back the file that was damaged."""
    if found := REMEDY.search(said):
        named = Path(found[1])
        if not named.is_relative_to(place.folder):
            raise Wrong(f"advises to delete {named}")
        _remove(named)
        if named == path or named in path.parents:
            return
    _remove(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(intact.folder / path.relative_to(place.folder), path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flip(path: Path, rng: Random) -> None:
    """One bit."""
    content = bytearray(path.read_bytes())
    if not content:
        raise Skipped("an empty file has no bit")
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def _cut(path: Path, rng: Random) -> None:
    """In half."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _cut_at_a_line(path: Path, rng: Random) -> None:
    """Behind some line but the last."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: rng.randrange(len(lines))]) if lines else b"")


def _empty(path: Path, rng: Random) -> None:
    path.write_bytes(b"")


def _delete(path: Path, rng: Random) -> None:
    path.unlink()


def _folder(path: Path, rng: Random) -> None:
    """A folder in place of a file."""
    path.unlink()
    path.mkdir()


def _unreadable(path: Path, rng: Random) -> None:
    """Not tried as root, who reads all files."""
    path.chmod(0)


DAMAGES: dict[str, Callable[[Path, Random], None]] = {
    "flip a bit of": _flip,
    "halve": _cut,
    "cut at a line": _cut_at_a_line,
    "empty": _empty,
    "delete": _delete,
    "make a folder of": _folder,
    "take the rights of": _unreadable,
}
