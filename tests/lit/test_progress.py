"""The line that a run says: its text, its estimates, and what a tiny stage and row say in a log and in a terminal."""

from __future__ import annotations

import io
import logging
import re
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar, Timer
from rich.console import Console
from torch.utils.data import DataLoader

from timepro_lit.lit.interruption import Interruptible
from timepro_lit.lit.progress import RunProgress
from timepro_lit.lit.progress_line import (
    Course,
    Left,
    Pace,
    clock,
    head_of,
    rest_of,
    run_left,
    stage_left,
    validations_left,
)
from timepro_lit.lit.setting import Setting


def test_the_text_of_the_line() -> None:
    left = {"stage": Left(164.0), "run": Left(3725.0, at_least=True)}
    assert head_of("sft", 120, 500) == "sft 120/500"
    assert head_of("sft", 120, -1) == "sft 120"
    assert (
        rest_of({"train/loss": 0.41234}, 0.4329, "steps", left, None)
        == "loss 0.412, 2.31 steps/s, left: stage 2:44, run at least 1:02:05"
    )
    values = {"pretrain/activity_loss": 0.5, "grpo/reward": float("nan")}
    assert rest_of(values, None, "steps", {"stage": None, "run": None}, None) == "activity loss 0.5, reward nan"
    assert rest_of({}, 2.0, "batches", {"row": Left(0.0), "run": Left(0.0, True)}, 61.4) == "0.5 batches/s, took 1:01"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0:00"), (59.6, "1:00"), (3599.0, "59:59"), (3600.0, "1:00:00"), (180_000.0, "50:00:00")],
)
def test_minutes_and_hours(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_a_pace_follows_the_latest_and_forgets_the_first() -> None:
    pace = Pace()
    assert pace.one_s is None
    for duration_s in (60.0, *(2.0,) * 50, *(4.0,) * 25):
        pace.note(duration_s)
    assert pace.one_s == 3.0


def test_a_stage_takes_its_steps_and_its_validations() -> None:
    assert validations_left(0, 500, 120) == 5
    assert validations_left(120, 500, 120) == 4
    assert validations_left(0, 500, float("inf")) == 1  # at its end
    assert stage_left(380, 2.0, 24, 0.5) == Left(772.0)
    assert stage_left(380, 2.0, 24, None) == Left(760.0, at_least=True)
    assert stage_left(380, 2.0, 0, None) == Left(760.0)
    assert stage_left(500, None, 24, None) is None


def test_of_what_has_not_begun_only_the_rows_are_estimated() -> None:
    assert run_left(Left(24.0), 0, 40, 0.5) == Left(44.0)
    assert run_left(Left(24.0), 1, 40, 0.5) == Left(44.0, at_least=True)
    assert run_left(Left(24.0), 0, 40, None) == Left(24.0, at_least=True)
    assert run_left(Left(24.0, at_least=True), 0, 0, None) == Left(24.0, at_least=True)
    assert run_left(None, 1, 40, 0.5) is None


class Toy(LightningModule):
    """Takes two seconds a micro-batch and five a batch of answers, by a clock of its own; the first four more."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.now_s = 100.0

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        self.now_s += 6.0 if self.global_step == batch_idx == 0 else 2.0
        self.log("train/loss", 0.25, prog_bar=True)
        return self.layer(batch).mean()

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.now_s += 5.0

    def test_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.now_s += 5.0
        logging.getLogger("timepro_lit").warning("skipped x")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


COURSE = Course(["sft", "grpo"], ["zero_shot", "grpo"], batches_per_row=3)
BATCHES = DataLoader(torch.zeros(6, 1), batch_size=2)


def trainer(progress: RunProgress, folder: Path, **arguments: object) -> Trainer:
    return Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_model_summary=False,
        enable_progress_bar=False, default_root_dir=folder, callbacks=[progress], num_sanity_val_steps=0, **arguments,
    )  # fmt: skip


def fit(name: str, folder: Path, console: Console | None = None, every_s: float = 0.0) -> None:
    module = Toy()
    progress = RunProgress(name, COURSE, every_s, lambda: module.now_s, console)
    fitting = trainer(
        progress, folder, max_epochs=-1, max_steps=4, accumulate_grad_batches=2, val_check_interval=4,
        check_val_every_n_epoch=None,
    )  # fmt: skip
    fitting.fit(module, DataLoader(torch.zeros(6, 1), batch_size=1), BATCHES)


@pytest.mark.filterwarnings("ignore")
def test_what_a_stage_says_in_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit("sft", tmp_path)
    assert capsys.readouterr().out.splitlines() == [
        "sft 0/4",
        "sft 1/4, loss 0.25, 0.125 steps/s, left: stage at least 0:24, run at least 0:24",
        "sft 2/4, loss 0.25, 0.25 steps/s, left: stage at least 0:08, run at least 0:08",
        "sft validation 1/3, 0.2 batches/s, left: stage 0:33, run at least 1:03",
        "sft validation 2/3, 0.2 batches/s, left: stage 0:28, run at least 0:58",
        "sft validation 3/3, 0.2 batches/s, left: stage 0:23, run at least 0:53",
        "sft 3/4, loss 0.25, 0.25 steps/s, left: stage 0:19, run at least 0:49",
        "sft 4/4, loss 0.25, 0.25 steps/s, left: stage 0:15, run at least 0:45",
        "sft validation 1/3, 0.2 batches/s, left: stage 0:10, run at least 0:40",
        "sft validation 2/3, 0.2 batches/s, left: stage 0:05, run at least 0:35",
        "sft validation 3/3, 0.2 batches/s, left: run at least 0:30",
        "sft 4/4, loss 0.25, 0.25 steps/s, took 0:50, left: run at least 0:30",
    ]


@pytest.mark.filterwarnings("ignore")
def test_what_a_row_says_in_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = Toy()
    progress = RunProgress("zero_shot", COURSE, 7.0, lambda: module.now_s)
    trainer(progress, tmp_path).test(module, BATCHES, verbose=False)
    assert capsys.readouterr().out.splitlines() == [
        "testing zero_shot 0/3",
        "testing zero_shot 2/3, 0.2 batches/s, left: row 0:05, run 0:20",
        "testing zero_shot 3/3, 0.2 batches/s, took 0:15, left: run 0:15",
    ]


@pytest.mark.filterwarnings("ignore")
def test_the_last_stage_knows_how_long_the_run_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit("grpo", tmp_path, every_s=20.0)
    assert capsys.readouterr().out.splitlines() == [
        "grpo 0/4",
        "grpo validation 2/3, 0.2 batches/s, left: stage 0:28, run 0:58",
        "grpo validation 2/3, 0.2 batches/s, left: stage 0:05, run 0:35",
        "grpo 4/4, loss 0.25, 0.25 steps/s, took 0:50, left: run 0:30",
    ]


@pytest.mark.filterwarnings("ignore")
def test_a_bar_in_a_terminal_is_one_line_with_warnings_above_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module, screen = Toy(), io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100, color_system=None)
    progress = RunProgress("grpo", COURSE, now=lambda: module.now_s, console=terminal)
    handler = logging.StreamHandler(sys.stdout)  # as Hydra makes it
    handler.setLevel(logging.WARNING)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    trainer(progress, tmp_path).test(module, BATCHES, verbose=False)
    assert capsys.readouterr().out == ""
    lines = shown(screen)
    assert lines[:3] == ["skipped x"] * 3
    assert len(lines) == 4
    assert re.fullmatch(r"testing grpo 3/3, 0\.2 batches/s, took 0:15 ━+", lines[3])
    assert handler.stream is sys.stdout


@pytest.mark.filterwarnings("ignore")
def test_a_narrow_terminal_still_has_one_line(tmp_path: Path) -> None:
    screen = io.StringIO()
    fit("sft", tmp_path, console=Console(file=screen, force_terminal=True, width=60, color_system=None))
    (line,) = shown(screen)
    assert line.startswith("sft 4/4, loss 0.25, 0.25 steps/s, took 0:50, left:")
    assert len(line) <= 60


def shown(screen: io.StringIO) -> list[str]:
    """What stands on a terminal in the end: a line that is erased, or written over, is gone."""
    lines = [""]
    for part in re.split(r"(\x1b\[2K|\x1b\[\?25[lh]|\x1b\[1A|\r|\n)", screen.getvalue()):
        if part == "\n":
            lines.append("")
        elif part == "\x1b[1A":
            lines.pop()
        elif part in ("\r", "\x1b[2K"):
            lines[-1] = ""
        elif not part.startswith("\x1b"):
            lines[-1] += part
    return [line for line in lines if line.strip()]


@pytest.mark.filterwarnings("ignore")
def test_an_error_gives_the_terminal_back(tmp_path: Path) -> None:
    class Broken(Toy):
        def test_step(self, batch: torch.Tensor, batch_idx: int) -> None:
            raise OSError("broken")

    progress = RunProgress("grpo", COURSE, console=Console(file=io.StringIO(), force_terminal=True))
    before = sys.stdout
    with pytest.raises(OSError, match="broken"):
        trainer(progress, tmp_path).test(Broken(), BATCHES, verbose=False)
    assert progress.display is None
    assert sys.stdout is before


def test_lightning_shows_nothing_and_own_callbacks_stay(tmp_path: Path) -> None:
    callbacks = {"progress": RichProgressBar, "own": Timer}
    parts = SimpleNamespace(callbacks=callbacks, trainer=partial(Trainer, accelerator="cpu", logger=False))
    made = Setting(parts, tmp_path).on(COURSE).new_trainer("sft")  # type: ignore[arg-type]
    assert [type(callback) for callback in made.callbacks] == [RunProgress, Interruptible, Timer]


def test_one_process_alone_speaks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    progress = RunProgress("grpo", COURSE)
    other = SimpleNamespace(is_global_zero=False, num_test_batches=[3])
    progress.on_test_start(other, Toy())  # type: ignore[arg-type]
    progress.on_test_batch_end(other)  # type: ignore[arg-type]
    progress.on_test_end(other, Toy())  # type: ignore[arg-type]
    assert capsys.readouterr().out == ""


def test_a_stage_goes_on_where_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    now_s = iter(range(0, 1000, 2))
    progress = RunProgress("grpo", COURSE, 0.0, lambda: float(next(now_s)))
    at = SimpleNamespace(
        is_global_zero=True, global_step=120, max_steps=500, val_check_batch=200, accumulate_grad_batches=2,
        num_val_batches=[8], progress_bar_metrics={}, world_size=1,
    )  # fmt: skip
    progress.on_train_start(at, Toy())  # type: ignore[arg-type]
    progress.batches.note(0.5)
    at.global_step = 121
    progress.on_train_batch_end(at)  # type: ignore[arg-type]
    began, next_one = capsys.readouterr().out.splitlines()
    assert began == "grpo 120/500"
    assert next_one == f"grpo 121/500, 0.25 steps/s, left: stage {clock(379 * 4 + 4 * 8 * 0.5)}, run 25:35"
