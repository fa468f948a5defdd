from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hangs import at_most
from timepro_lit.events.voting import Voting, vote, voting_of
from timepro_lit.records import Event, Prediction

NONE, UNREADABLE = Prediction((), True), Prediction((), False)


def said(*events: tuple[float, float, str]) -> Prediction:
    return Prediction(tuple(Event(*event) for event in events), readable=True)


def test_a_cluster_has_the_medians_as_boundaries_and_its_share_as_score() -> None:
    answers = [said((1.0, 2.0, "dog")), said((1.1, 2.0, "dog")), said((1.3, 2.3, "dog"), (7.0, 8.0, "dog")), NONE]
    found = vote(answers, by_label=True)
    assert found.events == (Event(1.1, 2.0, "dog", score=0.75),)
    assert found.ranked == (Event(1.1, 2.0, "dog", score=0.75), Event(7.0, 8.0, "dog", score=0.25))
    assert found.presence == 0.75 and found.readable
    assert vote(answers, by_label=True, min_share=0.25).events == found.ranked


def test_a_label_keeps_events_apart_only_where_it_is_one_of_a_set() -> None:
    answers = [said((1, 2, "a dog barks")), said((1, 2, "a dog is barking")), said((1, 2, "a loud dog barks"))]
    assert [event.score for event in vote(answers, by_label=True).ranked] == [1 / 3] * 3
    assert vote(answers, by_label=False).ranked == (Event(1, 2, "a dog barks", score=1.0),)


def test_captions_decide_between_events_at_the_same_time() -> None:
    answers = [said((1, 2, "rain"), (1, 2.1, "a bell")), said((1, 2, "a bell"), (1, 2.1, "rain"))]
    found = vote(answers, by_label=False).ranked
    assert [(event.label, event.score) for event in found] == [("a bell", 1.0), ("rain", 1.0)]


def test_one_answer_counts_once_in_a_cluster() -> None:
    found = vote([said((1, 2, "dog"), (1.01, 2, "dog"), (1.02, 2, "dog")), said((1, 2, "dog"))], by_label=True)
    assert [event.score for event in found.ranked] == [1.0, 0.5, 0.5]


def test_who_agrees_that_it_occurs_but_not_when_gets_the_best_cluster() -> None:
    apart = [said((1, 2, "")), said((3, 4, "")), said((5, 6, "")), said((5.1, 6, "")), NONE]
    assert vote(apart, by_label=False).events == (Event(5.05, 6, "", score=0.4),)
    assert vote([*apart, NONE, NONE, NONE, NONE], by_label=False).events == ()  # most say that it does not
    assert vote([*apart, *[UNREADABLE] * 4], by_label=False).events == ()  # who says nothing does not agree


def test_a_question_of_one_event_gets_the_best() -> None:
    tie = [said((0, 1, "")), said((0, 1, "")), said((2, 3, "")), said((2.1, 3, ""))]
    assert len(vote(tie, by_label=False).events) == 2
    assert vote(tie, by_label=False, one=True).events == (Event(0, 1, "", score=0.5),)
    assert vote([said((2, 3, "")), *[UNREADABLE] * 7], by_label=False, one=True).events == (
        Event(2, 3, "", score=1 / 8),
    )


def test_unreadable_answers_vote_for_nothing() -> None:
    found = vote([said((1, 2, "")), UNREADABLE, UNREADABLE, UNREADABLE], by_label=False)
    assert (found.ranked[0].score, found.presence) == (0.25, 1.0)
    nothing = vote([UNREADABLE, Prediction((), False, ("cut",))], by_label=False)
    assert nothing == Prediction((), readable=False, repairs=("cut",))
    assert vote([NONE, UNREADABLE], by_label=False) == Prediction((), True, presence=0.0)


def test_times_that_make_no_sense_are_left_out() -> None:
    nan, inf = math.nan, math.inf
    bad = [(nan, 1, ""), (0, nan, ""), (-inf, inf, ""), (0, inf, ""), (2, 1, ""), (1, 1, "")]
    found = vote([said(*bad, (1, 2, "")), said(*bad)], by_label=False)
    assert found.ranked == (Event(1, 2, "", score=0.5),) and found.presence == 0.5
    huge = vote([said((-1.7e308, 1e307, "")), said((-1.7e308, 1.1e307, ""))], by_label=False)
    assert all(math.isfinite(event.offset) for event in huge.ranked)


times = st.floats(0, 30) | st.integers(0, 6).map(float) | st.sampled_from([math.nan, math.inf, -math.inf, 1e308, -1.0])
events = st.builds(Event, times, times, st.sampled_from(["dog", "bell", "a dog", ""]))
predictions = st.lists(
    st.builds(Prediction, st.lists(events, max_size=5).map(tuple), st.booleans()), min_size=1, max_size=6
)


@given(predictions, st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_no_order_counts_and_all_scores_are_shares(answers: list[Prediction], by_label: bool, random: object) -> None:
    found = vote(answers, by_label)
    shuffled = [Prediction(tuple(random.sample(p.events, len(p.events))), p.readable) for p in answers]  # type: ignore[attr-defined]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert repr(vote(shuffled, by_label)) == repr(found)
    shares = [event.score or 0.0 for event in found.ranked]
    assert shares == sorted(shares, reverse=True) and all(0 < share <= 1 for share in shares)
    assert set(found.events) <= set(found.ranked)
    assert all(event.onset < event.offset for event in found.ranked)


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0.01, 9), st.sampled_from("abc")), max_size=12), st.booleans())
@settings(max_examples=100)
def test_equal_answers_are_their_own_vote(spans: list[tuple[float, float, str]], by_label: bool) -> None:
    answer = said(*((onset, onset + length, label) for onset, length, label in spans))
    found = vote([answer] * 5, by_label)
    assert sorted((e.onset, e.offset, e.label) for e in found.events) == sorted(
        (e.onset, e.offset, e.label) for e in answer.events
    )
    assert {event.score for event in found.events} <= {1.0}


def test_many_events_of_many_answers_take_no_time_even_all_at_one_place() -> None:
    heap = [said(*((n / 999, 10 + (n * v % 97) / 97, f"x {n * v % 50}") for n in range(256))) for v in range(64)]
    with at_most():  # quadratic would be minutes
        assert len(vote(heap, by_label=False).ranked) < 2_000


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ((1, 1.0), "at least 2 answers, not 1"),
        ((4, 0.0), "positive"),
        ((257, 1.0), "vote: takes at most 256 answers"),
        ((2.5, 1.0), "vote: must be a whole number"),
    ],
)
def test_what_cannot_be_sampled_is_refused(settings: tuple[int, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Voting(*settings)


def test_without_a_number_there_is_no_vote() -> None:
    assert voting_of(None, 1.0, 0) is None
    assert str(voting_of(8, 0.7, 3)) == "8 votes at temperature 0.7, seed 3"
