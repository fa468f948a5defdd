"""Operations by count against those that torch sees in a real forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tests.planning.rows import ANSWER, LENGTH, ROWS, read
from timepro_lit.grpo import layout
from timepro_lit.grpo.logprobs import COLUMN_MULTIPLE, answer_logprobs, answer_logprobs_behind
from timepro_lit.grpo.prefix import prefill
from timepro_lit.grpo.rollout import sample
from timepro_lit.lalm import attention
from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lalm.shape import shape_of
from timepro_lit.planning import flops
from timepro_lit.planning.shape import Shape
from timepro_lit.planning.work import Method, MicroBatch, Rollout, Trained

GROUP, TOKENS = 4, 10


def seen(work: Callable[[], object]) -> float:
    # Fused kernels of a CPU are not in torch's list: attention as plain products is.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def method(trained: Trained = "adapter", checkpointed: bool = False, rollout: Rollout | None = None) -> Method:
    return Method(trained, 8 if trained == "adapter" else 0, 4.0, False, False, checkpointed, False, 2**26, rollout)


@pytest.fixture
def shape(checkpoint: Path) -> Shape:
    return shape_of(Qwen2_5Omni(str(checkpoint)))[0]


def test_the_counts_know_the_blocks_of_attention_and_of_answers() -> None:
    assert (flops.QUERIES, flops.COLUMNS) == (attention.QUERIES, COLUMN_MULTIPLE)
    assert flops.LONG == layout.LONG


@pytest.mark.parametrize(
    ("trained", "checkpointed"), [("adapter", False), ("adapter", True), ("language model", False)]
)
def test_reading_rows_with_their_answers(
    loaded: Callable[..., LALM], shape: Shape, trained: Trained, checkpointed: bool
) -> None:
    lalm = loaded(checkpointed=checkpointed, adapter=trained == "adapter")
    batch = MicroBatch(ROWS, LENGTH, ROWS * ANSWER, ANSWER, audio_s=0.0)
    counted = flops.of_reading(shape, method(trained, checkpointed), batch)
    kept: list[Tensor] = []
    assert seen(lambda: kept.append(read(lalm))) == pytest.approx(counted["forward"], rel=0.02)
    assert seen(lambda: kept[0].sum().backward()) == pytest.approx(counted["backward"], rel=0.02)


@pytest.mark.parametrize("checkpointed", [False, True])
def test_long_rows_attend_once_more(
    loaded: Callable[..., LALM], shape: Shape, checkpointed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (flops, layout):
        monkeypatch.setattr(module, "LONG", LENGTH - 1)
    lalm, batch = loaded(checkpointed=checkpointed), MicroBatch(ROWS, LENGTH, ROWS * ANSWER, ANSWER, audio_s=0.0)
    counted = flops.of_reading(shape, method(checkpointed=checkpointed), batch)
    kept: list[Tensor] = []
    assert seen(lambda: kept.append(read(lalm))) == pytest.approx(counted["forward"], rel=0.02)
    # Of plain products the second need not be computed again, whose inputs are all that is kept; fused ones are whole.
    spared = 2 * shape.decoder.attention * ROWS * flops.pairs(LENGTH)
    assert seen(lambda: kept[0].sum().backward()) == pytest.approx(counted["backward"] - spared, rel=0.02)


def test_long_clips_are_padded_to_whole_windows(shape: Shape) -> None:
    encoder = replace(shape.encoder, padded_s=30.0)
    assert flops.encode(encoder, 2, 130.0) == flops.encode(encoder, 6, 180.0)
    assert flops.encode(encoder, 0, 0.0) == 0


def test_hearing_clips(loaded: Callable[..., LALM], shape: Shape) -> None:
    lalm = loaded()
    clips = [np.full(16_000 * seconds, 0.1, np.float32) for seconds in (8, 4)]
    features, mask = lalm.frontend.features(clips)
    with torch.no_grad():
        counted = flops.encode(shape.encoder, 2, 12.0)
        assert seen(lambda: lalm.encode_audio(features, mask)) == pytest.approx(counted, rel=0.05)


@pytest.mark.parametrize("one_pass", [True, False])
def test_exploring_and_learning_from_it(loaded: Callable[..., LALM], shape: Shape, one_pass: bool) -> None:
    lalm = loaded()
    rollout = Rollout(GROUP, TOKENS, has_reference=True, one_pass=one_pass, keeps_room=False)
    batch = MicroBatch(ROWS, 320, ROWS * TOKENS, TOKENS, audio_s=0.0)
    counted = flops.of_exploring(shape, method(rollout=rollout), rollout, (batch,))
    ids = torch.randint(20, 300, (ROWS, 320), generator=torch.Generator().manual_seed(0))
    prompt = lalm.embed(ids), torch.ones_like(ids, dtype=torch.bool)
    answers = torch.randint(20, 300, (ROWS, GROUP, TOKENS)), torch.ones(ROWS, GROUP, TOKENS, dtype=torch.bool)
    lalm.end_ids = (-1,)  # so that every answer is as long as it may be
    lalm.eval()
    prefixes, logps = [], []
    with torch.set_grad_enabled(one_pass):
        # prefill's own head comes with the rollout's first token
        found = seen(lambda: prefixes.append(prefill(lalm, *prompt)))
    head = 2 * shape.decoder.embedding * ROWS
    assert found + head == pytest.approx(counted["prefill"], rel=0.02)
    keys = ["a", "b"]
    found = seen(
        lambda: sample(
            lalm, prefixes[0], group_size=GROUP, max_new_tokens=TOKENS, warp=lambda logits: logits, keys=keys
        )
    )
    assert found - head == pytest.approx(counted["decode"], rel=0.03)

    def behind() -> None:
        logps.append(answer_logprobs_behind(lalm, prefixes[0], *answers))

    def again() -> None:
        logps.append(answer_logprobs(lalm, *prompt, *answers))

    found = seen(behind if one_pass else again) + seen(lambda: logps[0].sum().backward())
    assert found == pytest.approx(counted["update"], rel=0.03)
    with torch.no_grad():
        found = seen(lambda: prefixes.append(prefill(lalm, *prompt))) + seen(behind) if one_pass else seen(again)
    assert found == pytest.approx(counted["reference"], rel=0.03)
