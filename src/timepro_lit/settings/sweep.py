"""Which run directories the jobs of a sweep had, whoever launched them: the process that swept is told at the end."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from timepro_lit.files.atomic import write_atomically

NOTES = "TIMEPRO_SWEEP"
"""Environment variable, which jobs under Slurm inherit: the folder of the notes."""


class Notes(Callback):
    """Each job that ends well notes its run directory."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Choose the folder; Hydra's own folder of the sweep is the same for all of them."""
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
        os.environ[NOTES] = str(Path(config.hydra.sweep.dir).absolute() / name)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        """Write the note; a job that was refused has not made what lies in its folder."""
        if job_return.status != JobStatus.COMPLETED:
            return
        folder, cfg = os.environ.get(NOTES), job_return.cfg
        if folder and isinstance(cfg, DictConfig) and cfg.get("output_dir") and not cfg.get("only"):
            write_atomically(Path(folder) / f"{int(config.hydra.job.num):05d}", str(cfg.output_dir))


def noted_runs() -> list[Path]:
    """The run directories of the sweep that this process has made, in the order of its jobs; the notes are gone."""
    folder = os.environ.pop(NOTES, None)
    notes = (
        sorted(path for path in Path(folder).iterdir() if path.name.isdigit())
        if folder and Path(folder).is_dir()
        else []
    )
    found = [Path(note.read_text(encoding="utf-8")) for note in notes]
    for note in notes:
        note.unlink()
    if notes:
        notes[0].parent.rmdir()
    return list(dict.fromkeys(found))
