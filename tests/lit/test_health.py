from __future__ import annotations

import pytest
import torch

from timepro_lit.lit.health import Phases, costs, note_cost
from timepro_lit.lit.step_sums import StepSums, Sums


def test_seconds_go_to_the_phase_that_they_are_spent_in() -> None:
    seconds = iter((0.0, 1.0, 3.0, 6.0, 10.0, 15.0, 21.0))
    clock = Phases(lambda: next(seconds))
    clock.begin()
    clock.enter("forward_backward")
    with pytest.raises(ValueError, match="no answer"), clock.during("rollout"):
        raise ValueError("no answer")
    assert clock.take("data", "forward_backward", "rollout", "saving") == {
        "data": 2.0, "forward_backward": 3.0 + 5.0, "rollout": 4.0, "saving": 0.0,
    }  # fmt: skip
    assert clock.take("forward_backward", "data") == {"forward_backward": 6.0, "data": 0.0}


def test_costs_are_those_of_all_processes() -> None:
    means = {"cost/data_s": (3.0, 1.0), "cost/optimizer_s": (1.0, 1.0), "cost/step_s": (4.0, 1.0)}
    other = Sums(means, {"skipped": 0.0, "tokens": 90.0}, {"cost/peak_memory_gb": 1e6})
    sums = StepSums(lambda mine: [mine, other])
    sums.add("tokens", torch.tensor(30))
    note_cost(sums, {"data": 1.0, "optimizer": 0.0}, torch.device("cpu"))
    step = sums.close()
    assert step.means == {"cost/data_s": 2.0, "cost/optimizer_s": 0.5, "cost/step_s": 2.5}
    assert costs(step) == {"cost/peak_memory_gb": 1e6, "cost/tokens_per_s": 120 / 2.5}
