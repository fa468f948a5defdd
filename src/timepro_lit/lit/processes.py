"""What the processes of a run tell each other."""

from __future__ import annotations

from typing import TypeVar

import torch

T = TypeVar("T")


def gathered(value: T) -> list[T]:
    """The values of all processes, by rank; every process has to ask, and gets the same."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [value]
    values: list[T | None] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values  # type: ignore[return-value]
