from __future__ import annotations

import pytest

from timepro_lit.records import Event, Example
from timepro_lit.tasks.listening import Captioning, Counting, Ordering, Tagging

EVENTS = (Event(0.0, 0.5, "dog"), Event(0.2, 0.9, "bell"), Event(1.0, 1.4, "dog"))


@pytest.mark.parametrize(
    ("task", "target"),
    [
        (Tagging(), "bell, dog"),
        (Counting(), "bell: 1, dog: 2"),
        (Ordering(), "dog, then bell, then dog"),
        (Captioning(), "dog, then bell, then dog."),
    ],
)
def test_targets(task, target: str) -> None:
    assert task.target(Example("x", task.name, "x.flac", 2.0, EVENTS)) == target
