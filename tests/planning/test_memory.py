"""Bytes by count against those of real weights, optimisers, saved tensors and caches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.planning.rows import ANSWER, LENGTH, ROWS, read
from timepro_lit.grpo import layout
from timepro_lit.grpo.logprobs import LOGITS_AT_ONCE, answer_logprobs_behind
from timepro_lit.grpo.prefix import prefill
from timepro_lit.grpo.rollout import sample
from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.lora import add_reference
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lalm.shape import shape_of
from timepro_lit.planning import memory
from timepro_lit.planning.shape import Shape
from timepro_lit.planning.work import Method, MicroBatch, Rollout

GROUP, TOKENS, PROMPT = 4, 24, 320
BYTES = {"float32": 4.0, "bfloat16": 2.0}


@pytest.fixture
def shape(checkpoint: Path) -> Shape:
    return shape_of(Qwen2_5Omni(str(checkpoint)))[0]


def method(dtype: str, autocast: bool, checkpointed: bool = False, adapter: bool = True, **more: Any) -> Method:
    trained = "adapter" if adapter else "language model"
    return Method(
        trained, 8 if adapter else 0, BYTES[dtype], False, autocast, checkpointed, False, LOGITS_AT_ONCE, **more
    )


def saved_by(lalm: LALM, work: Callable[[], object]) -> int:
    """Bytes that autograd keeps, weights and buffers of the model aside."""
    kept: dict[int, tuple[int, Tensor]] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes(), tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        work()
    own = {tensor.untyped_storage().data_ptr() for tensor in (*lalm.parameters(), *lalm.buffers())}
    return sum(size for place, (size, _) in kept.items() if place not in own)


def num_bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@pytest.mark.parametrize(
    ("dtype", "autocast", "checkpointed", "adapter"),
    [
        ("float32", False, False, True),
        ("bfloat16", True, False, True),
        ("float32", True, False, True),
        ("bfloat16", True, True, True),
        ("float32", True, False, False),
    ],
)
def test_activations_of_rows_with_their_answers(
    loaded: Callable[..., LALM], shape: Shape, dtype: str, autocast: bool, checkpointed: bool, adapter: bool
) -> None:
    lalm, how = loaded(dtype, checkpointed, adapter), method(dtype, autocast, checkpointed, adapter)
    kept = []
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = saved_by(lalm, lambda: kept.append(read(lalm)))
    counted = sum(memory.of_reading(shape, how, MicroBatch(ROWS, LENGTH, ROWS * ANSWER, ANSWER, 0.0)).values())
    if checkpointed:  # the one layer that is computed again is not there yet; masks are held, and not by autograd
        counted -= ROWS * LENGTH * memory.saved_by_layer(shape.decoder, how)
        counted -= memory.masks(shape.decoder, how, ROWS, LENGTH)
    assert found == pytest.approx(counted, rel=0.15)


def test_long_rows_keep_no_masks(loaded: Callable[..., LALM], shape: Shape, monkeypatch: pytest.MonkeyPatch) -> None:
    how, batch = method("float32", False), MicroBatch(ROWS, LENGTH, ROWS * ANSWER, ANSWER, 0.0)
    kept, found, counted = [], [], []
    for long in (LENGTH, LENGTH - 1):
        monkeypatch.setattr(layout, "LONG", long)
        monkeypatch.setattr(memory, "LONG", long)
        lalm = loaded()
        found.append(saved_by(lalm, lambda lalm=lalm: kept.append(read(lalm))))  # type: ignore[misc]
        counted.append(sum(memory.of_reading(shape, how, batch).values()))
    assert found[1] < found[0]
    assert found[1] == pytest.approx(counted[1], rel=0.15)


def test_weights_and_the_state_of_training(loaded: Callable[..., LALM], shape: Shape) -> None:
    lalm, how = loaded("bfloat16"), method("bfloat16", True, rollout=Rollout(4, 8, True, True))
    trained = [weight for weight in lalm.parameters() if weight.requires_grad]
    base = [weight for name, weight in lalm.named_parameters() if "lora_" not in name]
    assert num_bytes(base) == memory.weights(shape, how)
    assert sum(weight.numel() for weight in trained) == memory.num_trained(shape, how)
    add_reference(lalm)
    optimizer = torch.optim.AdamW(trained)
    torch.autocast("cpu", torch.bfloat16)(read)(lalm).sum().backward()
    optimizer.step()
    moments = [value for state in optimizer.state.values() for key, value in state.items() if key != "step"]
    gradients = [weight.grad for weight in trained if weight.grad is not None]
    adapters = num_bytes(weight for name, weight in lalm.named_parameters() if "lora_" in name)
    counted = memory.training_state(shape, how, num_processes=1)
    assert counted == {"adapter": adapters, "gradient and AdamW": num_bytes(gradients) + num_bytes(moments)}
    full = loaded(adapter=False)
    assert memory.num_trained(shape, method("float32", True, adapter=False)) == sum(
        weight.numel() for weight in full.parameters() if weight.requires_grad
    )


def test_a_shard_of_the_state_is_a_part_of_it(shape: Shape) -> None:
    how = Method("adapter", 8, 2.0, False, True, True, True, LOGITS_AT_ONCE)
    assert memory.training_state(shape, how, 8)["gradient and AdamW"] == 2 * memory.num_trained(shape, how)
    four_bit = Method("adapter", 8, 2.0, True, True, True, True, LOGITS_AT_ONCE)
    small = memory.weights(shape, how) - memory.weights(shape, four_bit)
    assert small == pytest.approx(shape.decoder.linear * (2.0 - memory.FOUR_BIT))


@pytest.mark.parametrize(("dtype", "autocast"), [("bfloat16", True), ("float32", False)])
def test_what_a_rollout_and_its_update_hold(
    loaded: Callable[..., LALM], shape: Shape, dtype: str, autocast: bool
) -> None:
    lalm = loaded(dtype).eval()
    lalm.end_ids = (-1,)  # so that every answer is as long as it may be
    rollout = Rollout(GROUP, TOKENS, has_reference=False, one_pass=True, keeps_room=False)
    how, batch = method(dtype, autocast, rollout=rollout), MicroBatch(ROWS, PROMPT, 1.0, TOKENS, 0.0)
    ids = torch.randint(20, 300, (ROWS, PROMPT), generator=torch.Generator().manual_seed(0))
    caches, fork = [], lalm.fork_to_roll_out

    def watched(*given: Any) -> Any:
        caches.append(fork(*given))
        return caches[-1]

    lalm.fork_to_roll_out = watched  # type: ignore[method-assign]
    made: list[Any] = []

    def one_pass() -> None:
        made.append(prefill(lalm, lalm.embed(ids), torch.ones_like(ids, dtype=torch.bool)))
        asked = {"group_size": GROUP, "max_new_tokens": TOKENS, "warp": lambda logits: logits, "keys": ["a", "b"]}
        answers = sample(lalm, made[0], **asked)
        made.append(answer_logprobs_behind(lalm, made[0], answers.answer_ids, answers.answer_mask))

    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = saved_by(lalm, one_pass)
    counted = memory.of_update(shape, how, rollout, batch)
    assert found == pytest.approx(sum(counted.values()), rel=0.15)
    held = num_bytes(tensor for layer in caches[0].layers for tensor in (layer.keys, layer.values))
    fed = PROMPT + GROUP * (TOKENS - 1)
    assert held == pytest.approx(memory.cache(shape.decoder, how, ROWS, fed, keeps_room=False), rel=0.15)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        room = fork(made[0].cache, fed)
    held = num_bytes(tensor for layer in room.layers for tensor in (layer.keys, layer.values))
    assert held == memory.cache(shape.decoder, how, ROWS, fed, keeps_room=True)
