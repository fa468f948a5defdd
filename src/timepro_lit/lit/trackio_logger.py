"""trackio, a dashboard on one's own disk or in a space of Hugging Face, as a logger of Lightning."""

from __future__ import annotations

import io
import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.loggers.logger import rank_zero_experiment
from lightning.pytorch.utilities import rank_zero_only
from PIL import Image

from timepro_lit.lit.completions import Completion, sound_files, table
from timepro_lit.lit.loggers import id_of


class TrackioLogger(Logger):
    """A run for each stage, called `<run>-<stage>-<id>`; the id follows from run directory and stage.

    Args:
        save_dir: the run directory.
        name: of the stage.
        version: not used.
        project: whose dashboard shows it.
        folder: where the dashboards of all projects lie, unless TRACKIO_DIR says so.
        completions: clips of each task in a table of answers.
        arguments: of `trackio.init`.
    """

    def __init__(
        self,
        save_dir: str,
        name: str,
        version: str,
        project: str,
        folder: str,
        run: str | None = None,
        completions: int = 0,
        **arguments: Any,
    ) -> None:
        super().__init__()
        self._name = name
        self._version = f"{run or name}-{name}-{id_of(save_dir, name)[:6]}"
        self.num_completions = completions
        self._arguments = {"project": project, "name": self._version, **arguments}
        self._config: dict[str, Any] = {}
        self._run: Any = None
        os.environ.setdefault("TRACKIO_DIR", folder)  # read once, when it is imported

    @property
    def name(self) -> str:
        return self._name

    @property
    def version(self) -> str:
        return self._version

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The run of trackio."""
        if self._run is None:
            import trackio

            quiet = {"embed": False, "auto_log_gpu": False, "auto_log_cpu": False}
            with redirect_stdout(io.StringIO()):
                self._run = trackio.init(config=self._config, resume="allow", **quiet | self._arguments)
        return self._run

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        self._config |= vars(params) if isinstance(params, Namespace) else dict(params)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.experiment.log(dict(metrics), step)

    @rank_zero_only
    def log_completions(self, key: str, completions: Sequence[Completion], step: int | None) -> None:
        """Log a table with sounds and pictures."""
        import trackio

        def image(content: bytes) -> Any:
            return trackio.Image(Image.open(io.BytesIO(content)))

        with sound_files() as file:
            columns, cells = table(completions, lambda content: trackio.Audio(str(file(content))), image)
            self.experiment.log({key: trackio.Table(columns, cells)}, step)

    def end(self) -> None:
        """Begin a run of its own with the next stage."""
        if self._run is not None:
            import trackio

            with redirect_stdout(io.StringIO()):
                trackio.finish()
            self._run = None
