"""PSDS where sed_scores_eval is installed (the extra psds); the curves that it is given, everywhere."""

from __future__ import annotations

import random
from importlib.util import find_spec

import pytest

from timepro_lit.metrics import psds as room
from timepro_lit.metrics.intersection_f1 import intersection_f1
from timepro_lit.metrics.psds import psds, score_curves
from timepro_lit.metrics.suite import score
from timepro_lit.records import Event, Example, Prediction

installed = pytest.mark.skipif(find_spec("sed_scores_eval") is None, reason="needs the extra psds")
CLASSES = ("bell", "dog")


def example(id_: str, *events: Event) -> Example:
    return Example(id_, "sed", f"{id_}.wav", 10.0, events)


def test_curves_are_the_surest_events_within_the_clip() -> None:
    events = (
        Event(-1.0, 4.0, "dog", score=0.5),
        Event(2.0, 3.0, "dog", score=0.9),
        Event(2.5, 12.0, "bell"),
        Event(11.0, 12.0, "bell", score=0.7),
        Event(5.0, 5.0, "bell", score=0.7),
        Event(0.0, 1.0, "wolf", score=0.7),
    )
    bounds, curves = score_curves(Prediction(events, True), 10.0, CLASSES)
    assert bounds.tolist() == [0.0, 2.0, 2.5, 3.0, 4.0, 10.0]
    assert curves.tolist() == [[0.0, 0.5], [0.0, 0.9], [1.0, 0.9], [1.0, 0.5], [1.0, 0.0]]
    bounds, curves = score_curves(Prediction(events, readable=False), 10.0, CLASSES)
    assert (bounds.tolist(), curves.tolist()) == ([0.0, 10.0], [[0.0, 0.0]])


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_a_score_must_be_above_zero(bad: float) -> None:
    with pytest.raises(ValueError, match="PSDS needs scores above 0, and Event"):
        score_curves(Prediction((Event(0.0, 1.0, "dog", score=bad),), True), 10.0, CLASSES)


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'timepro_lit\[psds\]'"):
        psds([], CLASSES)


@installed
def test_a_perfect_and_a_silent_system() -> None:
    dog = example("a", Event(1.0, 3.0, "dog"))
    assert psds([(Prediction(dog.events, True), dog)], CLASSES) == {"PSDS1": 100.0, "PSDS2": 100.0}
    assert psds([(Prediction((), True), dog)], CLASSES) == {"PSDS1": 0.0, "PSDS2": 0.0}
    with pytest.raises(ValueError, match="there is none"):
        psds([(Prediction((), True), example("a"))], CLASSES)


@installed
def test_surer_events_count_before_others() -> None:
    # in 72 s one false alarm is 50 an hour
    pairs = [
        (
            Prediction((Event(0.0, 1.0, "dog", score=first), Event(5.0, 6.0, "dog", score=0.5)), True),
            Example("a", "sed", "a.wav", 72.0, (Event(5.0, 6.0, "dog"),)),
        )
        for first in (0.9, 0.1)
    ]
    wrong_first, right_first = (psds([pair], CLASSES) for pair in pairs)
    assert right_first == {"PSDS1": 100.0, "PSDS2": 100.0}
    assert wrong_first["PSDS1"] == pytest.approx(50.0)  # nothing up to 50 an hour, all from there on


@installed
def test_f1_at_a_threshold_equals_sed_scores_evals() -> None:
    from sed_scores_eval.intersection_based import fscore

    rng = random.Random(0)

    def events(share: float) -> tuple[Event, ...]:
        times = [sorted((round(rng.uniform(0, 10), 2), round(rng.uniform(0, 10), 2))) for _ in range(3)]
        return tuple(Event(on, off, rng.choice(CLASSES)) for on, off in times if on < off and rng.random() < share)

    pairs = []
    for n in range(80):
        reference = events(0.9)
        moved = tuple(Event(max(0.0, e.onset - 0.1), e.offset + 0.1, e.label) for e in reference if rng.random() < 0.7)
        pairs.append((Prediction(moved + events(0.2), True), example(f"q{n}", *reference)))
    frames = {e.id: room._frames(p, e, CLASSES) for p, e in pairs}
    truth = {e.id: room._truth(e, CLASSES) for _, e in pairs}
    theirs = fscore(frames, truth, 0.5, dtc_threshold=0.7, gtc_threshold=0.7)
    cut = [
        (Prediction(tuple(Event(e.onset, min(e.offset, 10.0), e.label) for e in p.events), True), e) for p, e in pairs
    ]
    ours = score([intersection_f1(CLASSES)], cut).values
    assert ours["Ib-F1"] == pytest.approx(100 * theirs[0]["macro_average"])
    assert ours["Ib-F1/micro"] == pytest.approx(100 * theirs[0]["micro_average"])
