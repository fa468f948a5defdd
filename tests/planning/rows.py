"""Rows of random tokens as training reads them, and their log-probabilities."""

from __future__ import annotations

import torch
from torch import Tensor

from timepro_lit.grpo.logprobs import branch_logprobs
from timepro_lit.lalm.base import LALM

ROWS, LENGTH, ANSWER = 2, 512, 32


def read(lalm: LALM) -> Tensor:
    """Log-probabilities of the last `ANSWER` tokens of each row."""
    ids = torch.randint(20, 300, (ROWS, LENGTH), generator=torch.Generator().manual_seed(0))
    branch = torch.zeros_like(ids)
    branch[:, -ANSWER:] = 1
    depth = torch.zeros_like(ids)
    depth[:, -ANSWER:] = torch.arange(ANSWER)
    positions = lalm.positions(ids, branch == 0)
    return branch_logprobs(lalm, lalm.embed(ids), ids, branch, depth, branch == 1, positions)
