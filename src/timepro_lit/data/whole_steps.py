"""All prompts of an optimiser step at once, however small the micro-batches that its update takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from torch.utils.data import Sampler
from torchdata.stateful_dataloader import StatefulDataLoader

from timepro_lit.records import Batch


class WholeSteps:
    """A loader's micro-batches, of each step the first that is not empty with all of that step's in its `whole_step`.

    A step of decoding costs a GPU as much for one prompt as for many, so a rollout wants them together. The state is
    the loader's, which is this one's between two steps alone.
    """

    def __init__(self, loader: StatefulDataLoader[Batch], micro_batches: int) -> None:
        self.loader = loader
        self.micro_batches = micro_batches

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Batch]:
        batches = iter(self.loader)
        while step := tuple(islice(batches, self.micro_batches)):
            first = next((batch for batch in step if len(batch)), None)
            for batch in step:
                yield replace(batch, whole_step=step) if batch is first else batch

    @property
    def batch_sampler(self) -> Sampler[list[int]]:
        """Lightning tells its sampler the epoch."""
        sampler: Sampler[list[int]] = self.loader.batch_sampler
        return sampler

    def state_dict(self) -> dict[str, Any]:
        """The loader's own."""
        state: dict[str, Any] = self.loader.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the loader was."""
        self.loader.load_state_dict(state)
