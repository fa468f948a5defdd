"""What rollout and log-probabilities need from a language model, and nothing more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from torch import Tensor

Mask = Tensor | Callable[[int, int], Tensor]
"""(B, L, K) bool, true = may attend; or, of rows too long for that, what makes the mask of queries `start` to `stop`:
(B, stop - start, K - L + stop), for none of them sees a key behind its own."""


class LanguageModel(Protocol):
    """A causal decoder fed with embeddings, explicit positions and explicit masks.

    Shapes: B rows, L tokens fed now, K = tokens already in the cache + L, D hidden size, V vocabulary.
    """

    @property
    def end_ids(self) -> tuple[int, ...]:
        """Tokens that end an answer."""
        ...

    @property
    def pad_id(self) -> int:
        """The token fed after an answer has ended; its output is never used."""
        ...

    @property
    def vocab_size(self) -> int:
        """V, how many logits there are."""
        ...

    def embed(self, ids: Tensor, frames: Tensor | None) -> Tensor:
        """Embed (B, L) int64 ids as (B, L, D); `frames` is None wherever ids hold no audio placeholder."""
        ...

    def decode(self, embeds: Tensor, positions: Tensor, mask: Mask, cache: Any | None) -> Tensor:
        """Hidden states (B, L, D) of (B, L, D) embeds at (B, L) int64 `positions`. A cache grows by L in place."""
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """Next-token logits (..., V) float32 of hidden states (..., D)."""
        ...

    def new_cache(self) -> Any:
        """An empty key-value cache."""
        ...

    def fork(self, cache: Any) -> Any:
        """A cache that starts with the same keys and values, and their graph, and grows by itself."""
        ...

    @property
    def steps_are_captured(self) -> bool:
        """Whether decoding steps are worth capturing as a CUDA graph, which needs a cache of a fixed size."""
        ...

    def fork_to_roll_out(self, cache: Any, num_tokens: int | None = None) -> Any:
        """The same without a graph, made for many short steps.

        It grows or, with `num_tokens`, has memory for so many in all: `decode` then takes a mask of K = num_tokens.
        """
        ...

    def join(self, caches: Sequence[Any]) -> Any:
        """One cache of all rows of several, the shorter ones padded on the left."""
        ...

    def select(self, cache: Any, rows: Tensor) -> Any:
        """The cache of the (N,) int64 batch rows alone; the cache given may be changed in place."""
        ...
