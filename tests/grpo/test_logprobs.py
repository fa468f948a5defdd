from __future__ import annotations

import pytest
import torch

from timepro_lit.grpo.logprobs import answer_logprobs, answer_logprobs_behind, branch_logprobs
from timepro_lit.grpo.loss import Sampled, grpo_loss
from timepro_lit.grpo.prefix import prefill, take
from timepro_lit.grpo.rollout import sample
from timepro_lit.lalm.warping import warper

ADVANTAGES = torch.tensor([[1.0, -0.5], [0.25, -0.25], [-1.0, 1.0]])


@pytest.fixture
def answers() -> tuple[torch.Tensor, torch.Tensor]:
    """Two answers of one to four tokens to each of three prompts."""
    ids = torch.randint(3, 23, (3, 2, 4), generator=torch.Generator().manual_seed(2))
    return ids, torch.arange(4) < torch.tensor([[4, 2], [1, 3], [3, 3]])[..., None]


def naive_logprobs(lalm, prompts, answer_ids, answer_mask, temperature=1.0, prompt_positions=None):
    """One unpadded causal row per answer, logits everywhere."""
    logp = torch.zeros(answer_ids.shape)
    for b, length in enumerate(prompts.lengths):
        for g in range(answer_ids.shape[1]):
            ids = answer_ids[b, g, : int(answer_mask[b, g].sum())]
            embeds = torch.cat([prompts.embeds[b, -length:], lalm.embed(ids, None)])[None]
            start = torch.arange(length) if prompt_positions is None else prompt_positions[b, -length:]
            positions = torch.cat([start, start[-1] + 1 + torch.arange(len(ids))])[None]
            causal = torch.ones(1, len(embeds[0]), len(embeds[0])).tril().bool()
            logits = lalm.logits(lalm.decode(embeds, positions, causal, None))[0] / temperature
            rows = logits.log_softmax(-1)[length - 1 : -1]
            logp[b, g, : len(ids)] = rows.gather(-1, ids[:, None])[:, 0]
    return logp


def gradients(lalm, loss):
    lalm.zero_grad()
    loss.backward()
    return {name: parameter.grad for name, parameter in lalm.named_parameters() if parameter.grad is not None}


def assert_same_gradients(actual, expected):
    assert actual.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(actual[name], gradient, rtol=1e-4, atol=1e-5, msg=name)
        assert gradient.abs().max() > 1e-4, name  # none of them equal for being zero


def test_one_pass_equals_naive_in_logprobs_and_gradients_after_a_rollout(lalm, prompts, answers) -> None:
    ids, mask = answers
    naive = naive_logprobs(lalm, prompts, ids, mask)
    naive_gradients = gradients(lalm, naive.sum())
    prefix = prefill(lalm, prompts.embeds, prompts.mask)
    sample(lalm, prefix, group_size=2, max_new_tokens=3, warp=warper(), keys="abc")  # leaves the prefix as it is
    behind = answer_logprobs_behind(lalm, prefix, ids, mask)
    torch.testing.assert_close(behind, naive, rtol=1e-5, atol=1e-5)
    assert_same_gradients(gradients(lalm, behind.sum()), naive_gradients)


def test_one_pass_may_leave_prompts_out(lalm, prompts, answers) -> None:
    ids, mask = answers
    keep = torch.tensor([True, False, True])
    prefix = prefill(lalm, prompts.embeds, prompts.mask)
    kept = answer_logprobs_behind(lalm, take(lalm, prefix, keep), ids[keep], mask[keep])
    torch.testing.assert_close(kept, answer_logprobs_behind(lalm, prefix, ids, mask)[keep], rtol=1e-5, atol=1e-5)
    expected = gradients(lalm, naive_logprobs(lalm, prompts, ids, mask)[keep].sum())
    assert_same_gradients(gradients(lalm, kept.sum()), expected)


def test_packed_equals_naive_in_logprobs_loss_and_gradients(lalm, prompts, answers) -> None:
    ids, mask = answers

    def loss_of(logp):
        reference = logp.detach() - 0.1
        return grpo_loss(
            logp, logp.detach(), ADVANTAGES, mask, sampled=Sampled(6, 16), reference_logp=reference, kl_coefficient=0.5
        )[0]

    naive = naive_logprobs(lalm, prompts, ids, mask)
    naive_gradients = gradients(lalm, loss_of(naive))
    packed = answer_logprobs(lalm, prompts.embeds, prompts.mask, ids, mask)
    torch.testing.assert_close(packed, naive, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(loss_of(packed), loss_of(naive), rtol=1e-5, atol=1e-5)
    assert_same_gradients(gradients(lalm, loss_of(packed)), naive_gradients)


def test_one_answer_is_the_teacher_forcing_of_sft(lalm, prompts, answers) -> None:
    ids, mask = answers[0][:, :1], answers[1][:, :1]
    packed = answer_logprobs(lalm, prompts.embeds, prompts.mask, ids, mask)
    naive = naive_logprobs(lalm, prompts, ids, mask)
    torch.testing.assert_close(packed, naive, rtol=1e-5, atol=1e-5)


def test_temperature_and_shared_prompt_positions(lalm, prompts, answers) -> None:
    positions = (prompts.mask.long().cumsum(1) - 1).clamp(min=0) // 2  # every position held by two tokens
    arguments = {"temperature": 0.7, "prompt_positions": positions}
    packed = answer_logprobs(lalm, prompts.embeds, prompts.mask, *answers, **arguments)
    torch.testing.assert_close(packed, naive_logprobs(lalm, prompts, *answers, **arguments), rtol=1e-5, atol=1e-5)
    plain = answer_logprobs(lalm, prompts.embeds, prompts.mask, *answers, temperature=0.7)
    assert (plain - packed).abs().max() > 1e-3


@pytest.mark.parametrize("chunk_size", [1, 5, 15])
def test_chunking_changes_nothing(lalm, prompts, answers, chunk_size) -> None:
    whole = answer_logprobs(lalm, prompts.embeds, prompts.mask, *answers)
    whole_gradients = gradients(lalm, whole.mean())
    parts = answer_logprobs(lalm, prompts.embeds, prompts.mask, *answers, chunk_size=chunk_size)
    torch.testing.assert_close(parts, whole, rtol=1e-6, atol=1e-6)
    assert_same_gradients(gradients(lalm, parts.mean()), whole_gradients)


@pytest.mark.parametrize("chunk_size", [None, 5])
def test_entropies_are_those_of_the_distributions_that_were_sampled_from(lalm, prompts, answers, chunk_size) -> None:
    seen, distributions = [], []
    head = lalm.logits
    lalm.logits = lambda hidden: distributions.append(head(hidden)) or distributions[-1]
    arguments = {"temperature": 0.7, "chunk_size": chunk_size}
    logp = answer_logprobs(lalm, prompts.embeds, prompts.mask, *answers, **arguments, see_entropy=seen.append)
    logits = torch.cat(distributions)
    logp.sum().backward()
    expected = torch.distributions.Categorical(logits=logits / 0.7).entropy()
    torch.testing.assert_close(torch.cat(seen), expected)  # and not seen again on the way back
    assert not torch.cat(seen).requires_grad


def test_the_head_sees_only_predicting_positions_a_chunk_at_a_time(lalm, prompts, answers, monkeypatch) -> None:
    shapes = []
    head = lalm.logits
    monkeypatch.setattr(lalm, "logits", lambda hidden: shapes.append(tuple(hidden.shape)) or head(hidden))
    with torch.no_grad():
        answer_logprobs(lalm, prompts.embeds, prompts.mask, *answers, chunk_size=6)
    assert answers[1].sum() == 16
    assert shapes == [(6, 16), (6, 16), (4, 16)]


def test_micro_batches_add_up_to_the_batch(lalm, prompts, answers) -> None:
    def loss_of(rows):
        logp = answer_logprobs(lalm, prompts.embeds[rows], prompts.mask[rows], answers[0][rows], answers[1][rows])
        return grpo_loss(logp, logp.detach(), ADVANTAGES[rows], answers[1][rows], sampled=Sampled(6, 16))[0]

    whole = gradients(lalm, loss_of([0, 1, 2]))
    first, second = gradients(lalm, loss_of([0])), gradients(lalm, loss_of([1, 2]))
    assert_same_gradients({name: first[name] + second[name] for name in first}, whole)


@pytest.mark.parametrize("num_columns", [1, 3])
def test_one_pass_equals_packed_where_every_answer_is_one_token(lalm, prompts, answers, num_columns) -> None:
    """So that nothing is fed: the prompts' last states predict all there is."""
    ids, mask = answers[0][..., :num_columns], (torch.arange(num_columns) < 1).expand(3, 2, -1)
    packed = answer_logprobs(lalm, prompts.embeds, prompts.mask, ids, mask)
    packed_gradients = gradients(lalm, packed.sum())
    behind = answer_logprobs_behind(lalm, prefill(lalm, prompts.embeds, prompts.mask), ids, mask)
    torch.testing.assert_close(behind, packed, rtol=1e-5, atol=1e-5)
    behind_gradients = gradients(lalm, behind.sum())
    # Other processes may wait for a gradient of the embeddings, which no answer token goes through here.
    for found in (packed_gradients, behind_gradients):
        assert not found.pop("inner.embed_tokens.weight").any()
    assert_same_gradients(behind_gradients, packed_gradients)


def test_answers_of_one_token_and_padding(lalm, prompts) -> None:
    ids, mask = torch.full((3, 2, 1), 5), torch.ones(3, 2, 1, dtype=torch.bool)
    short = answer_logprobs(lalm, prompts.embeds, prompts.mask, ids, mask)
    padded_ids, padded_mask = torch.cat([ids, ids * 0], 2), torch.cat([mask, ~mask], 2)
    padded = answer_logprobs(lalm, prompts.embeds, prompts.mask, padded_ids, padded_mask)
    torch.testing.assert_close(padded[..., :1], short, rtol=1e-5, atol=1e-5)
    assert torch.equal(padded[..., 1:], torch.zeros(3, 2, 1))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.zeros(3, 2, 4, dtype=torch.bool), "with a token at least"),
        (torch.tensor([True, False, True, False]).expand(3, 2, 4), "first token to its last"),
        (torch.ones(3, 2, 4), "bool answer_mask"),
        (torch.ones(3, 2, 3, dtype=torch.bool), "share one shape"),
    ],
)
def test_wrong_answer_masks_are_refused(lalm, prompts, answers, mask, message) -> None:
    with pytest.raises(ValueError, match=message):
        answer_logprobs(lalm, prompts.embeds, prompts.mask, answers[0], mask)


def test_questions_in_one_row_equal_a_row_each(lalm) -> None:
    """Two branches of three and two tokens behind three shared ones; the first answer has two tokens, the other one."""
    shared, own = [5, 6, 7], [[8, 9, 10], [11, 12]]
    ids = torch.tensor([[*shared, *own[0], *own[1], 0]])
    branch = torch.tensor([[0, 0, 0, 1, 1, 1, 2, 2, -1]])
    depth = torch.tensor([[0, 1, 2, 0, 1, 2, 0, 1, 0]])
    is_answer = torch.tensor([[False] * 4 + [True, True, False, True, False]])
    positions = (branch == 0).long().cumsum(1) - 1
    logp = branch_logprobs(lalm, lalm.embed(ids, None), ids, branch, depth, is_answer, positions)

    expected = []
    for branch_ids, num_answer in zip(own, (2, 1), strict=True):
        row = torch.tensor([shared + branch_ids])
        causal = torch.ones(1, row.shape[1], row.shape[1]).tril().bool()
        hidden = lalm.decode(lalm.embed(row, None), torch.arange(row.shape[1])[None], causal, None)
        rows = lalm.logits(hidden)[0].log_softmax(-1)[-1 - num_answer : -1]
        expected.append(rows.gather(-1, row[0, -num_answer:, None])[:, 0])
    torch.testing.assert_close(logp, torch.cat(expected), rtol=1e-5, atol=1e-5)
