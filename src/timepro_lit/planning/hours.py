"""How long a stage takes on a stated GPU, used to a stated share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from timepro_lit.planning import flops, memory
from timepro_lit.planning.shape import Shape
from timepro_lit.planning.work import Method, Share, Work


@dataclass(frozen=True, slots=True)
class Machine:
    """A GPU, and how much of it our code is known to use."""

    name: str
    flops_per_s: float
    """Dense, in bfloat16, on paper."""
    bytes_per_s: float
    """Of its memory, on paper."""
    memory_bytes: float
    share_of_flops: float
    """Reached in training, by the count of `flops.py`."""
    share_of_bytes: float
    """Reached in decoding, which waits for weights and cache."""


H100 = Machine("H100 SXM", 989e12, 3.35e12, 80e9, share_of_flops=0.33, share_of_bytes=0.2)
"""The shares are those of an H200 in experiments/benchmarks: 295 to 340 TFLOP/s in updates, 0.9 TB/s in decoding."""


def of_stage(shape: Shape, method: Method, work: Work, machine: Machine) -> float:
    """Hours of all optimiser steps; validation, loading and the processes' talk come on top."""
    steps_s = [max(seconds(shape, method, share, machine) for share in step) for step in work.sampled]
    return work.num_steps * sum(steps_s) / len(steps_s) / 3600


def seconds(shape: Shape, method: Method, share: Share, machine: Machine) -> float:
    """Of what one process does in a step.

    A step of decoding takes as long as its operations, or as reading all weights and the cache, whichever is longer.
    """
    counts = of_share(shape, method, share)
    trained = sum(count for name, count in counts.items() if name != "decode")
    found = trained / (machine.flops_per_s * machine.share_of_flops)
    if method.rollout is None:
        return found
    rollout, decoder = method.rollout, shape.decoder
    read = memory.weights(shape, method) - method.weight_bytes * (shape.encoder.weights + decoder.embedding)
    for batch in share if rollout.one_pass else flops.joined(share):
        keys = batch.length + rollout.group_size * rollout.max_new_tokens
        cache = memory.cache(decoder, method, batch.rows, keys, rollout.keeps_room)
        for count in flops.decode_steps(decoder, method.rank, rollout, batch):
            computed_s = count / (machine.flops_per_s * machine.share_of_flops)
            read_s = (read + cache) / (machine.bytes_per_s * machine.share_of_bytes)
            found += max(computed_s, read_s) / rollout.num_updates
    return found


def of_share(shape: Shape, method: Method, share: Share) -> Mapping[str, float]:
    """Operations of what one process does in a step, by phase."""
    if method.rollout is not None:
        return flops.of_exploring(shape, method, method.rollout, share)
    total: dict[str, float] = {}
    for batch in share:
        for name, count in flops.of_reading(shape, method, batch).items():
            total[name] = total.get(name, 0.0) + count
    return total


def of_all_steps(shape: Shape, method: Method, work: Work) -> dict[str, float]:
    """Operations of a stage on all processes together, by phase."""
    total: dict[str, float] = {}
    for step in work.sampled:
        for share in step:
            for name, count in of_share(shape, method, share).items():
                total[name] = total.get(name, 0.0) + count * work.num_steps / len(work.sampled)
    return total
