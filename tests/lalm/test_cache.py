"""The cache of a rollout against transformers' own."""

from __future__ import annotations

import torch
from transformers.cache_utils import DynamicLayer

from timepro_lit.lalm.cache import RoomyLayer


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
