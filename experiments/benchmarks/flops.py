"""Floating-point operations of the phases of a GRPO step, by count: what a measured second is held against.

A token costs what `timepro_lit.planning.flops` says; here every answer is equally long, and attention computes no more
than a causal row shows.
"""

from __future__ import annotations

import sys
from functools import partial

from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lalm.shape import measured
from timepro_lit.planning import flops
from timepro_lit.planning.work import Method


def phases(
    lalm: LALM, rank: int, form: str, prompts: int, prompt: int, group: int, answer: int, kl: float
) -> dict[str, float]:
    """Operations of each phase of a form, reference pass included where there is a KL term."""
    decoder = measured(Qwen2_5Omni, lalm.outer.config).decoder
    adapter = Method("adapter", rank, 2.0, False, True, False, False, sys.maxsize)
    forward, backward = partial(flops.forward, decoder, rank), partial(flops.backward, decoder, adapter)
    fed = group * (answer - 1)
    own = fed * answer / 2
    causal, behind = prompt * prompt / 2, fed * prompt + own
    decode = forward(fed, behind, group * answer)
    if form == "greedy":
        prefill, reference, update = forward(prompt, causal, 0), 0.0, 0.0
    elif form in ("one_pass", "packed"):
        answers, whole = (fed, behind, group * answer), (prompt + fed, causal + behind, group * answer)
        prefill = forward(prompt, causal, 0)
        update = forward(*(answers if form == "one_pass" else whole)) + backward(*whole)
        reference = forward(*whole)
    elif form == "sft":
        row = (prompt + answer - 1, (prompt + answer) ** 2 / 2, answer)
        prefill, decode, reference, update = 0.0, 0.0, 0.0, forward(*row) + backward(*row)
    else:
        num_logits = group * (prompt + answer if form == "naive" else answer)
        rows = (group * (prompt + answer), group * (prompt + answer) ** 2 / 2, num_logits)
        prefill = group * forward(prompt, causal, 0)
        update, reference = forward(*rows) + backward(*rows), forward(*rows)
    of_prompt = {"prefill": prefill, "decode": decode, "update": update + (reference if kl else 0.0)}
    return {name: prompts * count for name, count in of_prompt.items() if count}
