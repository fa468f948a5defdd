"""Key-value caches for rollout: many short steps, without a copy of the prompt at each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers.cache_utils import DynamicLayer, StaticLayer

GROWTH = 4
"""Full memory grows by a GROWTH-th: a prompt is copied a few times in a rollout, and little of it is ever unused."""


class RoomyLayer(DynamicLayer):
    """One layer's keys and values, detached, with memory for more.

    transformers' own layer makes new tensors at every step, and so copies the prompt as often as there are steps.
    """

    def __init__(self, layer: DynamicLayer) -> None:
        super().__init__()
        self.lazy_initialization(layer.keys, layer.values)
        self._memory = (layer.keys.detach(), layer.values.detach())
        self._show(layer.keys.shape[-2])

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """All keys and values, (B, H, K, D) each, with the new ones at the end."""
        held, wanted = self.keys.shape[-2], self.keys.shape[-2] + key_states.shape[-2]
        if wanted > self._memory[0].shape[-2]:
            self._memory = tuple(_larger(memory, held, wanted + wanted // GROWTH) for memory in self._memory)
        for memory, new in zip(self._memory, (key_states, value_states), strict=True):
            memory[:, :, held:wanted] = new
        self._show(wanted)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these batch rows alone."""
        self._memory = (self.keys[indices], self.values[indices])
        self._show(self.keys.shape[-2])

    def _show(self, num_tokens: int) -> None:
        self.keys, self.values = (memory[:, :, :num_tokens] for memory in self._memory)


class FixedLayer(StaticLayer):
    """One layer's keys and values, detached, at the beginning of memory for `num_tokens`."""

    def __init__(self, layer: DynamicLayer, num_tokens: int) -> None:
        super().__init__(num_tokens)
        super().update(layer.keys.detach(), layer.values.detach())

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """The whole memory, (B, H, K, D) each, with the new keys and values behind those before.

        Under autocast a cache holds float32, to which rotation brings the keys, and is given values in bfloat16.
        """
        return super().update(key_states.to(self.dtype), value_states.to(self.dtype))


def joined_layer(layers: Sequence[DynamicLayer]) -> DynamicLayer:
    """The keys and values of all rows of one layer in several caches, padded on the left to equal length."""
    longest = max(layer.keys.shape[-2] for layer in layers)
    keys, values = (
        torch.cat([pad(tensor, (0, 0, longest - tensor.shape[-2], 0)) for tensor in tensors])
        for tensors in zip(*((layer.keys, layer.values) for layer in layers), strict=True)
    )
    joined = DynamicLayer()
    joined.lazy_initialization(keys, values)
    joined.keys, joined.values = keys, values
    return joined


def _larger(memory: Tensor, held: int, num_tokens: int) -> Tensor:
    batch_size, num_heads, _, size = memory.shape
    larger = memory.new_empty(batch_size, num_heads, num_tokens, size)
    larger[:, :, :held] = memory[:, :, :held]
    return larger
