from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from timepro_lit.data.audio import write_audio
from timepro_lit.data.corpora.prepared import Prepared
from timepro_lit.data.identity import identity
from timepro_lit.data.manifest import write_manifest
from timepro_lit.records import Event, Example
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.sound_events import SoundEventDetection

TASKS = {"ag": Grounding(), "sed": SoundEventDetection(["dog"])}
EVENT = Event(0.1, 0.5, "dog")


class Reworded(Grounding):
    def prompt(self, example: Example) -> str:
        return f"{super().prompt(example)} Be exact."


def record(path: Path, level: float) -> None:
    write_audio(path, torch.full((16_000,), level), 16_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    examples = [Example(f"{n}", task, f"{n % 2}.wav", 1.0, (EVENT,), "a dog") for n, task in enumerate(TASKS)]
    write_manifest(tmp_path / "data" / "train.jsonl", examples)
    for n in range(2):
        record(tmp_path / "data" / f"{n}.wav", 0.1 + n / 10)
    return tmp_path / "data"


def of(folder: Path, tasks: Any = TASKS) -> dict[str, Any]:
    corpus = Prepared(str(folder))
    return json.loads(json.dumps(identity(corpus.manifests("train"), tasks, corpus.store())))


def changed(before: Any, after: Any) -> list[str]:
    return [key for key in before if before[key] != after[key]]


def test_a_copy_is_the_same(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    (tmp_path / "copy" / "prepared.json").write_text(json.dumps({"audio": {"folder": str(folder)}}))
    assert of(tmp_path / "copy") == of(folder)
    os.utime(folder / "0.wav")
    assert of(folder) == of(tmp_path / "copy")


def test_a_recording_counts_by_its_content_and_only_where_it_is_asked_about(folder: Path) -> None:
    before, of_sed = of(folder), of(folder, {"sed": TASKS["sed"]})
    record(folder / "0.wav", 0.9)  # of the task ag
    assert changed(before, of(folder)) == ["recordings"]
    assert changed(of_sed, of(folder, {"sed": TASKS["sed"]})) == []


def test_a_split_without_any_of_its_recordings_is_refused(folder: Path) -> None:
    record(folder / "elsewhere" / "0.wav", 0.1)
    (folder / "0.wav").unlink()
    of(folder)
    (folder / "1.wav").unlink()  # as where a disk is not mounted
    with pytest.raises(
        FileNotFoundError, match=r"train\.jsonl: not one of its 2 recordings is there, of which .*/0\.wav"
    ):
        of(folder)
    identity([(folder / "train.jsonl", "")], TASKS, Prepared(str(folder), str(folder / "elsewhere")).store())


def test_examples_count(folder: Path) -> None:
    before = of(folder)
    text = (folder / "train.jsonl").read_text()
    (folder / "train.jsonl").write_text(text.replace("0.5", "0.6", 1))
    assert changed(before, of(folder)) == ["examples", "wording"]


def test_the_wording_of_a_task_counts(folder: Path) -> None:
    before, after = of(folder), of(folder, TASKS | {"ag": Reworded()})
    assert changed(before, after) == ["wording"]
    assert changed(before["wording"], after["wording"]) == ["ag"]
