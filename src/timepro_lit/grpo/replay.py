"""One launch in place of thousands: a function of tensors, captured once as a CUDA graph and replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import torch
from torch import Tensor

Function = Callable[..., Tensor]
Capture = Callable[[Function, Sequence[Tensor]], tuple[Callable[[], None], Tensor]]
"""(function, its inputs) -> what computes it anew from those inputs, and where the result then stands."""


def capture_on_gpu(function: Function, inputs: Sequence[Tensor]) -> tuple[Callable[[], None], Tensor]:
    """A CUDA graph of the function on its inputs' device; nothing is computed yet.

    Raises RuntimeError where the function waits for the device.
    """
    # torch.cuda.graph would empty the allocator's cache at each capture, use the current device, and after a fault
    # leave its own stream current.
    device = inputs[0].device
    graph, stream, before = torch.cuda.CUDAGraph(), torch.cuda.Stream(device), torch.cuda.current_stream(device)
    stream.wait_stream(before)
    # Autocast must not keep weights that were cast into the graph's memory for anything after it.
    dtype, is_on = torch.get_autocast_dtype("cuda"), torch.is_autocast_enabled("cuda")
    with torch.cuda.stream(stream), torch.autocast("cuda", dtype, enabled=is_on, cache_enabled=False):
        # Other threads go on (collectives, pinned memory): only this one's calls may spoil the capture.
        graph.capture_begin(pool=_pool(), capture_error_mode="thread_local")
        try:
            output = function(*inputs)
        except Exception as error:
            with suppress(RuntimeError):
                graph.capture_end()
            raise RuntimeError(
                f"a decoding step cannot be captured as a CUDA graph ({error}): set +model.capture_steps=false"
            ) from error
        graph.capture_end()
    before.wait_stream(stream)
    return graph.replay, output


@cache
def _pool() -> Any:
    """The memory that all graphs compute in: a rollout's is the next one's, where each would else keep its own."""
    return torch.cuda.graph_pool_handle()


class Replayed:
    """The function, called as ever: an ordinary call at first, captured at the second, replayed from then on.

    Shapes must not change. The function may change tensors in place (a cache of fixed size), but nothing else: Python
    does not run when it is replayed. A result is overwritten by the next call.
    """

    def __init__(self, function: Function, capture: Capture = capture_on_gpu) -> None:
        self.function = function
        self.capture = capture
        self.is_warm = False
        self.inputs: list[Tensor] = []
        self.replay: Callable[[], None] | None = None
        self.output: Tensor | None = None

    def __call__(self, *inputs: Tensor) -> Tensor:
        if not self.is_warm:  # loads kernels, which a capture cannot
            self.is_warm = True
            return self.function(*inputs)
        if self.replay is None or self.output is None:
            self.inputs = [tensor.clone() for tensor in inputs]
            self.replay, self.output = self.capture(self.function, self.inputs)
        for held, new in zip(self.inputs, inputs, strict=True):
            held.copy_(new)
        self.replay()
        return self.output
