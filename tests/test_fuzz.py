"""Whatever a model writes is read without an exception and rewarded within [0, 1], and the next answer scored as ever.
And random events are read back from every notation.

`make test` asks 20,000 strings and 200 lists of events, `make fuzz` a million and 10,000, other ones each time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hangs import at_most
from timepro_lit.metrics.captioning import clip_meteors
from timepro_lit.metrics.meteor import shared_meteor
from timepro_lit.records import Event, Example
from timepro_lit.rewards.adaptive import AdaptiveReward
from timepro_lit.rewards.base import PerTask
from timepro_lit.rewards.count import CountReward
from timepro_lit.rewards.event_f1 import EventF1Reward
from timepro_lit.rewards.iou import IoUReward
from timepro_lit.rewards.segment_f1 import SegmentF1Reward
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.sound_events import SoundEventDetection

EVENTS = (Event(0.5, 1.5, "dog"), Event(2.0, 4.0, "bell"))
TASKS = {
    "ag": Grounding(),
    "sed": SoundEventDetection(["dog", "bell"]),
    "dac": DenseCaptioning(),
    "moments": Grounding("moments", "any"),
}
EXAMPLES = {task: Example("x", task, "x.flac", 5.0, EVENTS, query="a dog barks") for task in TASKS}
QUERIED = ("ag", "moments")
MAIN = PerTask({task: EventF1Reward(match_labels=task == "sed") for task in TASKS} | {"moments": SegmentF1Reward()})
AUXILIARY = PerTask({task: IoUReward(task == "sed") for task in TASKS} | {"moments": CountReward()})
REWARDS = (AdaptiveReward(MAIN, AUXILIARY), MAIN, AUXILIARY)

PIECES = [
    "{", "}", "[", "]", "(", ")", ",", ":", '"', "'", "\\", "|||", "```json\n", "\n", "\r", "\r\n", "\0", "\u2028",
    "\u200f", "\u202e", "\ud800", "\u0663", "-", " - ", " to ", "from ", "between ", " and ", "dog", '"dog": ', "bell",
    "0.50", "1.5", "2", "4.00", "1e9", "-1", "9" * 400, "NaN", "Infinity", "null", "0:01", "1:02:03.5", " seconds", "s",
    "ms", '"onset": ', '"offset": ', '"event": ', "[0.50, 1.50]", '{"dog": [0.5, 1.5]}', "0.50-1.50, a dog barks\n",
    "* ", "1. ", "no ", "there is no ", " does not occur", "none",
]  # fmt: skip
LONG = [
    "9", " ", "[", "]", "{", "(", "\r\n", "\n", "\0", "\ud800", "\u200f", "|||", "1-", "1-2, a\n", '"', "'", "\\", "a ",
]  # fmt: skip

TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=16).map("".join)
GROUPS = st.lists(TEXTS, min_size=10, max_size=10)


def rewarded(texts: Sequence[str]) -> None:
    for name, task in TASKS.items():
        predictions = [task.parse(text) for text in texts]
        for prediction in predictions:
            assert len(prediction.events) <= 256
            assert prediction.readable or not prediction.events
        for reward in REWARDS:
            values = reward(predictions, EXAMPLES[name])
            assert len(values) == len(texts)
            assert all(math.isfinite(value) and 0.0 <= value <= 1.0 for value in values)


@given(GROUPS)
def test_any_text_is_read_and_rewarded(texts: list[str]) -> None:
    rewarded(texts)


@given(GROUPS)
@settings(max_examples=settings.default.max_examples // 20)
def test_meteor_of_any_text_and_of_the_one_after_it(texts: list[str]) -> None:
    caption = "a dog barks twice close by"
    for hostile in texts:
        own, after = shared_meteor().score([(hostile, "a bell rings"), (caption, caption)])
        assert 0.0 <= own <= 1.0
        assert after == 1.0
    predictions = [TASKS["dac"].parse(f"0.50-1.50, {text}") for text in texts]
    scores = clip_meteors(predictions, [EXAMPLES["dac"]] * len(texts), "joined", shared_meteor())
    assert all(0.0 <= value <= 1.0 for value in scores)


@pytest.mark.parametrize("unit", LONG)
def test_a_megabyte_of_anything_is_rewarded_at_once(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    with at_most():  # 0.2 s is the aim, which `make bench` measures
        rewarded([text])
    assert 0.0 <= shared_meteor().score([(text, "a dog barks")])[0] <= 1.0


# ---- notations: events written in each come back exactly
PLAIN: dict[str, Callable[[float], str]] = {
    "bare": lambda t: f"{t:.2f}",
    "short": lambda t: f"{t:g}",
    "s": lambda t: f"{t:g}s",
    "seconds": lambda t: f"{t} seconds",
    "ms": lambda t: f"{round(1000 * t)} ms",
    "comma": lambda t: f"{t:.2f} s".replace(".", ","),
    "clock": lambda t: f"{int(t) // 60}:{int(t) % 60:02d}.{_hundredths(t):02d}",
    "comma clock": lambda t: f"{int(t) // 60:02d}:{int(t) % 60:02d},{_hundredths(t):02d}0",
    "long clock": lambda t: f"0:{int(t) // 60:02d}:{int(t) % 60:02d}.{_hundredths(t):02d}",
    "colon clock": lambda t: f"{int(t) // 60:02d}:{int(t) % 60:02d}:{_hundredths(t):02d}0",
    "min s": lambda t: f"{int(t) // 60} min {int(t) % 60}.{_hundredths(t):02d} s",
    "1m02s": lambda t: f"{int(t) // 60}m{int(t) % 60:02d}.{_hundredths(t):02d}s",
    "minutes": lambda t: f"{int(t) // 60} minutes and {int(t) % 60}.{_hundredths(t):02d} seconds",
}
SIGNS = [*"-~‐‑‒–—―−～〜→", "-->", "to"]
GAPS = [" ", "\u00a0", "\u202f", "\u2009", "\u3000"]
QUOTES = ['""', "''", "“”", "”“", '"”', '“"', "„“", "«»", "‘’", "「」"]
NAMES = [
    ("start", "end"), ("begin", "stop"), ("onset", "offset"), ("from", "to"), ("startTime", "endTime"),
    ("START", "END"), ("Start time (s)", "End time (s)"), ("onset_seconds", "offset_seconds"), ("t_start", "t_end"),
]  # fmt: skip
THOUGHT = [
    "{}", "<think>[5.0, 6.0]? 5-6.</think>{}", "[5.0, 6.0]</think>\n{}", "<answer>{}</answer>",
    "<reasoning>\n5.00-6.00, x\n</reasoning>\n\n{}", "Maybe [5.0, 6.0].\n<answer>\n{}\n</answer>",
    "Thought: 5.00-6.00 s, a dog.\nFinal answer:\n{}",
    "**Answer:**\n{}\n\nExplanation: it barks 2-3 times from 5.0 to 6.0 s.",
]  # fmt: skip
TIMES_S = st.integers(0, 359_999).map(lambda hundredths: hundredths / 100)
WORDS = st.sampled_from(
    ["a dog", "bell", "2-3 dogs bark", "dog's bark, twice", "a 2 second beep", "rain – loud", "hund"]
)
EVENT = st.builds(Event, TIMES_S, TIMES_S, WORDS).filter(lambda event: event.onset or event.offset)  # [0, 0] is none
LISTS = st.lists(EVENT, min_size=1, max_size=4)


def _hundredths(time_s: float) -> int:
    return round(100 * time_s) % 100


def _spaced(text: str, gap: str) -> str:
    return text.replace(" ", gap)


def _table(events: Sequence[Event], told: Callable[[float], str]) -> str:
    rows = [f"| {e.label} | {told(e.onset)} | {told(e.offset)} |" for e in events]
    return "\n".join(["| Event | Start | End |", "|---|:---:|---:|", *rows])


@given(LISTS, st.data())
@settings(max_examples=settings.default.max_examples // 10)
def test_events_are_read_back_from_every_notation(events: list[Event], data: st.DataObject) -> None:
    def choice(options):
        return data.draw(st.sampled_from(options))

    gap, sign, thought = choice(GAPS), choice(SIGNS), choice(THOUGHT)
    (left, right), (start, end) = choice(QUOTES), choice(NAMES)
    times = [(e.onset, e.offset) for e in events]
    for kind, told in PLAIN.items():
        ranges = [_spaced(f"{told(e.onset)} {sign} {told(e.offset)}", gap) for e in events]
        quoted = [(f'"{told(e.onset)}"', f'"{told(e.offset)}"') for e in events]
        records = [
            f'{{"event": {json.dumps(e.label)}, "{end}": {b}, "{start}": {a}}}'
            for e, (a, b) in zip(events, quoted, strict=True)
        ]
        rows = "\n".join(f"- {r}: {e.label}" for r, e in zip(ranges, events, strict=True))
        cues = "\n\n".join(
            f"{n}\n{told(e.onset)} --> {told(e.offset)}\n{e.label}" for n, e in enumerate(events, start=1)
        )
        track = "\n".join(f"{told(e.onset)}\t{told(e.offset)}\t{e.label}" for e in events)
        written = {
            "ag": [
                "; ".join(ranges),
                f"It barks 2-3 times, from {ranges[0]}." * (len(events) == 1),
                json.dumps(ranges),
            ],
            "moments": ["; ".join(ranges), json.dumps(ranges)],
            "sed": [f"[{', '.join(records)}]", _table(events, told), track],
            "dac": [rows, cues, track, _table(events, told), f"[{', '.join(records)}]"],
        }
        for name, texts in written.items():
            for text in filter(None, texts):
                read = TASKS[name].parse(thought.format(text) if "{" in thought else text)
                found = [(e.onset, e.offset) for e in read.events] if name in QUERIED else list(read.events)
                assert found == (times if name in QUERIED else events), (kind, text, read)
    pairs = ", ".join(
        f"{left}{n}{right}: [{e.onset:.2f}, {e.offset:.2f}]" for n, e in zip("abcd", events, strict=False)
    )
    read = TASKS["sed"].parse(f"{{{pairs}}}")
    assert [(e.onset, e.offset, e.label) for e in read.events] == [(*t, n) for t, n in zip(times, "abcd", strict=False)]


@given(TIMES_S, TIMES_S)
@settings(max_examples=settings.default.max_examples // 10)
def test_ambiguous_notations_are_refused_and_never_other_times(onset: float, offset: float) -> None:
    a, b = f"{onset:.2f}".replace(".", ","), f"{offset:.2f}".replace(".", ",")
    for text in (
        f"[{a}, {b}]", f"{{{a}, {b}}}", f"{a} - {int(offset)} s", f"[{a}; {b}]", f"1,200 s - {b} s",
        f"00:00:{int(onset) % 60:02d}:12 - 00:01:01:12", f"1:75 - {b} s", f"1:{int(onset) % 10} - 1:05",
        f"{int(onset)} m - 7 m", f"{int(onset)} ms - {int(offset)}", f'{{"start": {a}, "end": {b}}}',
        f"{int(onset)} - 1 min 2 s", a,
    ):  # fmt: skip
        for task in TASKS.values():
            assert not task.parse(text).readable, text
