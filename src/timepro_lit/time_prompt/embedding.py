"""Timestamp embeddings: eq. (1) of TimePro-RL (arXiv 2604.13715), the random rows of its ablation, and ordered ones.

Legend: K timestamps, V vocabulary, U tokens that occur in the number strings, D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

Distribution = Literal["matched", "small", "unit"]
DISTRIBUTIONS: tuple[str, ...] = ("matched", "small", "unit")

_COLUMNS_AT_ONCE = 256  # a float32 copy of a whole 152k-row vocabulary would take gigabytes


def mean_of_digits(texts: Sequence[str], tokenize: Callable[[str], list[int]], embeddings: Tensor) -> Tensor:
    """Eq. (1): the row of each number string is the mean of the pre-trained embeddings of its tokens.

    `embeddings` is (V, D); the result (K, D) float32 on the same device. The mean runs over the token sequence, so a
    repeated digit counts as often as it occurs. Raises ValueError where `tokenize` gives no token, or one outside the
    vocabulary.
    """
    return _weighted(texts, tokenize, embeddings, lambda place: 1.0)


def _weighted(
    texts: Sequence[str], tokenize: Callable[[str], list[int]], embeddings: Tensor, weight: Callable[[int], float]
) -> Tensor:
    """Weighted means by one product of a (K, U) matrix with the U rows that occur; places count from the right."""
    if not texts:
        raise ValueError("no timestamp strings were given.")
    sequences = [tokenize(text) for text in texts]
    for text, ids in zip(texts, sequences, strict=True):
        if not ids or min(ids) < 0 or max(ids) >= len(embeddings):
            raise ValueError(f"the tokenizer gives {ids} for {text!r}: not token ids below {len(embeddings)}.")
    used = sorted({token for ids in sequences for token in ids})
    column = {token: index for index, token in enumerate(used)}
    weights = torch.zeros(len(texts), len(used))
    for row, ids in enumerate(sequences):
        for place, token in enumerate(reversed(ids)):
            weights[row, column[token]] += weight(place)
    sums = weights.sum(dim=1, keepdim=True).to(embeddings.device)
    used_rows = embeddings.detach()[torch.tensor(used, device=embeddings.device)].float()
    return (weights.to(embeddings.device) @ used_rows) / sums


def weighted_digits(texts: Sequence[str], tokenize: Callable[[str], list[int]], embeddings: Tensor) -> Tensor:
    """Rows that know the order of their digits: as eq. (1), but each token weighs twice what its right neighbour does.

    They stay within the span of the digits' embeddings, where eq. (1) has 386 distinct rows for 750 strings; powers of
    two tell all of them apart. `embeddings` (V, D) -> (K, D) float32. Raises ValueError as `mean_of_digits` does.
    """
    return _weighted(texts, tokenize, embeddings, lambda place: 2.0**place)


def random_rows(num: int, embeddings: Tensor, seed: int, mode: Distribution = "matched") -> Tensor:
    """`num` random rows, the ablation of eq. (1): (num, D) float32 on the device of `embeddings` (V, D).

    "matched": normal with the mean and standard deviation that each dimension has over the vocabulary;
    "small": N(0, 0.02), standard deviation 0.02; "unit": N(0, 1). Drawn on the CPU, so a seed means the same rows
    on every device. Raises ValueError for another mode.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(num, embeddings.shape[1], generator=generator).to(embeddings.device)
    if mode == "unit":
        return rows
    if mode == "small":
        return 0.02 * rows
    if mode == "matched":
        mean, std = _mean_and_std(embeddings.detach())
        return mean + std * rows
    raise ValueError(f"the distribution of random rows must be one of {', '.join(DISTRIBUTIONS)}, got {mode!r}.")


def _mean_and_std(embeddings: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population standard deviation of every column, each (D,) float32."""
    means, stds = [], []
    for block in embeddings.split(_COLUMNS_AT_ONCE, dim=1):
        std, mean = torch.std_mean(block.float(), dim=0, correction=0)
        means.append(mean)
        stds.append(std)
    return torch.cat(means), torch.cat(stds)
