"""The caches of a rollout against transformers' own, and steps that a CUDA graph can hold."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers.cache_utils import DynamicLayer

from timepro_lit.grpo.prefix import Prefix, prefill
from timepro_lit.grpo.rollout import sample
from timepro_lit.grpo.steps import FixedSteps
from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.cache import RoomyLayer
from timepro_lit.lalm.warping import warper


def test_it_holds_what_the_librarys_layer_holds_and_leaves_the_prompt_alone() -> None:
    torch.manual_seed(0)
    theirs = DynamicLayer()
    prompt = [torch.randn(3, 2, 10, 4) for _ in range(2)]
    theirs.update(*prompt)
    ours = RoomyLayer(theirs)
    for step in range(20):
        if step == 7:
            rows = torch.tensor([2, 0])
            theirs.batch_select_indices(rows)
            ours.batch_select_indices(rows)
        new = [torch.randn(len(theirs.keys), 2, 3, 4) for _ in range(2)]
        torch.testing.assert_close(ours.update(*new), theirs.update(*new))
        assert ours.get_seq_length() == theirs.get_seq_length()


def test_the_prompt_is_copied_a_few_times_not_at_every_step() -> None:
    prompt = DynamicLayer()
    prompt.update(torch.zeros(1, 1, 100, 4), torch.zeros(1, 1, 100, 4))
    layer, new = RoomyLayer(prompt), torch.zeros(1, 1, 1, 4)
    seen = [layer.update(new, new)[0] for _ in range(100)]  # all kept: no address is used twice
    places = {keys.data_ptr() for keys in seen}
    assert len(places) <= 4
    assert prompt.keys.data_ptr() not in places


def prefix_of(family, autocast: bool = False) -> tuple[LALM, Prefix]:
    lalm, clips = family.source().load(None).eval(), family.waves()
    ids, mask = family.prompts(lalm.frontend, clips)
    features = lalm.frontend.features(clips)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        embeds = lalm.embed(ids, lalm.encode_audio(*features))
        return lalm, prefill(lalm, embeds, mask, lalm.positions(ids, mask))


@torch.no_grad()
@pytest.mark.parametrize("autocast", [False, True])
def test_every_backbone_answers_alike_from_memory_of_a_fixed_size(
    family, monkeypatch: pytest.MonkeyPatch, autocast: bool
) -> None:
    lalm, prefix = prefix_of(family, autocast)
    keys, answers = [str(n) for n in range(len(prefix))], []
    for captured in (False, True):
        monkeypatch.setattr(type(lalm), "steps_are_captured", captured)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            rollouts = sample(lalm, prefix, group_size=3, max_new_tokens=12, warp=warper(1.5), seed=1, keys=keys)
        answers.append(rollouts.answer_ids)
    assert torch.equal(*answers)
    assert len(answers[0].unique()) > 10


class Operations(TorchDispatchMode):
    """Notes what torch is asked to compute."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(str(function).split(".")[1])
        return function(*args, **(kwargs or {}))


@torch.no_grad()
def test_no_backbone_waits_for_the_device_within_a_step(family) -> None:
    """What a CUDA graph cannot hold: values that Python reads, sizes that depend on them, constants it writes."""
    lalm, prefix = prefix_of(family)
    steps = FixedSteps(lalm, prefix.columns(), 2, 4)
    with Operations() as operations:
        steps(torch.full((len(prefix), 2), 5))
    waits = {"_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "lift_fresh"}
    assert not operations.names & waits
    assert "scaled_dot_product" in " ".join(operations.names)
