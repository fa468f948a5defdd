from __future__ import annotations

import torch

from timepro_lit.lit.base import cosine
from timepro_lit.lit.pretrain import frame_activity, question_means
from timepro_lit.records import Event, Example, Interviews


def test_frames_in_which_each_class_is_on() -> None:
    events = (Event(0.04, 0.12, "dog"), Event(0.0, 0.08, "bell"))
    example = Example("x", "tag", "x.flac", 0.2, events)
    assert frame_activity(example, ["bell", "dog"], num_frames=5, frames_per_second=25).tolist() == [
        [1, 0], [1, 1], [0, 1], [0, 0], [0, 0],
    ]  # fmt: skip


def test_every_question_counts_the_same_however_long_its_answer() -> None:
    example = Example("x", "tag", "x.flac", 0.2, ())
    nothing = torch.zeros(0)
    branch = torch.tensor([[0, 1, 1, 2, 2], [0, 1, 1, -1, -1]])
    is_answer = torch.tensor([[0, 1, 1, 0, 1], [0, 0, 1, 0, 0]]).bool()
    batch = Interviews(((example, example), (example,)), nothing, nothing, nothing, branch, nothing, is_answer)
    assert question_means(torch.tensor([1.0, 3.0, 5.0, 7.0]), batch).tolist() == [2.0, 5.0, 7.0]


def test_the_learning_rate_warms_up_and_ends_at_zero() -> None:
    assert [round(cosine(step, 2, 6), 3) for step in range(7)] == [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]
