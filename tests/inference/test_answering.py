"""Votes: the same whatever else is in the batch, others by another seed; without them answers stay greedy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from timepro_lit.events.voting import Voting, vote
from timepro_lit.inference.listener import Listener
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.records import Answer, Example, Sample
from timepro_lit.settings.schemas import PACKAGE
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.time_prompt.prompt import TimePrompt

HOT = Voting(3, temperature=1.0, seed=1)


@pytest.fixture(scope="module")
def asked() -> Listener:
    backbone = Qwen2_5Omni(str(PACKAGE / "assets" / "tiny_base"), "float32", "sdpa", local_files_only=True)
    tasks = {"ag": Grounding(), "dac": DenseCaptioning()}
    return Listener(backbone.load(TimePrompt(stride=5)), tasks, None, "cpu")


def questions(ids: str = "abc") -> list[Sample]:
    found = []
    for n, id_ in enumerate(ids):
        noise = np.random.default_rng(ord(id_)).standard_normal(6_000 * (1 + ord(id_) % 3))
        example = Example(id_, "ag" if n else "dac", f"{id_}.wav", len(noise) / 16_000, (), "rain" if n else None)
        found.append(Sample(example, torch.from_numpy(0.1 * noise).float()))
    return found


def answers(asked: Listener, voting: Voting | None, batch_size: int = 3) -> list[Answer]:
    asked.batch_size = batch_size
    return list(asked.answers(questions(), voting=voting))


def test_votes_belong_to_the_question_and_not_to_its_batch(asked: Listener) -> None:
    together = answers(asked, HOT)
    assert together == answers(asked, HOT, batch_size=1)
    texts = [[voter.text for voter in answer.voters] for answer in together]
    assert any(len(set(said)) > 1 for said in texts)
    other = answers(asked, Voting(3, temperature=1.0, seed=2))
    assert texts != [[voter.text for voter in answer.voters] for answer in other]
    more = answers(asked, Voting(4, temperature=1.0, seed=1))
    assert texts == [[voter.text for voter in answer.voters[:3]] for answer in more]  # the first of more are the same


def test_an_answer_is_the_vote_of_its_voters(asked: Listener) -> None:
    for answer in answers(asked, HOT):
        assert answer.text == "" and answer.prediction == vote([v.prediction for v in answer.voters], by_label=False)
        assert all(v.prediction == asked.tasks[answer.example.task].parse(v.text) for v in answer.voters)


def test_without_a_vote_an_answer_is_greedy_and_has_no_voters(asked: Listener) -> None:
    greedy = answers(asked, None)
    assert all(answer.voters == () and answer.text for answer in greedy)
    waveform = questions()[1].waveform
    assert [e.score for e in asked.ground(waveform, "rain")] == [None] * len(greedy[1].prediction.events)
    voted = asked.ground(waveform, "rain", vote=3, seed=4)
    assert voted == asked.ground(waveform, "rain", vote=3, seed=4)
    assert all(event.score is not None for event in voted)
    with pytest.raises(ValueError, match="at least 2 answers"):
        asked.caption(waveform, vote=1)
