"""Loggers that fail: at any point they are left out, with one sentence, and the others go on."""

from __future__ import annotations

import csv
import errno
import os
import re
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
import wandb
from lightning.pytorch.loggers import CSVLogger, Logger
from lightning.pytorch.loggers.logger import rank_zero_experiment
from wandb_offline import offline_runs

from timepro_lit.lit.loggers import finish, made_loggers
from timepro_lit.lit.mlflow_logger import mlflow_logger
from timepro_lit.lit.wandb_logger import wandb_logger

MOMENTS = ("make", "experiment", "log_hyperparams", "log_metrics", "save", "finalize")


class Failing(Logger):
    """Fails at one moment, and counts what it is asked after that."""

    name, version = "failing", 0
    calls: ClassVar[list[str]] = []

    def __init__(self, moment: str) -> None:
        self.moment = moment
        self.asked("make")

    def asked(self, what: str) -> None:
        Failing.calls.append(what)
        if what == self.moment:
            raise ConnectionError("no server at 127.0.0.1:9\nfor a minute")

    @property
    @rank_zero_experiment
    def experiment(self) -> object:
        return self.asked("experiment")

    def log_hyperparams(self, params: object) -> None:
        self.asked("log_hyperparams")

    def log_metrics(self, metrics: object, step: int | None = None) -> None:
        self.asked("log_metrics")

    def save(self) -> None:
        self.asked("save")

    def finalize(self, status: str) -> None:
        self.asked("finalize")


def log_two_stages(folder: Path, left_out: set[str], **makers: partial) -> list[list[str]]:
    """As Lightning does; the types of the loggers that each stage has."""
    kinds = []
    for stage in ("sft", "grpo"):
        place = {"save_dir": str(folder), "name": stage, "version": ""}
        csv_logger = partial(lambda **place: CSVLogger(**place), **place)  # in a wrapper, as Hydra makes it
        loggers = made_loggers({"csv": csv_logger, **{k: partial(m, **place) for k, m in makers.items()}}, left_out)
        for logger in loggers:
            logger.experiment  # noqa: B018 (begins it)
            logger.log_hyperparams({})
            logger.log_metrics({"loss": 1.0}, 0)
            logger.save()
            logger.finalize("success")
        finish(loggers)
        kinds.append([type(logger).__name__ for logger in loggers])
        assert [row["loss"] for row in csv.DictReader((folder / stage / "metrics.csv").open())] == ["1.0"]
    return kinds


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_logger_that_fails_is_left_out_with_one_sentence(
    moment: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Failing.calls.clear()
    left_out: set[str] = set()
    kinds = log_two_stages(tmp_path, left_out, mine=partial(lambda moment, **_: Failing(moment), moment))
    assert [record.message for record in caplog.records] == [
        "logger.mine has failed, and the run goes on without it: ConnectionError: no server at 127.0.0.1:9 for a minute"
    ]
    assert Failing.calls == list(MOMENTS[: MOMENTS.index(moment) + 1])
    assert kinds == [["CSVLogger"] if moment == "make" else ["CSVLogger", "Forgiven"], ["CSVLogger"]]
    assert left_out == {"mine"}


def test_a_logger_that_does_not_fail_is_asked_everything(tmp_path: Path) -> None:
    Failing.calls.clear()
    log_two_stages(tmp_path, set(), mine=partial(lambda **_: Failing("")))
    assert Failing.calls == 2 * list(MOMENTS)


def test_stages_are_jobs_of_their_own_that_are_gone_on_with(tmp_path: Path) -> None:
    make = partial(wandb_logger, str(tmp_path), version="", project="timepro", offline=True)
    for stage in ("sft", "grpo", "grpo"):
        [logger] = made_loggers({"wandb": partial(make, stage)}, set())
        logger.log_metrics({"test/ag/mIoU": 1.0})
        finish([logger])
    wandb.teardown()
    first, second, again = offline_runs(tmp_path)
    assert (first.job_type, second.job_type, again.job_type) == ("sft", "grpo", "grpo")
    assert first.id != second.id == again.id


def test_mlflow_is_left_alone_by_all_but_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    make = partial(mlflow_logger, "", "sft", "", project="timepro", tracking_uri="sqlite:////nowhere/mlflow.db")
    left_out: set[str] = set()
    [logger] = made_loggers({"mlflow": make}, left_out, {"seed": 1})
    logger.log_metrics({"loss": 1.0}, 0)
    logger.finalize("success")
    finish([logger])
    assert (logger.num_completions, left_out) == (0, set())


def test_wandb_without_its_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("timepro_lit.lit.wandb_logger.INIT_S", 2.0)
    for name, value in (("API_KEY", "0" * 40), ("BASE_URL", "http://127.0.0.1:9"), ("MODE", "online")):
        monkeypatch.setenv(f"WANDB_{name}", value)
    log_two_stages(tmp_path, set(), wandb=partial(wandb_logger, project="timepro"))
    wandb.teardown()
    [record] = (record for record in caplog.records if record.name.startswith("timepro_lit"))
    assert re.match(r"logger\.wandb has failed, and the run goes on without it: CommError: .*refused", record.message)


def test_curves_that_cannot_be_written_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(logger: CSVLogger) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(CSVLogger, "save", full)
    [logger] = made_loggers({"csv": partial(CSVLogger, str(tmp_path), "sft", "")}, set())
    with pytest.raises(OSError, match=r"No space left on device: '.*sft/metrics\.csv'"):
        logger.save()
