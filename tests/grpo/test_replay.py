"""When a function is called, captured and replayed; the capture itself needs a GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from timepro_lit.grpo.replay import Replayed


def test_called_then_captured_then_replayed_from_the_same_memory() -> None:
    calls, total = [], torch.zeros(2)

    def add(number: Tensor) -> Tensor:
        calls.append(number)
        return total.add_(number).clone()

    def capture(function: Callable[..., Tensor], inputs: Sequence[Tensor]) -> tuple[Callable[[], None], Tensor]:
        output = torch.empty(2)  # of a CUDA graph too, nothing is computed before it is replayed
        return lambda: output.copy_(function(*inputs)), output

    replayed = Replayed(add, capture)
    seen = [replayed(torch.tensor([n, 10.0 * n])).tolist() for n in (1, 2, 3)]
    assert seen == [[1, 10], [3, 30], [6, 60]]
    assert calls[1] is calls[2] is not calls[0]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
def test_a_cuda_graph_computes_what_calls_compute() -> None:
    torch.manual_seed(0)
    layer, total = torch.nn.Linear(4, 4).cuda(), torch.zeros(4, device="cuda")

    def step(row: Tensor) -> Tensor:
        total.add_(layer(row))
        return total * 2

    with torch.no_grad():
        rows = torch.randn(5, 4, device="cuda")
        expected = 2 * layer(rows).cumsum(0)
        replayed = Replayed(step)
        assert torch.allclose(torch.stack([replayed(row).clone() for row in rows]), expected, atol=1e-5)
    assert replayed.replay is not None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
def test_a_cuda_capture_that_waits_for_the_device_is_refused_and_harms_nothing() -> None:
    def waiting(number: Tensor) -> Tensor:
        return number * int(number.sum())

    replayed, number, stream = Replayed(waiting), torch.ones(2, device="cuda"), torch.cuda.current_stream()
    replayed(number)
    with pytest.raises(RuntimeError, match=r"set \+model\.capture_steps=false"):
        replayed(number)
    assert torch.cuda.current_stream() == stream
    assert waiting(number).tolist() == [2, 2]
