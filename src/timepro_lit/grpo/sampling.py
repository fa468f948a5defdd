"""Drawing the next token: randomness that belongs to an answer, not to the batch it happens to sit in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor


def uniforms(seed: int, keys: Sequence[str], group_size: int, num_tokens: int) -> Tensor:
    """One uniform number per token, a function of (seed, prompt's key, sample, token) alone.

    The numbers come from a hash instead of a generator, so they are the same on every device and version, and
    asking for more tokens changes none of the first ones.

    Shapes: B = len(keys) -> (B, G, R) float64 in [0, 1), with G = group_size and R = num_tokens.
    """
    digests = [
        hashlib.shake_128(f"{seed}/{sample}/{key}".encode()).digest(8 * num_tokens)
        for key in keys
        for sample in range(group_size)
    ]
    bits = torch.frombuffer(bytearray(b"".join(digests)), dtype=torch.int64)
    # 52 bits, not 53: the largest number times a total of any rounding stays below that total
    return ((bits >> 12) & (2**52 - 1)).double().mul(2.0**-52).view(len(keys), group_size, num_tokens)


def draw(logits: Tensor, uniform: Tensor) -> Tensor:
    """The token at which the cumulative distribution passes the uniform number.

    Shapes: logits (..., V) float32, uniform (...) float64 in [0, 1) -> (...) int64.
    """
    cdf = torch.softmax(logits, dim=-1).cumsum(dim=-1, dtype=torch.float64)
    threshold = uniform[..., None] * cdf[..., -1:]
    # right=True: the first token whose cdf is *above* the threshold, which never has probability zero
    token = torch.searchsorted(cdf, threshold, right=True).squeeze(-1)
    return token.clamp(max=logits.shape[-1] - 1)
