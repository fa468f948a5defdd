from __future__ import annotations

import pytest

from timepro_lit.evaluation.oddities import Oddities, oddities_of
from timepro_lit.records import Answer, Event, Example, Prediction

CLASSES = ["Alarm_bell_ringing", "Dog", "Electric_shaver_toothbrush"]


def answer(*events: Event, duration_s: float = 10.0, readable: bool = True) -> Answer:
    return Answer(Example("a", "sed", "a.wav", duration_s, ()), "", "", Prediction(events, readable), False)


@pytest.mark.parametrize(
    ("label", "meant"),
    [
        ("alarm bell ringing", "Alarm_bell_ringing"), ("Alarm-Bell  ringing", "Alarm_bell_ringing"), ("dog", "Dog"),
        ('"Dog"', "Dog"), ("\u201cDog\u201d ", "Dog"), ("Dogs", None), ("", None),
    ],
)  # fmt: skip
def test_a_label_is_named_with_the_class_that_it_nearly_is(label: str, meant: str | None) -> None:
    odd = oddities_of([answer(Event(0.0, 1.0, label), Event(1.0, 2.0, label), Event(2.0, 3.0, "Dog"))], CLASSES, True)
    assert odd.no_class == {label: 2}
    assert odd.meant == ({} if meant is None else {label: meant})


def test_all_labels_are_right_where_there_are_no_classes_and_unreadable_answers_have_none() -> None:
    assert oddities_of([answer(Event(0.0, 1.0, "a dog barks"))], [], True) == Oddities()
    assert oddities_of([answer(Event(0.0, 1.0, "dog"), readable=False)], CLASSES, True) == Oddities()
    assert Oddities().lines() == ""


def test_events_reach_into_their_clip() -> None:
    events = [Event(*times, "Dog") for times in ((9.0, 12.0), (-1.0, 0.5), (10.0, 11.0), (-2.0, 0.0), (3.0, 3.0))]
    assert oddities_of([answer(*events)], CLASSES, True) == Oddities(outside=2, backward=1)


def test_of_clips_of_unknown_lengths_what_lies_behind_all_references_is_outside() -> None:
    answers = [answer(Event(7.0, 8.0, "Dog"), duration_s=0.0), answer(Event(500.0, 900.0, "Dog"), duration_s=9.5)]
    assert oddities_of(answers, CLASSES, False).outside == 1


def test_the_first_few_labels_are_shown() -> None:
    odd = Oddities({f"a{n}": n for n in range(7, 0, -1)})
    assert odd.lines().startswith("7 labels are no class: 'a7' (7 events), ") and odd.lines().endswith(
        "'a3' (3 events), ...\n"
    )
