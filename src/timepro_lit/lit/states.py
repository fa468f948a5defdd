"""What a killed stage goes on from: folders that are there whole or not at all, and checked before they are used."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timepro_lit.files.sealing import damaged_in, digests_of, files_in, read_sealed, seal, sealed
from timepro_lit.runs.stages import is_rank_zero, say

STATE, CURVES, RECORD = "state.ckpt", "metrics.csv", "state.json"
NUM_KEPT = 2
"""The newest, and the one before in case the newest is damaged."""


@dataclass(frozen=True)
class State:
    """One state of a stage, `step-<n>`: Lightning's checkpoint (DeepSpeed's is a folder), the curves until there."""

    folder: Path
    placement: Mapping[str, Any]
    """Under what it was written."""
    validation_is_due: bool
    """Whether it was taken between a step and the validation behind it."""

    @property
    def step(self) -> int:
        """The optimiser step after which it was written."""
        return step_of(self.folder)

    @property
    def checkpoint(self) -> Path:
        """For the Trainer."""
        return self.folder / STATE

    @property
    def curves(self) -> str:
        """CSV of all that was logged before."""
        return (self.folder / CURVES).read_text(encoding="utf-8")


class States:
    """The states of one stage.

    Args:
        folder: of theirs alone.
        placement: what the place in the data depends on: number of processes, workers, micro-batches, strategy.
    """

    def __init__(self, folder: Path, placement: Mapping[str, Any]) -> None:
        self.folder = folder
        self.placement = dict(placement)

    def newest(self) -> State | None:
        """The newest state that is undamaged; None before the first. Damaged ones are named, and set aside.

        Raises ValueError where all are damaged, and where it was written under another placement.
        """
        found = sorted(self.folder.glob("step-*[0-9]"), key=step_of, reverse=True)
        anew = f"delete {self.folder} to begin the stage anew"
        for folder in found:
            try:
                state = _checked(folder)
            except (ValueError, OSError) as error:
                reason = str(error)
                continue
            if state.placement != self.placement:
                raise ValueError(
                    f"{folder} was written with {dict(state.placement)}, and this is {self.placement}: run it as "
                    f"before, or {anew}"
                )
            _set_aside([other for other in found if step_of(other) > state.step], f"going on from {folder.name}")
            return state
        if found:
            raise ValueError(f"{reason}; no undamaged state is left: {anew}")
        return None

    def begin(self, step: int) -> None:
        """Make an empty folder for a state's files, which counts for nothing until it is sealed."""
        partial = self._partial(step)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)

    def seal(self, step: int, curves: str, validation_is_due: bool) -> None:
        """Declare the state that was begun complete; of the older ones the newest stays."""
        partial, final = self._partial(step), self.folder / f"step-{step}"
        (partial / CURVES).write_text(curves, encoding="utf-8")
        record = {
            "placement": self.placement,
            "validation_is_due": validation_is_due,
            "files": digests_of(partial, files_in(partial)),
        }
        seal(partial, final, RECORD, sealed(record))
        for old in sorted(self.folder.glob("step-*[0-9]"), key=step_of)[:-NUM_KEPT]:
            shutil.rmtree(old)

    def path(self, step: int) -> Path:
        """Where the checkpoint of a state that was begun is written to."""
        return self._partial(step) / STATE

    def _partial(self, step: int) -> Path:
        return self.folder / f"step-{step}.partial"


def step_of(state: Path) -> int:
    """The optimiser step after which a state was written.

    >>> step_of(Path("step-40"))
    40
    """
    found = re.fullmatch(r"step-(\d+)", state.name)
    assert found is not None, state
    return int(found[1])


def _checked(folder: Path) -> State:
    """A state whose files are as they were written. Raises ValueError or OSError that names one that is not."""
    record = read_sealed(folder / RECORD)
    try:
        state, digests = State(folder, record["placement"], record["validation_is_due"]), record["files"]
    except KeyError as error:
        raise ValueError(f"{folder / RECORD} is damaged: it has no {error}") from error
    if (path := damaged_in(folder, digests)) is not None:
        raise ValueError(f"{path} is missing or damaged")
    return state


def _set_aside(damaged: list[Path], instead: str) -> None:
    for folder in damaged:
        say(f"{folder} is damaged; {instead}")
        if is_rank_zero():
            aside = folder.with_name(f"{folder.name}.damaged")
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
