"""Whatever a model writes is read without an exception and rewarded within [0, 1], and the next answer scored as ever.

`make test` asks 20,000 strings, `make fuzz` a million, other ones each time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepro_lit.metrics.captioning import clip_meteors
from timepro_lit.metrics.meteor import shared_meteor
from timepro_lit.records import Event, Example
from timepro_lit.rewards.adaptive import AdaptiveReward
from timepro_lit.rewards.base import PerTask
from timepro_lit.rewards.event_f1 import EventF1Reward
from timepro_lit.rewards.iou import IoUReward
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.sound_events import SoundEventDetection

EVENTS = (Event(0.5, 1.5, "dog"), Event(2.0, 4.0, "bell"))
EXAMPLES = {task: Example("x", task, "x.flac", 5.0, EVENTS, query="a dog barks") for task in ("ag", "sed", "dac")}
TASKS = {"ag": Grounding(), "sed": SoundEventDetection(["dog", "bell"]), "dac": DenseCaptioning()}
MAIN = PerTask({task: EventF1Reward(match_labels=task == "sed") for task in TASKS})
AUXILIARY = PerTask({"ag": IoUReward(False), "sed": IoUReward(True), "dac": IoUReward(False)})
REWARDS = (AdaptiveReward(MAIN, AUXILIARY), MAIN, AUXILIARY)

PIECES = [
    "{", "}", "[", "]", "(", ")", ",", ":", '"', "'", "\\", "|||", "```json\n", "\n", "\r", "\r\n", "\0", "\u2028",
    "\u200f", "\u202e", "\ud800", "\u0663", "-", " - ", " to ", "from ", "between ", " and ", "dog", '"dog": ', "bell",
    "0.50", "1.5", "2", "4.00", "1e9", "-1", "9" * 400, "NaN", "Infinity", "null", "0:01", "1:02:03.5", " seconds", "s",
    "ms", '"onset": ', '"offset": ', '"event": ', "[0.50, 1.50]", '{"dog": [0.5, 1.5]}', "0.50-1.50, a dog barks\n",
    "* ", "1. ",
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
    rewarded([text])
    for name, task in TASKS.items():
        started = time.process_time()
        AUXILIARY([task.parse(text)], EXAMPLES[name])
        assert time.process_time() - started < 2.0  # 0.2 s is the aim, which `make bench` measures; this ends a hang
    assert 0.0 <= shared_meteor().score([(text, "a dog barks")])[0] <= 1.0
