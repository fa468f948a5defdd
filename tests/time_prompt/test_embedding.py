from __future__ import annotations

import pytest
import torch

from timepro_lit.time_prompt.embedding import mean_of_digits, random_rows, weighted_digits
from timepro_lit.time_prompt.grid import TimeGrid

CHARACTERS = ".0123456789"


def by_character(text):
    return [CHARACTERS.index(character) for character in text]


def test_equation_1_by_hand_repeated_digits_count():
    embeddings = torch.zeros(11, 2)
    embeddings[0] = torch.tensor([8.0, 0.0])  # .
    embeddings[1] = torch.tensor([2.0, 1.0])  # 0
    embeddings[5] = torch.tensor([4.0, -6.0])  # 4
    rows = mean_of_digits(["0.04", "4.00", "0.00"], by_character, embeddings)
    # (0 + . + 0 + 4) / 4: x = (2 + 8 + 2 + 4) / 4, y = (1 + 0 + 1 - 6) / 4
    assert rows[0].tolist() == [4.0, -1.0]
    assert rows[1].tolist() == [4.0, -1.0]
    # a mean over the set {0, .} would give (5, 0.5)
    assert rows[2].tolist() == [3.5, 0.75]
    assert rows.dtype == torch.float32


def test_equation_1_beyond_99_99_is_the_mean_of_six_tokens():
    rows = mean_of_digits(["123.40", "300.00", "99.96"], by_character, torch.eye(11))
    place = {character: CHARACTERS.index(character) for character in CHARACTERS}
    assert {c: rows[0, place[c]].item() for c in ".01234"} == pytest.approx(dict.fromkeys(".01234", 1 / 6))
    assert rows[1, [place["3"], place["0"], place["."]]].tolist() == pytest.approx([1 / 6, 4 / 6, 1 / 6])
    assert rows[2, [place["9"], place["."], place["6"]]].tolist() == pytest.approx([3 / 5, 1 / 5, 1 / 5])


def test_of_7500_strings_up_to_300_s_places_tell_all_apart_and_eq_1_a_fifth():
    texts = TimeGrid(max_seconds=300.0).texts()
    assert texts == [f"{4 * k // 100}.{4 * k % 100:02d}" for k in range(1, 7501)]
    assert len(torch.unique(weighted_digits(texts, by_character, torch.eye(11)), dim=0)) == 7500
    assert len(torch.unique(mean_of_digits(texts, by_character, torch.eye(11)), dim=0)) == 1604
    row = 63 * weighted_digits(["123.40"], by_character, torch.eye(11))[0]
    assert [row[CHARACTERS.index(c)].item() for c in "123.40"] == pytest.approx([32, 16, 8, 4, 2, 1])


def test_a_token_of_several_digits_is_one_token():
    embeddings = torch.tensor([[1.0], [3.0], [100.0]])
    assert mean_of_digits(["12.5"], lambda _: [0, 1], embeddings).tolist() == [[2.0]]


def test_digit_order_is_lost_so_750_strings_have_386_vectors():
    texts = TimeGrid().texts()
    rows = mean_of_digits(texts, by_character, torch.eye(11))
    assert rows.shape == (750, 11)
    assert len(torch.unique(rows, dim=0)) == 386
    kin = [texts.index(text) for text in ("0.48", "0.84", "4.08", "4.80", "8.04", "8.40")]
    assert all(torch.equal(rows[kin[0]], rows[k]) for k in kin)


def test_weights_by_place_tell_all_750_strings_apart_within_the_span_of_the_digits():
    texts = TimeGrid().texts()
    rows = weighted_digits(texts, by_character, torch.eye(11))
    assert len(torch.unique(rows, dim=0)) == 750
    torch.testing.assert_close(rows.sum(dim=1), torch.ones(750))  # weighted means: nothing leaves the span
    four, point, nil, eight = (CHARACTERS.index(c) for c in "4.08")
    row = 15 * weighted_digits(["4.08"], by_character, torch.eye(11))[0]
    assert [row[k].item() for k in (four, point, nil, eight)] == pytest.approx([8, 4, 2, 1])


def test_rows_of_half_precision_embeddings_are_float32_means_without_gradient():
    embeddings = torch.randn(11, 8, generator=torch.Generator().manual_seed(0)).bfloat16().requires_grad_()
    rows = mean_of_digits(TimeGrid().texts(), by_character, embeddings)
    naive = torch.stack([embeddings.detach().float()[by_character(t)].mean(dim=0) for t in TimeGrid().texts()])
    assert rows.dtype == torch.float32
    assert not rows.requires_grad
    torch.testing.assert_close(rows, naive)


@pytest.mark.parametrize("ids", [[], [11], [-1]])
def test_tokens_outside_the_vocabulary_are_refused(ids):
    with pytest.raises(ValueError, match=r"'0\.04'"):
        mean_of_digits(["0.04"], lambda _: ids, torch.eye(11))


def test_no_strings_are_refused():
    with pytest.raises(ValueError, match="no timestamp strings"):
        mean_of_digits([], by_character, torch.eye(11))


def test_matched_rows_have_the_vocabularys_mean_and_deviation_per_dimension():
    embeddings = torch.randn(5000, 300, generator=torch.Generator().manual_seed(1))  # wider than one block of columns
    embeddings = 0.5 * embeddings * torch.linspace(0.1, 2.0, 300) + torch.linspace(-3.0, 3.0, 300)
    rows = random_rows(20_000, embeddings, seed=0)
    std = embeddings.std(dim=0)
    assert ((rows.mean(dim=0) - embeddings.mean(dim=0)).abs() < 0.04 * std).all()
    assert ((rows.std(dim=0) / std - 1).abs() < 0.03).all()


@pytest.mark.parametrize(("mode", "std"), [("small", 0.02), ("unit", 1.0)])
def test_plain_normal_rows(mode, std):
    rows = random_rows(2000, torch.full((4, 16), 9.0), seed=0, mode=mode)
    assert rows.shape == (2000, 16)
    assert rows.dtype == torch.float32
    assert abs(rows.mean().item()) < 0.03 * std
    assert rows.std().item() == pytest.approx(std, rel=0.02)


def test_the_seed_decides_the_rows():
    embeddings = torch.eye(11)
    assert torch.equal(random_rows(5, embeddings, seed=3), random_rows(5, embeddings, seed=3))
    assert not torch.equal(random_rows(5, embeddings, seed=3), random_rows(5, embeddings, seed=4))


def test_drawing_rows_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    random_rows(5, torch.eye(11), seed=3)
    assert torch.equal(state, torch.get_rng_state())


def test_an_unknown_distribution_is_refused():
    with pytest.raises(ValueError, match=r"matched, small, unit, got 'uniform'"):
        random_rows(5, torch.eye(11), seed=0, mode="uniform")
