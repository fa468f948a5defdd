from __future__ import annotations

import warnings

import pytest
import torch
from scipy.stats import chi2

from timepro_lit.grpo.logprobs import answer_logprobs
from timepro_lit.grpo.prefix import join, prefill
from timepro_lit.grpo.rollout import sample
from timepro_lit.grpo.sampling import draw, uniforms
from timepro_lit.lalm.warping import warper

KEYS = ("a", "b", "c")
NEVER = (10**6,)  # end ids that no answer can reach: every row stays in the batch to the last step


@torch.no_grad()
def recomputed(lalm, prompts, b, choose, max_new_tokens):
    """One answer to prompt b, the whole unpadded row computed afresh for every token."""
    length, tokens = prompts.lengths[b], []
    while len(tokens) < max_new_tokens and not (tokens and tokens[-1] in lalm.end_ids):
        ids = torch.tensor(tokens, dtype=torch.int64)
        embeds = torch.cat([prompts.embeds[b, -length:], lalm.embed(ids, None)])[None]
        causal = torch.ones(1, len(embeds[0]), len(embeds[0])).tril().bool()
        hidden = lalm.decode(embeds, torch.arange(len(embeds[0]))[None], causal, None)
        tokens.append(int(choose(lalm.logits(hidden)[0, -1], len(tokens))))
    return tokens


def roll_out(lalm, embeds, mask, *, temperature=1.0, top_p=1.0, prompt_positions=None, **settings):
    """Answers to prompts that have not been run yet; greedy ones at temperature 0."""
    warp = warper(temperature, top_p) if temperature else None
    return sample(lalm, prefill(lalm, embeds, mask, prompt_positions), warp=warp, **settings)


def answers_of(rollouts):
    pairs = zip(rollouts.answer_ids.flatten(0, 1), rollouts.answer_mask.flatten(0, 1), strict=True)
    return [ids[mask].tolist() for ids, mask in pairs]


captured = pytest.mark.parametrize("captured", [False, True], ids=["growing", "fixed"])


@captured
def test_greedy_equals_full_recomputation(lalm, prompts, captured) -> None:
    lalm.steps_are_captured = captured
    rollouts = roll_out(lalm, prompts.embeds, prompts.mask, group_size=1, max_new_tokens=40, temperature=0)
    expected = [recomputed(lalm, prompts, b, lambda logits, _: logits.argmax(), 40) for b in range(3)]
    assert answers_of(rollouts) == expected


@captured
@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (1.5, 0.9)])
def test_sampled_groups_equal_full_recomputation(lalm, prompts, temperature, top_p, captured) -> None:
    lalm.steps_are_captured = captured
    rollouts = roll_out(
        lalm,
        prompts.embeds,
        prompts.mask,
        group_size=4,
        max_new_tokens=24,
        temperature=temperature,
        top_p=top_p,
        seed=3,
        keys=KEYS,
    )
    uniform, warp = uniforms(3, KEYS, 4, 24), warper(temperature, top_p)
    expected = [
        recomputed(lalm, prompts, b, lambda logits, t, u=uniform[b, g]: draw(warp(logits), u[t]), 24)
        for b in range(3)
        for g in range(4)
    ]
    assert answers_of(rollouts) == expected
    lengths = {len(answer) for answer in expected}
    assert len(lengths) > 3, "answers of one length would not test padding and dropped rows"
    ended = [answer[-1] in lalm.end_ids for answer in expected]
    assert rollouts.truncated.flatten().tolist() == [not end for end in ended]
    assert rollouts.answer_ids.shape == (3, 4, max(lengths))


@captured
def test_joined_prompts_answer_as_they_do_apart(lalm, prompts, captured) -> None:
    lalm.steps_are_captured = captured
    apart = [
        prefill(lalm, prompts.embeds[rows, 7 - length :], prompts.mask[rows, 7 - length :])
        for rows, length in ((slice(0, 1), 3), (slice(1, 3), 7))
    ]
    settings = {"group_size": 3, "max_new_tokens": 16, "warp": warper(), "seed": 5}
    expected = [
        *answers_of(sample(lalm, apart[0], keys="a", **settings)),
        *answers_of(sample(lalm, apart[1], keys="bc", **settings)),
    ]
    joined = sample(lalm, join(lalm, apart), keys="abc", **settings)
    assert answers_of(joined) == expected
    last = joined.of(slice(2, 3))
    assert answers_of(last) == expected[6:]
    assert last.answer_ids.shape == (1, 3, max(map(len, expected[6:])))
    assert last.truncated.tolist() == joined.truncated[2:].tolist()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
@pytest.mark.parametrize("group_size", [1, 4])
def test_steps_captured_on_a_cuda_device_give_the_same_answers(lalm, prompts, group_size) -> None:
    settings = {"group_size": group_size, "max_new_tokens": 24, "seed": 3, "keys": KEYS}
    expected = answers_of(roll_out(lalm, prompts.embeds, prompts.mask, **settings))
    lalm.cuda().steps_are_captured = True
    with warnings.catch_warnings(action="error"):
        rollouts = roll_out(lalm, prompts.embeds.cuda(), prompts.mask.cuda(), **settings)
    assert answers_of(rollouts) == expected


def test_answers_do_not_depend_on_the_batch_around_them(lalm, prompts) -> None:
    settings = {"max_new_tokens": 16, "seed": 5}
    together = roll_out(lalm, prompts.embeds, prompts.mask, group_size=3, keys=KEYS, **settings)
    turned = [2, 0, 1]
    again = roll_out(
        lalm, prompts.embeds[turned], prompts.mask[turned], group_size=3, keys=[KEYS[b] for b in turned], **settings
    )
    alone = [
        roll_out(
            lalm, prompts.embeds[b : b + 1, -n:], prompts.mask[b : b + 1, -n:], group_size=3, keys=[key], **settings
        )
        for b, (n, key) in enumerate(zip(prompts.lengths, KEYS, strict=True))
    ]
    answers = answers_of(together)
    assert [answers_of(one) for one in alone] == [answers[0:3], answers[3:6], answers[6:9]]
    assert answers_of(again) == answers[6:9] + answers[0:6]
    other_seed = roll_out(lalm, prompts.embeds, prompts.mask, group_size=3, keys=KEYS, max_new_tokens=16, seed=6)
    assert answers_of(other_seed) != answers


def test_finished_prompts_leave_the_batch_and_change_nothing(lalm, prompts, monkeypatch) -> None:
    batch_sizes = []
    decode = lalm.decode
    monkeypatch.setattr(lalm, "decode", lambda embeds, *rest: batch_sizes.append(len(embeds)) or decode(embeds, *rest))
    embeds, mask, keys = prompts.embeds.repeat(3, 1, 1), prompts.mask.repeat(3, 1), [*"abcdefghi"]
    settings = {"group_size": 1, "max_new_tokens": 100, "seed": 1, "temperature": 2.0}
    rollouts = roll_out(lalm, embeds, mask, keys=keys, **settings)
    monkeypatch.undo()

    answers = answers_of(rollouts)
    assert not rollouts.truncated.any()
    assert rollouts.answer_ids.shape[2] == max(map(len, answers)) == len(batch_sizes)
    assert (rollouts.answer_ids[~rollouts.answer_mask] == lalm.pad_id).all()
    assert batch_sizes == sorted(batch_sizes, reverse=True)
    assert len(set(batch_sizes)) > 2
    alone = [roll_out(lalm, embeds[b : b + 1], mask[b : b + 1], keys=keys[b], **settings) for b in range(9)]
    assert answers == [answers_of(one)[0] for one in alone]


def test_the_update_computes_the_logprobs_that_were_sampled_from(lalm, prompts, monkeypatch) -> None:
    steps = []
    head = lalm.logits
    monkeypatch.setattr(lalm, "logits", lambda hidden: steps.append(head(hidden)) or steps[-1])
    lalm.end_ids = NEVER
    rollouts = roll_out(
        lalm, prompts.embeds, prompts.mask, group_size=2, max_new_tokens=6, temperature=0.8, seed=2, keys=KEYS
    )
    monkeypatch.undo()
    assert rollouts.answer_ids.shape == (3, 2, 6)
    logits = torch.stack([steps[0][:, None].expand(-1, 2, -1), *steps[1:]], dim=2) / 0.8
    sampled = logits.log_softmax(-1).gather(-1, rollouts.answer_ids[..., None])[..., 0]
    logp = answer_logprobs(
        lalm, prompts.embeds, prompts.mask, rollouts.answer_ids, rollouts.answer_mask, temperature=0.8
    )
    torch.testing.assert_close(logp, sampled * rollouts.answer_mask, rtol=1e-5, atol=1e-5)


def test_prompt_positions_reach_prefill_and_decode(lalm, prompts) -> None:
    positions = (prompts.mask.long().cumsum(1) - 1).clamp(min=0) // 2
    lalm.end_ids = NEVER
    rollouts = roll_out(
        lalm,
        prompts.embeds,
        prompts.mask,
        group_size=1,
        max_new_tokens=8,
        temperature=0,
        prompt_positions=positions,
    )
    for number in range(1, rollouts.answer_ids.shape[2]):  # the greedy token is the likeliest of all at its place
        start, mask = rollouts.answer_ids[..., :number], rollouts.answer_mask[..., :number]
        assert mask.all()
        logp = torch.stack(
            [
                answer_logprobs(
                    lalm,
                    prompts.embeds,
                    prompts.mask,
                    torch.cat([start[..., :-1], torch.full((3, 1, 1), token)], dim=-1),
                    mask,
                    prompt_positions=positions,
                )[..., -1]
                for token in range(23)
            ]
        )
        assert torch.equal(logp.argmax(0), start[..., -1])


def test_truncated_and_ended_answers(lalm, prompts) -> None:
    greedy = {"group_size": 1, "temperature": 0}
    first = roll_out(lalm, prompts.embeds, prompts.mask, max_new_tokens=1, **greedy).answer_ids[:, 0, 0]
    lalm.end_ids = (int(first[1]),)  # prompt 1 ends at once
    rollouts = roll_out(lalm, prompts.embeds, prompts.mask, max_new_tokens=2, **greedy)
    ends_at_once = (first == first[1]).tolist()
    for b in range(3):
        if ends_at_once[b]:
            assert rollouts.answer_ids[b, 0].tolist() == [int(first[b]), lalm.pad_id]
            assert rollouts.answer_mask[b, 0].tolist() == [True, False]
            assert not rollouts.truncated[b, 0]
    assert not all(ends_at_once)
    lalm.end_ids = NEVER
    endless = roll_out(lalm, prompts.embeds, prompts.mask, max_new_tokens=3, **greedy)
    assert endless.truncated.all()
    assert endless.answer_mask.all()
    assert endless.answer_ids.shape == (3, 1, 3)


def test_rollouts_can_be_trained_on(lalm, prompts) -> None:
    rollouts = roll_out(lalm, prompts.embeds, prompts.mask, group_size=2, max_new_tokens=4, keys=KEYS)
    answer_logprobs(lalm, prompts.embeds, prompts.mask, rollouts.answer_ids, rollouts.answer_mask).sum().backward()
    assert lalm.head.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"group_size": 2, "temperature": 0.0}, "2 equal answers"),
        ({"group_size": 0, "keys": KEYS}, "at least 1, not 0"),
        ({"group_size": 2, "keys": ("a",)}, "3 prompts, 1 keys"),
    ],
)
def test_refusals(lalm, prompts, settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        roll_out(lalm, prompts.embeds, prompts.mask, max_new_tokens=4, **settings)


def test_broken_weights_are_named(lalm, prompts) -> None:
    torch.nn.init.constant_(lalm.head.weight, float("nan"))
    with pytest.raises(ValueError, match="not finite"):
        roll_out(lalm, prompts.embeds, prompts.mask, group_size=1, max_new_tokens=4, temperature=0)


@torch.no_grad()
@pytest.mark.parametrize(("temperature", "top_p"), [(6.0, 1.0), (8.0, 0.9)])  # hot, because this model is sure
def test_first_tokens_follow_the_models_distribution(lalm, prompts, temperature, top_p) -> None:
    one = (prompts.embeds[1:2], prompts.mask[1:2])
    settings = {"temperature": temperature, "top_p": top_p, "seed": 0}
    rollouts = roll_out(lalm, *one, group_size=4_000, max_new_tokens=1, keys=["b"], **settings)
    counts = rollouts.answer_ids.flatten().bincount(minlength=23)
    prefix = prefill(lalm, *one)
    sorted_p, order = (lalm.logits(prefix.last)[0] / temperature).softmax(-1).sort(descending=True)
    nucleus = sorted_p.cumsum(0) - sorted_p < top_p
    expected = 4_000 * sorted_p[nucleus] / sorted_p[nucleus].sum()
    observed = counts[order[nucleus]]
    assert int(observed.sum()) == 4_000  # nothing from outside the nucleus
    common = expected >= 5
    assert common.sum() > 3
    rest = torch.stack([expected[~common].sum(), observed[~common].sum()])
    expected, observed = (torch.cat([x[common], rest[i, None]]) for i, x in enumerate((expected, observed)))
    kept = expected > 0
    statistic = float(((observed - expected) ** 2 / expected)[kept].sum())
    assert chi2.sf(statistic, int(kept.sum()) - 1) > 1e-3
