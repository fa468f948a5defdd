from __future__ import annotations

import pytest
import torch

from timepro_lit.grpo.layout import (
    branch_mask,
    branch_positions,
    check_prompt,
    pack,
    rollout_mask,
    running_positions,
)


def grid(text: str) -> list[list[bool]]:
    return [[letter == "x" for letter in line] for line in text.split()]


def test_prompts_count_from_their_first_token() -> None:
    prompt_mask = torch.tensor([[False, True, True], [True, True, True]])
    assert running_positions(prompt_mask).tolist() == [[0, 0, 1], [0, 1, 2]]


def test_answers_are_packed_without_padding_but_at_the_end_of_a_row() -> None:
    # two answers to each of two prompts: of two and one tokens, and of none and three
    mask = torch.tensor([[[1, 1, 0], [1, 0, 0]], [[0, 0, 0], [1, 1, 1]]]).bool()
    slot, branch, depth = pack(mask)
    assert slot.tolist() == [[0, 1, 3], [3, 4, 5]]
    assert branch.tolist() == [[1, 1, 2], [2, 2, 2]]
    assert depth.tolist() == [[0, 1, 0], [0, 1, 2]]
    slot, branch, _ = pack(mask[:, :1])
    assert branch.tolist() == [[1, 1], [-1, -1]]
    assert slot[0].tolist() == [0, 1] and len({*slot[1].tolist()}) == 2
    assert [t.shape for t in pack(mask[..., :0])] == [(2, 0)] * 3


def test_one_branch_is_plain_causal() -> None:
    assert torch.equal(branch_mask(torch.tensor([[0, 0, 0, 1, 1]]))[0], torch.ones(5, 5).tril().bool())


def test_rollout_mask_by_hand() -> None:
    mask = rollout_mask(torch.tensor([[False, True], [True, True]]), group_size=2, num_steps=2)
    assert mask[0].tolist() == grid(".xx.x. .x.x.x")
    assert mask[1].tolist() == grid("xxx.x. xx.x.x")


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.tensor([[True, False]]), "left padding"),
        (torch.tensor([[True, False, True]]), "left padding"),
        (torch.tensor([[1, 1]]), "must be bool"),
    ],
)
def test_prompts_with_a_wrong_mask_are_refused(mask: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_prompt(torch.zeros(1, mask.shape[1], 4), mask, None)


def test_positions_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="prompt_positions has shape"):
        check_prompt(torch.zeros(1, 2, 4), torch.ones(1, 2, dtype=torch.bool), torch.zeros(1, 3).long())


def test_branches_of_different_lengths_by_hand() -> None:
    branch = torch.tensor([[-1, 0, 0, 1, 1, 2, -1]])
    assert branch_mask(branch)[0].tolist() == grid(
        """
        x......
        .x.....
        .xx....
        .xxx...
        .xxxx..
        .xx..x.
        ......x
        """
    )
    depth = torch.tensor([[0, 0, 1, 0, 1, 0, 0]])
    shared = torch.tensor([[0, 0, 1, 9, 9, 9, 9]])  # read on the shared part alone
    assert branch_positions(shared, branch, depth).tolist() == [[0, 0, 1, 2, 3, 2, 0]]


def test_branches_go_on_from_the_last_position_of_a_prompt_with_shared_positions() -> None:
    positions = torch.tensor([[0, 0, 1, 1, 2, 0, 0]])
    branch, depth = torch.tensor([[0, 0, 0, 0, 0, 1, 1]]), torch.tensor([[0, 1, 2, 3, 4, 0, 1]])
    assert branch_positions(positions, branch, depth)[0, 5:].tolist() == [3, 4]


def test_rows_rounded_up_hold_padding_at_their_end_and_no_slot_twice() -> None:
    mask = torch.tensor([[[True, True, False], [True, False, False]]])
    slot, branch, _ = pack(mask, multiple=4)
    assert branch.tolist() == [[1, 1, 2, -1]]
    assert slot[0, :3].tolist() == [0, 1, 3] and len(set(slot[0].tolist())) == 4
    assert pack(mask, multiple=64)[0].shape == (1, 6)  # there are no more slots
