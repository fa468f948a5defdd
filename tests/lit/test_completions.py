"""Tables of answers: which clips they show, what stands in a row, and that nothing is read where nobody looks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import soundfile
import torch
from lightning.pytorch.loggers import Logger

from timepro_lit.data.store import AudioFolder
from timepro_lit.lit.completions import Completion, Judged, chosen, completions, sound_files, table
from timepro_lit.lit.experience import Explored
from timepro_lit.lit.loggers import Forgiven
from timepro_lit.lit.shown import Completions
from timepro_lit.records import Answer, Event, Example, Rollouts
from timepro_lit.rewards.adaptive import GroupReward
from timepro_lit.tasks.grounding import Grounding

TASKS = {"ag": Grounding()}


def example(id_: str, audio: str = "a.wav") -> Example:
    return Example(id_, "ag", audio, 1.0, (Event(0.2, 0.6, "rain"),), "rain")


def answer(id_: str, text: str) -> Answer:
    return Answer(example(id_), "When?", text, TASKS["ag"].parse(text), False)


def test_the_same_clips_are_chosen_whatever_else_there_is() -> None:
    ids = [f"clip{n}" for n in range(20)]
    few = {ids[place] for place in chosen(ids, ["ag"] * 20, 2)}
    assert len(few) == 2
    assert {ids[::-1][place] for place in chosen(ids[::-1], ["ag"] * 20, 2)} == few
    assert chosen([], [], 2) == chosen(["a"], ["ag"], 0) == []


def test_a_question_is_heard_and_drawn_once() -> None:
    right, wrong = answer("a", '{"rain": [0.20, 0.60]}'), answer("a", "no")
    judged = [Judged(right, {"reward": 1.0}), Judged(wrong, {"reward": 0.0})]
    first, second = completions(judged, TASKS, lambda _: torch.rand(16_000) - 0.5)
    assert first.texts == ("a", "ag", "rain", "When?", '{"rain": [0.20, 0.60]}', '{"rain": [0.20, 0.60]}')
    assert (first.audio or b"")[:4] == b"RIFF" and (first.timeline or b"")[:4] == b"\x89PNG"
    assert (second.texts[4], second.audio, second.timeline) == ("no", None, None)
    [silent] = completions(judged[:1], TASKS, lambda _: None)
    assert (silent.audio, silent.timeline) == (None, None)


def test_long_clips_take_no_more_than_their_share() -> None:
    [row] = completions([Judged(answer("a", ""), {})], TASKS, lambda _: torch.rand(16_000 * 30) - 0.5)
    assert len(row.audio or b"") <= 250_000


def test_a_table_has_a_column_for_whatever_a_row_is_worth() -> None:
    texts = ("a", "ag", "", "", "", "")
    rows = [Completion(texts, {"main": 1.0}, b"w", None), Completion(texts, {"advantage": 2.0}, None, b"p")]
    columns, cells = table(rows, lambda content: content * 2, lambda content: content * 3)
    assert columns[6:] == ["main", "advantage", "audio", "timeline"]
    assert [row[6:] for row in cells] == [[1.0, None, b"ww", None], [None, 2.0, None, b"ppp"]]


def test_one_sound_is_one_file() -> None:
    with sound_files() as file:
        path = file(b"a")
        assert path == file(b"a") != file(b"b")
    assert not path.exists()


class Kept(Logger):
    """A logger that keeps tables."""

    name = version = None

    def __init__(self, num_completions: int, fails: bool = False) -> None:
        self.num_completions = num_completions
        self.fails = fails
        self.tables: dict[str, list[Completion]] = {}

    def log_completions(self, key: str, completions: list[Completion], step: int) -> None:
        if self.fails:
            raise OSError("disk full")
        self.tables[key] = completions

    def log_metrics(self, metrics: object, step: int | None = None) -> None: ...

    def log_hyperparams(self, params: object) -> None: ...


class Counted(AudioFolder):
    """Knows what was read."""

    read: ClassVar[list[str]] = []

    def open(self, audio: str):
        Counted.read.append(audio)
        return super().open(audio)


def validated(folder: Path, *loggers: Kept) -> set[str]:
    """After a validation on three clips, behind rollouts of two of them; the loggers that have failed."""
    Counted.read.clear()
    soundfile.write(folder / "a.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 16_000), 16_000)
    left_out: set[str] = set()
    explored = Explored(
        [example("b"), example("c")],
        Rollouts(torch.tensor([[[1], [2]]] * 2), torch.ones(2, 2, 1).bool(), torch.zeros(2, 2).bool()),
        [GroupReward([0.5, 0.25], [1.0, 1.0], [0.5, 0.25], True), GroupReward([1.0, 0.0], [1.0, 0.0], None, False)],
        torch.tensor([[1.0, -1.0], [1.0, -1.0]]),
    )
    lalm = SimpleNamespace(frontend=SimpleNamespace(text=lambda ids: f"said {ids}"))
    answered = [answer(id_, '{"rain": [0.20, 0.60]}') for id_ in "abc"]
    module: Any = SimpleNamespace(scored=TASKS, answered=answered, explored=explored, lalm=lalm)
    examples = SimpleNamespace(ids=np.array([*"abc"]), tasks=np.array(["ag"] * 3))
    trainer: Any = SimpleNamespace(
        loggers=[Forgiven(str(number), one, left_out) for number, one in enumerate(loggers)],
        val_dataloaders=SimpleNamespace(dataset=SimpleNamespace(examples=examples)),
        is_global_zero=True,
        global_step=4,
    )
    callback = Completions(Counted(folder))
    for hook in ("on_fit_start", "on_validation_start", "on_validation_batch_end", "on_validation_end"):
        getattr(callback, hook)(trainer, module)
    return left_out


def test_a_validation_makes_two_tables(tmp_path: Path) -> None:
    logger = Kept(1)
    assert validated(tmp_path, logger) == set()
    [asked] = logger.tables["completions/val"]
    assert asked.worth == {"score": pytest.approx(100.0)} and asked.timeline is not None
    first, second = logger.tables["completions/rollouts"]
    assert first.texts[0] == second.texts[0] and (first.texts[4], second.texts[4]) == ("said [1]", "said [2]")
    assert [*first.worth] == ["reward", "main", "auxiliary", "advantage"] and first.worth["advantage"] == 1.0
    assert Counted.read == ["a.wav", "a.wav"]


def test_nothing_is_read_where_nobody_looks(tmp_path: Path) -> None:
    assert validated(tmp_path, Kept(0)) == set()
    assert Counted.read == []


def test_a_table_that_cannot_be_made_ends_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timepro_lit.lit.shown.scored_alone", lambda *_: [][0])
    assert validated(tmp_path, Kept(1)) == {"0"}


def test_a_table_that_cannot_be_logged_ends_no_run(tmp_path: Path) -> None:
    working = Kept(1)
    assert validated(tmp_path, Kept(1, fails=True), working) == {"0"}
    assert [*working.tables] == ["completions/val", "completions/rollouts"]
