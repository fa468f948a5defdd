"""Any string in, a bounded prediction out, in time linear in the length."""

from __future__ import annotations

import random
import time

import pytest

from tests.hangs import at_most
from timepro_lit.records import Prediction
from timepro_lit.tasks import reading
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.sound_events import SoundEventDetection

TASKS = [Grounding(), SoundEventDetection(["dog"]), DenseCaptioning(), Grounding("moments", "any")]
PREFIXES = ["x ", '{"dog": ', '{"dog": "x ']
UNITS = [
    "9", " ", "\n", "\0", "\ud800", "\u200f", "\u2028", "\u0663", "\\", '"', "'", '\\"', "\\'", "{", "[", "(", "}", "]",
    "[]", "{}", ",", ":", "-", "- ", "* ", ".5", "1.", "1-", "1 - ", "1 to ", "1:11:", "1e9 ", "1    ", "from ", "a:",
    '"a":', '{"a":', "' :", "'   x", "1-2,", "1.0-2.0, a\n", '{"dog": [1, 2]}', "|||", "```", "\u0663-\u0664 ", "1s-",
]  # fmt: skip


def test_an_alarm_ends_a_hang():
    with pytest.raises(TimeoutError), at_most(0.05):
        while True:
            pass


@pytest.mark.parametrize(
    "task",
    # grounding reads as moments do, but for what says none
    [pytest.param(task, id=task.name, marks=pytest.mark.slow if task.name == "ag" else ()) for task in TASKS],
)
def test_a_megabyte_of_anything_is_read_quickly(task):
    for unit in UNITS:
        for prefix in ("", '{"dog": "x '):
            with at_most():
                prediction = task.parse(prefix + unit * (1_000_000 // len(unit)))
            assert len(prediction.events) <= 256
            assert "too_long" in prediction.repairs


@pytest.mark.slow
def test_reading_is_linear_also_without_the_cut(monkeypatch):
    monkeypatch.setattr(reading, "MAX_CHARS", 10**9)

    def process_time(text):
        start = time.process_time()
        for task in TASKS:
            task.parse(text)
        return time.process_time() - start

    def is_linear(prefix, unit):
        with at_most():
            short, long = (process_time(prefix + unit * (size // len(unit))) for size in (2_000, 16_000))
        # 8 times the text: linear gives 8 times the time, quadratic 64; below 5 ms the clock is mostly noise
        return long < 30 * max(short, 0.005)

    for prefix in PREFIXES:
        for unit in UNITS:
            # a collection of garbage may fall into one run, not into five of them
            assert any(is_linear(prefix, unit) for _ in range(5)), (prefix, unit)


def test_random_mixtures_never_raise_and_stay_bounded():
    rng = random.Random(0)
    pieces = [*UNITS, "dog", '"dog"', "0.10", "3.48", "seconds", "null", "onset", '"offset": 2', "json", "NaN", "-inf"]
    for _ in range(1500):
        text = "".join(rng.choice(pieces) for _ in range(rng.randrange(40)))
        for task in TASKS:
            prediction = task.parse(text)
            assert isinstance(prediction, Prediction)
            assert prediction.readable or not prediction.events
            assert len(set(prediction.repairs)) == len(prediction.repairs)


def test_events_are_capped_at_256():
    pairs = ", ".join("[1.00, 2.00]" for _ in range(300))
    for task, text in zip(TASKS, [f'{{"dog": [{pairs}]}}'] * 2 + ["1.00-2.00, a\n" * 300], strict=False):
        prediction = task.parse(text)
        assert len(prediction.events) == 256
        assert prediction.repairs == ("too_many_events",)


def test_exactly_256_events_need_no_repair():
    pairs = ", ".join("[1.00, 2.00]" for _ in range(256))
    assert TASKS[1].parse(f'{{"dog": [{pairs}]}}').repairs == ()


def test_deep_nesting_is_cut_off():
    prediction = TASKS[1].parse("[" * 5000 + '{"dog": [1, 2]}' + "]" * 5000)
    assert prediction.events == ()
    assert not prediction.readable
    assert "too_deep" in prediction.repairs


def test_other_scripts_digits_are_no_times():
    for task in TASKS:
        assert not task.parse('{"dog": [\u0661, \u0662]}').readable
        assert not task.parse("\u0661-\u0662, a dog").readable


@pytest.mark.parametrize(
    "text",
    [
        'First speech at [0.0, 1.0], then a dog at [1.2, 3.48].\n\n```json\n{"a dog": [1.2, 3.48]}\n```',
        '{"a dog": [[1.2, 3.48]]} Before that there is speech at [0.0, 1.0].',
        'Speech: [0.0, 1.0]\nDog: [1.2, 3.48]\n\n[{"event": "a dog", "start": 1.2, "end": 3.48}]',
        "Speech at [0.0, 1.0].\n```\n[[1.2, 3.48]]\n```",
        # the object holds no times
        '{"query": "a dog"}\n[1.2, 3.48]',
        '[1.2, 3.48] {"confidence": 0.9}',
        'The dog barks at [1.2, 3.48].\n\n{"confidence": [0.9, 0.95]}',
    ],
)
def test_brackets_of_running_words_are_none_of_an_object(text):
    assert [(event.onset, event.offset) for event in Grounding().parse(text).events] == [(1.2, 3.48)]


@pytest.mark.parametrize(
    "text",
    ['{"dog": [0.1, 0.6]}\n{"bell": [2, 3]}', '```\n{"dog": [0.1, 0.6]}\n```\n```\n{"bell": [2, 3]}\n```',
     '{"dog": [0.1, 0.6]}, "bell": [2, 3]}', '"dog": [0.1, 0.6],\nbell: [2, 3]', "dog [0.1, 0.6] bell [2, 3]",
     'dog: [0.1, 0.6]\nbell: [{"start": 2, "end": 3}]'],
)  # fmt: skip
def test_several_objects_are_one_answer(text):
    found = SoundEventDetection(["dog", "bell"]).parse(text).events
    assert [(event.onset, event.offset, event.label) for event in found] == [(0.1, 0.6, "dog"), (2.0, 3.0, "bell")]


def test_what_was_closed_too_early_goes_on():
    for text in ('{"a dog": [0.1, 0.6]}, [0.8, 0.9]', '{"a dog": [[0.1, 0.6]}, [0.8, 0.9]]}'):
        assert [(event.onset, event.offset) for event in Grounding().parse(text).events] == [(0.1, 0.6), (0.8, 0.9)]
