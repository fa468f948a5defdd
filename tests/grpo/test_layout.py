from __future__ import annotations

import pytest
import torch

from timepro_lit.grpo.layout import check_prompt, packed_mask, packed_positions, rollout_mask, running_positions


def grid(text: str) -> list[list[bool]]:
    return [[letter == "x" for letter in line] for line in text.split()]


def test_positions_restart_behind_the_prompt_for_every_answer() -> None:
    prompt_mask = torch.tensor([[False, True, True], [True, True, True]])
    positions = running_positions(prompt_mask)
    assert positions.tolist() == [[0, 0, 1], [0, 1, 2]]
    assert packed_positions(positions, group_size=2, num_tokens=2).tolist() == [
        [0, 0, 1, 2, 3, 2, 3],
        [0, 1, 2, 3, 4, 3, 4],
    ]


def test_answers_go_on_from_the_last_position_of_a_prompt_with_shared_positions() -> None:
    assert packed_positions(torch.tensor([[0, 0, 1, 1, 2]]), 1, 2).tolist() == [[0, 0, 1, 1, 2, 3, 4]]


def test_packed_mask_by_hand() -> None:
    # one pad, two prompt tokens | answer 1 of two tokens | answer 2 of one token and padding
    prompt_mask = torch.tensor([[False, True, True]])
    answer_mask = torch.tensor([[[True, True], [True, False]]])
    assert packed_mask(prompt_mask, answer_mask)[0].tolist() == grid(
        """
        x......
        .x.....
        .xx....
        .xxx...
        .xxxx..
        .xx..x.
        .xx..xx
        """
    )


def test_one_answer_is_plain_causal() -> None:
    mask = packed_mask(torch.ones(1, 3, dtype=torch.bool), torch.ones(1, 1, 2, dtype=torch.bool))
    assert torch.equal(mask[0], torch.ones(5, 5).tril().bool())


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
