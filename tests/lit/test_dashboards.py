"""TensorBoard, MLflow and trackio: what is logged is there, a stage goes on with its run, and a dead one ends nothing.

They are in no environment of the tests: `make test-dashboards` installs them.
"""

from __future__ import annotations

import io
import sqlite3
from functools import partial
from pathlib import Path

import pytest
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image

from timepro_lit.lit.completions import Completion
from timepro_lit.lit.loggers import Forgiven, finish, made_loggers
from timepro_lit.lit.mlflow_logger import mlflow_logger
from timepro_lit.lit.trackio_logger import TrackioLogger

pytestmark = pytest.mark.slow
NOWHERE = "/proc/nowhere"


def picture() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (2, 2)).save(content, format="png")
    return content.getvalue()


def log_twice(name: str, make: partial) -> set[str]:
    """A stage that is killed after its first step and goes on; the loggers that have failed."""
    left_out: set[str] = set()
    for attempt in range(2):
        loggers = made_loggers({name: make}, left_out, {"seed": attempt})
        for logger in loggers:
            assert isinstance(logger, Forgiven)
            logger.log_metrics({"val/ag/R@0.5": 50.0 + attempt}, attempt)
            if logger.num_completions:
                row = Completion(("a", "ag", "", "", "", ""), {"score": 1.0}, b"RIFF", picture())
                logger.log_completions("completions/val", lambda row=row: [row], attempt)
            assert isinstance(logger.name, str | None)
            logger.save()
            logger.finalize("success")
        finish(loggers)
    return left_out


def test_tensorboard(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert log_twice("tensorboard", partial(TensorBoardLogger, str(tmp_path), "sft", "")) == set()
    seen = events.EventAccumulator(str(tmp_path / "sft")).Reload()
    assert [(event.step, event.value) for event in seen.Scalars("val/ag/R@0.5")] == [(0, 50.0), (1, 51.0)]
    assert log_twice("tensorboard", partial(TensorBoardLogger, NOWHERE, "sft", "")) == {"tensorboard"}


def test_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setattr("timepro_lit.lit.mlflow_logger.GIVEN_URI", None)
    make = partial(mlflow_logger, str(tmp_path), "sft", "", project="timepro", run="a-seed1")
    where = f"sqlite:///{tmp_path}/mlflow.db"
    assert log_twice("mlflow", partial(make, tracking_uri=where)) == set()
    client = mlflow.MlflowClient(where)
    [run] = client.search_runs([client.get_experiment_by_name("timepro").experiment_id])
    assert (run.info.run_name, run.data.params) == ("a-seed1-sft", {"seed": "0"})
    values = client.get_metric_history(run.info.run_id, "val/ag/R_at_0.5")
    assert [(value.step, value.value) for value in values] == [(0, 50.0), (1, 51.0)]
    for dead in (f"sqlite:///{NOWHERE}/mlflow.db", "http://127.0.0.1:9"):
        assert log_twice("mlflow", partial(make, tracking_uri=dead)) == {"mlflow"}


def test_trackio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    pytest.importorskip("trackio")
    make = partial(TrackioLogger, str(tmp_path), "sft", "", "timepro", str(tmp_path), "a-seed1", completions=1)
    assert log_twice("trackio", make) == set()
    with sqlite3.connect(tmp_path / "trackio" / "timepro.db") as database:
        rows = [*database.execute("SELECT DISTINCT run_name FROM metrics")]
        logged = [text for (text,) in database.execute("SELECT metrics FROM metrics ORDER BY step")]
    assert len(rows) == 1 and rows[0][0].startswith("a-seed1-sft-")
    assert all(any(sought in text for text in logged) for sought in (b"51.0", b"completions/val"))
    assert {path.suffix for path in (tmp_path / "trackio" / "media").rglob("*.*")} == {".png", ".wav"}
    assert capsys.readouterr().out == ""
    # It keeps what a dead server does not take, and says so itself.
    monkeypatch.setenv("TRACKIO_SERVER_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("TRACKIO_WRITE_TOKEN", "a")
    with pytest.warns(UserWarning, match="could not"):
        assert log_twice("trackio", make) == set()
