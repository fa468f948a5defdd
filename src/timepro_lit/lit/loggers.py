"""Loggers beside a run: one that fails is left out, with a warning, and training goes on."""

from __future__ import annotations

import hashlib
import logging
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger
from lightning.pytorch.loggers.logger import DummyExperiment

from timepro_lit.files.atomic import naming
from timepro_lit.lit.completions import Completion
from timepro_lit.runs.stages import is_rank_zero

log = logging.getLogger(__name__)

MAX_REASON = 300
"""Characters of what a library says of its failure, in one line."""


def id_of(directory: str, stage: str) -> str:
    """What identifies a stage to a logger, also when it goes on after a kill: its run directory and its name."""
    return hashlib.sha256(f"{Path(directory).absolute()}/{stage}".encode()).hexdigest()[:16]


def made_loggers(
    makers: Mapping[str, Callable[[], Logger]], left_out: set[str], hyperparameters: Mapping[str, Any] | None = None
) -> list[Logger]:
    """Loggers by their names among the settings, those of them that are not `left_out`; one that fails is from then on.

    They are told the `hyperparameters`. The CSV logger is not, and may not fail: its curves are part of a stage's
    result.
    """
    made: list[Logger] = []
    for name, make in makers.items():
        logger = None if name in left_out else _tried(name, make, left_out)
        if isinstance(logger, CSVLogger):
            made.append(_naming_its_file(logger))
        elif logger is not None:
            made.append(Forgiven(name, logger, left_out))
            if hyperparameters:
                made[-1].log_hyperparams(dict(hyperparameters))
    return made


def _naming_its_file(logger: CSVLogger) -> CSVLogger:
    """The logger; a full disk says which file it has no room for."""
    save, path = logger.save, Path(logger.log_dir) / "metrics.csv"

    def named() -> None:
        with naming(path):
            save()

    logger.save = named  # type: ignore[method-assign]
    return logger


def finish(loggers: Iterable[Logger]) -> None:
    """End what the loggers have begun: the next stage is a run of its own to them."""
    for logger in loggers:
        if isinstance(logger, Forgiven):
            logger.finish()


class Forgiven(Logger):
    """A logger that is silent once it has failed; whatever else is asked of it, the one inside answers.

    Args:
        key: its name among the settings.
        inner: the logger.
        left_out: names of loggers that have failed.
    """

    def __init__(self, key: str, inner: Logger, left_out: set[str]) -> None:
        super().__init__()
        self.key = key
        self.inner = inner
        self.left_out = left_out

    def __getattr__(self, name: str) -> Any:
        if name in ("inner", "key"):  # not there yet, where a copy is made
            raise AttributeError(name)
        return getattr(self.inner, name)

    def attempt(self, call: Callable[[], Any], otherwise: Any = None) -> Any:
        """What a call of the logger inside returns; `otherwise` where it fails, or has failed before."""
        found = None if self.key in self.left_out else _tried(self.key, call, self.left_out)
        return otherwise if found is None else found

    @property
    def experiment(self) -> Any:
        """What the logger inside writes to; nothing, once it has failed."""
        return self.attempt(lambda: getattr(self.inner, "experiment", None), DummyExperiment())

    @property
    def name(self) -> str | None:
        return self.attempt(lambda: self.inner.name)

    @property
    def version(self) -> int | str | None:
        return self.attempt(lambda: self.inner.version)

    @property
    def save_dir(self) -> str | None:
        return self.attempt(lambda: self.inner.save_dir)

    @property
    def root_dir(self) -> str | None:
        return self.attempt(lambda: self.inner.root_dir)

    @property
    def log_dir(self) -> str | None:
        return self.attempt(lambda: self.inner.log_dir)

    @property
    def num_completions(self) -> int:
        """Clips of each task in a table of answers; 0 where there are no tables."""
        return 0 if self.key in self.left_out else getattr(self.inner, "num_completions", 0)

    @property
    def keeps_results(self) -> bool:
        """Whether it wants the files that a stage has stored."""
        return self.key not in self.left_out and getattr(self.inner, "keeps_results", False)

    def log_completions(self, key: str, make: Callable[[], Sequence[Completion]], step: int | None) -> None:
        """Show a table of answers, if it has any; what goes wrong while it is made is a fault of the logger, too."""
        if self.num_completions:
            self.attempt(lambda: self.inner.log_completions(key, make(), step))  # type: ignore[attr-defined]

    def log_result(self, result: Path, reused: bool) -> None:
        """Say where a stage's result lies, to a logger that has a place for it."""
        if hasattr(self.inner, "log_result"):
            self.attempt(lambda: self.inner.log_result(result, reused))  # type: ignore[attr-defined]

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.attempt(lambda: self.inner.log_metrics(metrics, step))

    def log_hyperparams(self, params: Any, *arguments: Any, **named: Any) -> None:
        self.attempt(lambda: self.inner.log_hyperparams(params, *arguments, **named))

    def log_graph(self, model: Any, input_array: Any = None) -> None:
        self.attempt(lambda: self.inner.log_graph(model, input_array))

    def after_save_checkpoint(self, checkpoint_callback: ModelCheckpoint) -> None:
        self.attempt(lambda: self.inner.after_save_checkpoint(checkpoint_callback))

    def save(self) -> None:
        self.attempt(self.inner.save)

    def finalize(self, status: str) -> None:
        self.attempt(lambda: self.inner.finalize(status))

    def finish(self) -> None:
        """End what a library would otherwise go on with in the next stage; elsewhere `finalize` has done it."""
        if hasattr(self.inner, "end"):
            self.attempt(self.inner.end)  # type: ignore[attr-defined]
        elif isinstance(self.inner, WandbLogger) and self.inner._experiment is not None:
            self.attempt(lambda: self.inner.experiment.finish())


def beside_curves(loggers: Iterable[Logger]) -> list[Forgiven]:
    """All but the CSV logger, which keeps a stage's curves alone."""
    return [logger for logger in loggers if isinstance(logger, Forgiven)]


def _tried(name: str, call: Callable[[], Any], left_out: set[str]) -> Any:
    try:
        return call()
    except Exception as error:  # a logger raises whatever its library does
        left_out.add(name)
        reason = textwrap.shorten(f"{type(error).__name__}: {error}", width=MAX_REASON)
        if is_rank_zero():
            log.warning(f"logger.{name} has failed, and the run goes on without it: {reason}")
        return None
