"""What `predict` is asked: recordings, a task, queries."""

from __future__ import annotations

from pathlib import Path

import pytest

from timepro_lit.inference.prediction import asked_task, queries_of, recordings
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.pretraining import Tagging
from timepro_lit.tasks.sound_events import SoundEventDetection


def test_the_task_is_one_of_the_model_s_own() -> None:
    tasks = {"ag": Grounding(), "sed": SoundEventDetection(["dog"]), "tag": Tagging()}
    assert asked_task(tasks, "ag", []) is tasks["ag"]
    assert asked_task(tasks, "sed", []).classes == ("dog",)
    assert asked_task(tasks, "sed", ["cat", "bell"]).classes == ("cat", "bell")
    with pytest.raises(ValueError, match="the model answers ag, sed, not tag"):
        asked_task(tasks, "tag", [])
    with pytest.raises(ValueError, match="classes: task=ag does not ask for any"):
        asked_task(tasks, "ag", ["cat"])


def test_queries_come_from_one_place(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("\ufeffone\r\n\r\n two \n", encoding="utf-8")
    (tmp_path / "empty.txt").write_text("\n \n")
    assert queries_of(Grounding(), None, tmp_path / "q.txt") == ["one", "two"]
    assert queries_of(Grounding(), "x", None) == ["x"]
    assert queries_of(DenseCaptioning(), None, None) == [None]
    with pytest.raises(ValueError, match="query: task=dac asks for none"):
        queries_of(DenseCaptioning(), "x", None)
    with pytest.raises(ValueError, match="either"):
        queries_of(Grounding(), "x", tmp_path / "q.txt")
    with pytest.raises(ValueError, match="task=ag needs a query"):
        queries_of(Grounding(), None, None)
    with pytest.raises(ValueError, match="query: needs words"):
        queries_of(Grounding(), "  ", None)
    with pytest.raises(ValueError, match=r"queries: .*empty\.txt is empty"):
        queries_of(Grounding(), None, tmp_path / "empty.txt")


def test_recordings_are_found_below_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("b/2.WAV", "1.flac", "notes.txt"):
        (tmp_path / name).touch()
    assert [p.relative_to(tmp_path).as_posix() for p in recordings(tmp_path)] == ["1.flac", "b/2.WAV"]
