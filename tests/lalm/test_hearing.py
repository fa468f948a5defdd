"""Questions that share a hearing, on every backbone: the answers of prompts that are run by themselves."""

from __future__ import annotations

import pytest
import torch

from timepro_lit.data.collate import Collate
from timepro_lit.data.hearing import CollateHearing
from timepro_lit.events.voting import Voting
from timepro_lit.grpo.prefix import prefill
from timepro_lit.grpo.rollout import sample
from timepro_lit.inference.answering import answer_batch
from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.warping import warper
from timepro_lit.records import Example, Sample
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.time_prompt.prompt import TimePrompt

TASKS = {"ag": Grounding(), "dac": DenseCaptioning()}
ASKED = [(0, "ag", "rain"), (0, "dac", None), (0, "ag", "a dog barks twice"), (1, "ag", "a bell"), (2, "ag", "rain")]
"""Which clip is asked what."""
HOT = Voting(3, temperature=1.5, seed=4)


def by_itself(lalm: LALM, one: Sample, voting: Voting | None) -> list[str]:
    """The texts of the answers to one question, whose whole prompt is run."""
    batch = Collate(lalm.frontend, TASKS)([one])
    embeds = lalm.embed(batch.prompt_ids, lalm.encode_audio(batch.features, batch.feature_mask))
    prefix = prefill(lalm, embeds, batch.prompt_mask, lalm.positions(batch.prompt_ids, batch.prompt_mask))
    how = {"warp": None} if voting is None else {"warp": warper(1.5), "seed": 4, "keys": [one.example.id]}
    said = sample(lalm, prefix, group_size=voting.num_answers if voting else 1, max_new_tokens=16, **how)
    return [lalm.frontend.text(ids) for ids in said.answer_ids[0].tolist()]


@torch.no_grad()
@pytest.mark.parametrize("share_positions", [False, True])
def test_answers_are_those_of_prompts_that_are_run_by_themselves(family, share_positions: bool) -> None:
    time_prompt = TimePrompt(stride=2, share_positions=share_positions, before=share_positions)
    lalm = family.source().load(time_prompt).eval()
    waves = [torch.from_numpy(wave) for wave in family.waves()]
    samples = [
        Sample(Example(f"q{n}", task, f"{clip}.wav", len(waves[clip]) / 16_000, (), query), waves[clip].clone())
        for n, (clip, task, query) in enumerate(ASKED)
    ]
    hearing = CollateHearing(lalm.frontend, TASKS)(samples)
    assert len(hearing.features) == len(hearing.shared_ids) == 3 and hearing.clip.tolist() == [0, 0, 0, 1, 2]
    greedy, voted = (answer_batch(lalm, TASKS, hearing, 16, voting) for voting in (None, HOT))
    assert [answer.example for answer in greedy] == [one.example for one in samples]
    assert [[answer.text] for answer in greedy] == [by_itself(lalm, one, None) for one in samples]
    assert [[v.text for v in answer.voters] for answer in voted] == [by_itself(lalm, one, HOT) for one in samples]
    assert len({voter.text for answer in voted for voter in answer.voters}) > 5
