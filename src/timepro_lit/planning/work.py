"""What a stage does: its rows in micro-batches, and how they are trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Trained = Literal["adapter", "language model", "everything"]


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Rows that one process takes at a time."""

    rows: int
    length: int
    """Tokens of each row, padding included; of the prompt alone where it is to be answered."""
    answers: float
    """Tokens of all reference answers."""
    longest_answer: float
    audio_s: float
    """Seconds of all clips."""

    @property
    def tokens(self) -> int:
        """Of all rows, padding included."""
        return self.rows * self.length


Share = tuple[MicroBatch, ...]
"""What one process takes in a step."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the rows of a stage."""

    num_rows: int
    num_examples: Mapping[str, int]
    """Questions of each task."""
    num_prompt_tokens: float
    """Audio frames and timestamps included; what the questions about one clip share counts once."""
    num_answer_tokens: float
    num_frames: int
    """Audio frames that the language model reads."""
    audio_s: float
    num_steps: int


@dataclass(frozen=True, slots=True)
class Work:
    """A stage on a number of processes."""

    num_steps: int
    """Optimiser steps."""
    num_micro_batches: int
    """To a step, of each process."""
    sampled: tuple[tuple[Share, ...], ...]
    """Some steps of an epoch, each as the shares of all processes."""
    largest: MicroBatch
    """The one with the most tokens, of all that could be drawn."""
    largest_share: Share
    """What the process with the most to do takes in a step of the longest rows."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """How a stage draws answers to learn from."""

    group_size: int
    max_new_tokens: int
    has_reference: bool
    """Whether a KL term asks for a forward of the reference policy."""
    one_pass: bool
    """Whether the update goes on from the rollout's own forward of the prompts."""
    num_updates: int = 1
    """Optimiser steps to each rollout."""
    keeps_room: bool = True
    """Whether the cache has room for the longest answers from the start, as on a GPU."""


@dataclass(frozen=True, slots=True)
class Method:
    """How a stage is trained."""

    trained: Trained
    rank: int
    """Of LoRA; 0 without an adapter."""
    weight_bytes: float
    """Of a base weight."""
    four_bit: bool
    """Whether the linear layers of the language model are held in four bits."""
    autocast: bool
    """Whether matrix products are in bfloat16 whatever the weights are in."""
    checkpointed: bool
    """Whether the layers are computed again in the backward pass."""
    sharded: bool
    """Whether processes share gradients and optimiser state (ZeRO-2)."""
    logits_at_once: int
    """Numbers in the largest chunk of logits."""
    rollout: Rollout | None = None

    @property
    def product_bytes(self) -> float:
        """Of a number that a matrix product takes or gives."""
        return 2.0 if self.autocast else self.weight_bytes


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a run is to take place."""

    on_gpu: bool
    num_processes: int | None
    """None = as many as there are GPUs."""
    sharded: bool
    autocast: bool
    strategy: str
    limit_train_batches: float | int = 1.0
    overfit_batches: float | int = 0.0
    """As of Lightning's Trainer."""
