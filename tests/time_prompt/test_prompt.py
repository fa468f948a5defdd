from __future__ import annotations

import pytest
import torch

from timepro_lit.time_prompt.embedding import mean_of_digits, random_rows, weighted_digits
from timepro_lit.time_prompt.prompt import TimePrompt

CHARACTERS = ".0123456789"


def by_character(text):
    return [CHARACTERS.index(character) for character in text]


def test_the_default_is_the_papers():
    settings = TimePrompt()
    assert (settings.stride, settings.init, settings.share_positions) == (1, "digits", False)
    assert settings.grid(25.0).num_timestamps == 750


def test_the_table_follows_the_settings():
    embeddings = torch.randn(11, 4, generator=torch.Generator().manual_seed(0))
    digits, small = TimePrompt(stride=5), TimePrompt(stride=5, init="random", distribution="small", seed=2)
    grid = digits.grid(25.0)
    assert torch.equal(
        digits.table(grid, by_character, embeddings), mean_of_digits(grid.texts(), by_character, embeddings)
    )
    ordered = TimePrompt(stride=5, init="ordered").table(grid, by_character, embeddings)
    assert torch.equal(ordered, weighted_digits(grid.texts(), by_character, embeddings))
    assert TimePrompt(stride=5, init="text").table(grid, by_character, embeddings) is None
    assert torch.equal(small.table(grid, by_character, embeddings), random_rows(150, embeddings, 2, "small"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stride": 0}, r"time_prompt.stride must be at least 1"),
        ({"stride": 1.5}, r"time_prompt.stride must be a whole number"),
        ({"init": "zeros"}, r"time_prompt.init must be one of digits, ordered, random, text, got 'zeros'"),
        ({"distribution": "uniform"}, r"time_prompt.distribution must be one of matched, small, unit"),
        ({"share_positions": "no"}, r"time_prompt.share_positions must be true or false"),
        ({"before": 1}, r"time_prompt.before must be true or false, got 1"),
        ({"init": "text", "share_positions": True}, r"tokens of a text advance the position, so it must be false"),
        ({"seed": -1}, r"time_prompt.seed must not be negative"),
        ({"seed": None}, r"time_prompt.seed must be a whole number"),
    ],
)
def test_settings_outside_their_choices_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TimePrompt(**settings)
