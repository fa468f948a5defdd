"""Many questions about a recording: one hearing, and what each would be answered by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import timepro_lit
from timepro_lit import Caption, Detect, Ground
from timepro_lit.inference.listener import Listener, in_batches
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.records import Example, Sample
from timepro_lit.settings.schemas import PACKAGE
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.sound_events import SoundEventDetection

NOISE = (0.1 * np.random.default_rng(0).standard_normal(32_000)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> Listener:
    backbone = Qwen2_5Omni(str(PACKAGE / "assets" / "tiny_base"), "float32", "sdpa", local_files_only=True)
    tasks = {"ag": Grounding(), "dac": DenseCaptioning(), "sed": SoundEventDetection(["dog", "bell"])}
    return Listener(backbone.load(None), tasks, None, "cpu")


@pytest.mark.parametrize("vote", [None, 3])
def test_a_recording_is_heard_once_and_answered_as_by_single_questions(
    model: Listener, vote: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = []
    encode = model.lalm.encode_audio
    monkeypatch.setattr(
        model.lalm, "encode_audio", lambda features, mask: heard.append(features) or encode(features, mask)
    )
    queries = [f"a dog barks {n} times" for n in range(20)]
    questions = [*map(Ground, queries), Caption(), Detect(), Detect(["whistle", "dog"]), Detect(("horn",))]
    together = model.ask(NOISE, questions, vote=vote, seed=5)
    assert len(together) == 24 and [len(features) for features in heard] == [1]
    monkeypatch.undo()
    for number in (0, 7, 19):
        assert together[number] == model.ground(NOISE, queries[number], vote=vote, seed=5)
    assert together[20] == model.caption(NOISE, vote=vote, seed=5)
    assert together[21:] == [model.detect(NOISE, c, vote=vote, seed=5) for c in (None, ["whistle", "dog"], ("horn",))]
    assert vote is None or len(set(together)) > 2  # greedily, noise is nothing


def test_what_is_no_question_is_named(model: Listener) -> None:
    with pytest.raises(ValueError, match="questions: takes Ground, Detect and Caption, not 'a dog barks'"):
        model.ask(NOISE, ["a dog barks"])
    with pytest.raises(ValueError, match="the model answers ag, dac, sed, not moments"):
        model.ask(NOISE, [Caption(), Ground("rain", "any")])
    for make, says in (
        (lambda: Ground(3), "Ground: needs the words of a query, not 3"),
        (lambda: Ground("  "), "Ground: needs the words of a query, not '  '"),
        (lambda: Ground("rain", "all"), "Ground: occurrences is one or any, not 'all'"),
        (lambda: Detect([1, 2]), r"Detect: needs the names of classes, not \[1, 2\]"),
        (lambda: Detect("dog"), "Detect: needs the names of classes, not 'dog'"),
        (lambda: Listener(model.lalm, model.tasks, None, "cpu", batch_size=0), "batch_size: must be at least 1, not 0"),
    ):
        with pytest.raises(ValueError, match=says):
            make()
    assert model.ask(NOISE, (question for question in ())) == []
    assert timepro_lit.Ground is Ground


def test_batches_are_rows_of_questions_about_one_clip() -> None:
    def about(lengths: list[int]) -> list[Sample]:
        return [Sample(Example("", "ag", "", 1.0, ()), torch.zeros(length)) for length in lengths]

    def batches(lengths: list[int], num_rows: int, width: int) -> list[list[int]]:
        return [[len(s.waveform) for s in batch] for batch in in_batches(about(lengths), num_rows, width)]

    assert batches([1, 1, 1, 2, 3], num_rows=2, width=2) == [[1, 1, 1], [2, 3]]
    assert batches([1] * 5, num_rows=2, width=2) == [[1, 1, 1, 1], [1]]
    assert batches([1, 2, 1], num_rows=8, width=2) == [[1, 2, 1]]
    assert batches([], num_rows=2, width=2) == []
    # who goes on behind a whole batch asks in the batches that would have followed
    for lengths, num_rows, width in (([1, 1, 1, 2, 2, 3, 3], 2, 2), ([1] * 7, 1, 3)):
        first, *rest = batches(lengths, num_rows, width)
        assert rest and batches(lengths[len(first) :], num_rows, width) == rest
