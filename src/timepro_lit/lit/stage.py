"""One training stage as an experiment describes it, whatever it trains with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from lightning import LightningModule

from timepro_lit.lit.datamodule import Rows


@dataclass(frozen=True)
class Stage:
    """What is trained, on how much, for how long. ValueError for unknown rows or sizes that do not divide."""

    module: Callable[..., LightningModule]
    """Makes the LightningModule from what only the run knows, e.g. the model."""
    rows: Rows
    """What a row of a training batch is: a "prompt" to be answered, a "question" with its reference answer, or a
    "clip" with all of its questions and answers. Sizes count rows."""
    batch_size: int
    """Rows to one optimiser step, over all processes; on average, where `micro_batch_tokens` is given."""
    micro_batch_size: int | None
    """Rows that one process takes at a time; changes speed and memory alone."""
    fit: Mapping[str, Any]
    """Arguments of the Trainer that belong to this stage: max_epochs, max_steps, val_check_interval, ..."""
    examples_per_task: int | None = None
    """So many training examples of each task, drawn with the seed; None takes all."""
    micro_batch_tokens: int | None = None
    """In place of `micro_batch_size`: rows of similar length, as many as fit into so many tokens, padding included."""

    updates_per_rollout: int = 1
    """How often in a row an optimiser batch comes."""
    label: str | None = None
    """What tables and pages call it; None = its key."""
    about: str | None = None
    """What it does, as it follows upon its label in a sentence."""

    def __post_init__(self) -> None:
        if (self.micro_batch_size is None) == (self.micro_batch_tokens is None):
            raise ValueError(
                "give either micro_batch_size or micro_batch_tokens, the other one null, "
                f"not {self.micro_batch_size} and {self.micro_batch_tokens}"
            )
        if self.rows not in get_args(Rows):
            raise ValueError(f"rows must be one of {', '.join(get_args(Rows))}, got {self.rows!r}")
        if self.micro_batch_size is not None and (self.micro_batch_size < 1 or self.batch_size % self.micro_batch_size):
            raise ValueError(f"batch_size {self.batch_size} is no multiple of micro_batch_size {self.micro_batch_size}")

    def accumulation(self, world_size: int, mean_rows: float) -> int:
        """Micro-batches, of `mean_rows` on average, that each of `world_size` processes takes to one optimiser step."""
        if self.micro_batch_size is None:
            return max(1, round(self.batch_size / (mean_rows * world_size)))
        at_a_time = self.micro_batch_size * world_size
        if self.batch_size % at_a_time:
            raise ValueError(
                f"batch_size {self.batch_size} cannot be shared by {world_size} processes that take "
                f"{self.micro_batch_size} rows at a time: choose a micro_batch_size that divides it"
            )
        return self.batch_size // at_a_time

    def lengths(self, accumulation: int, num_batches: int) -> dict[str, Any]:
        """`fit` as the Trainer takes it: `val_check_interval` in batches, epochs as optimiser steps.

        With epochs to count, Lightning makes the loader's iterator before it restores a state, and then begins the
        epoch anew without a word.
        """
        arguments = dict(self.fit)
        if isinstance(every := arguments.get("val_check_interval"), int):
            arguments["val_check_interval"] = every * accumulation
        max_epochs, max_steps = arguments.get("max_epochs") or -1, arguments.get("max_steps", -1)
        if max_epochs != -1:
            num_steps = max_epochs * -(-num_batches // accumulation)
            arguments |= {"max_epochs": -1, "max_steps": num_steps if max_steps == -1 else min(max_steps, num_steps)}
        return arguments
