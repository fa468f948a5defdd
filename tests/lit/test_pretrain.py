from __future__ import annotations

from timepro_lit.lit.base import cosine
from timepro_lit.lit.pretrain import frame_activity
from timepro_lit.records import Event, Example


def test_frames_of_classes_and_of_captions_that_name_them() -> None:
    events = (Event(0.04, 0.12, "dog"), Event(0.0, 0.08, "a short, high bell in the background"), Event(0, 1, "rain"))
    example = Example("x", "dac", "x.flac", 0.2, events)
    assert frame_activity(example, ["bell", "dog"], num_frames=5, frames_per_second=25).tolist() == [
        [1, 0], [1, 1], [0, 1], [0, 0], [0, 0],
    ]  # fmt: skip


def test_the_learning_rate_warms_up_and_ends_at_zero() -> None:
    assert [round(cosine(step, 2, 6), 3) for step in range(7)] == [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]
