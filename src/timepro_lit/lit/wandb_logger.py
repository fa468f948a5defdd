"""Weights & Biases without its dozen lines a stage, and without its long waits; with tables of answers."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import WandbLogger
from PIL import Image

from timepro_lit.lit.completions import Completion, sound_files, table
from timepro_lit.lit.loggers import id_of

INIT_S, LOGIN_S, FINISH_S = 20.0, 30.0, 60.0
"""Seconds to wait for its server when a stage begins, for an answer at the prompt for a key, and for the last uploads.
What has not been uploaded lies on disk, for `wandb sync`."""


def wandb_logger(
    save_dir: str,
    name: str,
    version: str,
    run: str | None = None,
    offline: bool = False,
    completions: int = 0,
    artifacts: bool = False,
    **arguments: Any,
) -> WandbLogger:
    """Lightning's logger with its `arguments`; offline it says nothing, online where the curves are.

    A stage is a job of the type `name`, called `run` on the dashboard. Its id follows from the run directory,
    `save_dir`, and the stage, so that a stage that goes on after a kill goes on there as well; `version` is not used.
    Tables show `completions` clips of each task; `artifacts` uploads what a stage stores.
    """
    import wandb

    settings = wandb.Settings(
        silent=offline, quiet=True, init_timeout=INIT_S, login_timeout=LOGIN_S, finish_timeout=FINISH_S,
        finish_timeout_raises=True,
    )  # fmt: skip
    arguments |= {"settings": settings, "job_type": name}
    logger = Wandb(completions, artifacts, run or name, save_dir, id_of(save_dir, name), offline, **arguments)
    # Lightning hands it on although nobody has given it, and W&B warns of that.
    logger._wandb_init.pop("anonymous", None)
    return logger


class Wandb(WandbLogger):
    """Lightning's logger, which takes all other arguments, with tables of answers and what a stage stored."""

    def __init__(self, num_completions: int, keeps_results: bool, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.num_completions = num_completions
        self.keeps_results = keeps_results

    def log_completions(self, key: str, completions: Sequence[Completion], step: int | None) -> None:
        """Log a table with sounds and pictures."""
        import wandb

        def image(content: bytes) -> wandb.Image:
            return wandb.Image(Image.open(io.BytesIO(content)))

        with sound_files() as file, _staged_in(Path(self.experiment.settings.wandb_dir)):
            columns, cells = table(completions, lambda content: wandb.Audio(str(file(content))), image)
            place = {} if step is None else {"trainer/global_step": step}
            self.experiment.log({key: wandb.Table(columns, cells), **place})

    def log_result(self, result: Path, reused: bool) -> None:
        """Say where a result comes from that was not trained here; upload one that was, where that is asked for."""
        import wandb

        if reused:
            self.experiment.summary.update({"result": result.name, "reused_from": str(result)})
            self.experiment.notes = f"Not trained here: the result was reused from {result}."
        elif self.keeps_results:
            artifact = wandb.Artifact(result.name, type="result")
            artifact.add_dir(str(result))
            self.experiment.log_artifact(artifact)


@contextmanager
def _staged_in(folder: Path) -> Iterator[None]:
    """Let files of tables wait for their upload here, not in the user's home, unless the user has said where."""
    if "WANDB_DATA_DIR" in os.environ:
        yield
        return
    os.environ["WANDB_DATA_DIR"] = str(folder)
    try:
        yield
    finally:
        del os.environ["WANDB_DATA_DIR"]
