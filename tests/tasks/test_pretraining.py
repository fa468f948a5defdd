from __future__ import annotations

import pytest

from timepro_lit.records import Event, Example
from timepro_lit.tasks.pretraining import Captioning, Counting, Ordering, Placing, Tagging, Timeline

EVENTS = (Event(0.0, 0.5, "dog"), Event(0.2, 0.9, "bell"), Event(1.0, 1.4, "dog"))


@pytest.mark.parametrize(
    ("task", "target"),
    [
        (Tagging(), "bell, dog"),
        (Counting(), "bell: 1, dog: 2"),
        (Ordering(), "dog, then bell, then dog"),
        (Captioning(), "dog, then bell, then dog."),
        (Timeline(), "dog 00 to 05, bell 02 to 09, dog 10 to 14"),
    ],
)
def test_targets(task, target: str) -> None:
    assert task.target(Example("x", task.name, "x.flac", 2.0, EVENTS)) == target


def test_a_place_is_given_in_the_tenths_that_hold_it() -> None:
    example = Example("x", "place", "x.flac", 12.0, (Event(1.48, 10.2, "a dog barks"),), "a dog barks")
    assert Placing().prompt(example) == 'In which tenths of a second does "a dog barks" start and end?'
    assert Placing().target(example) == "a dog barks 14 to 102"
