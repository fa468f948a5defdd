from __future__ import annotations

import math
import random
import warnings
from dataclasses import replace

import numpy as np
import pytest

from timepro_lit.metrics.intersection_f1 import intersection_f1
from timepro_lit.metrics.parse_rate import ParseRate
from timepro_lit.metrics.segment_based_f1 import segment_based_f1
from timepro_lit.metrics.suite import difference_intervals, intervals, score
from timepro_lit.metrics.summed import Summed
from timepro_lit.records import Event, Example, Prediction
from timepro_lit.tasks import dense_captioning
from timepro_lit.tasks.base import scored
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.sound_events import SoundEventDetection

CLASSES = ("bell", "dog")
TASKS = {"ag": Grounding(), "sed": SoundEventDetection(CLASSES), "dac": DenseCaptioning()}


class SharedWords:
    def score(self, pairs):
        return [len(set(h.split()) & set(r.split())) / len(set(h.split()) | set(r.split())) for h, r in pairs]


@pytest.fixture(autouse=True)
def meteor_without_java(monkeypatch):
    monkeypatch.setattr(dense_captioning, "shared_meteor", SharedWords)


def pairs_of(task: str, quality: float, count: int = 200) -> list[tuple[Prediction, Example]]:
    """Answers of which about `quality` are right; two questions about each clip."""
    rng, luck = random.Random(0), random.Random(1)
    pairs = []
    for k in range(count):
        onset = rng.randint(0, 50) / 10
        event = Event(onset, onset + 1.0, rng.choice(CLASSES))
        late = Event(onset + 0.5, onset + 1.5, event.label)
        readable = luck.random() < 0.5 + quality / 2
        answered = (event if luck.random() < quality else late,) if readable else ()
        example = Example(id=f"q{k}", task=task, audio=f"{k // 2}.flac", duration_s=10.0, events=(event,))
        pairs.append((Prediction(answered, readable), example))
    return pairs


@pytest.mark.parametrize("task", ["ag", "sed", "dac"])
def test_values_equal_the_torchmetrics_and_lie_in_their_intervals(task):
    metrics = summed(task)
    pairs = pairs_of(task, quality=0.6)
    scores = score(TASKS[task].metrics(), pairs)
    for start in range(0, len(pairs), 64):
        for metric in metrics:
            metric.update([p for p, _ in pairs[start : start + 64]], [e for _, e in pairs[start : start + 64]])
    computed = {name: float(value) for metric in metrics for name, value in metric.compute().items()}
    assert scores.values == pytest.approx(computed)
    for name, (low, high) in intervals([scores]).items():
        assert low < scores.values[name] < high


@pytest.mark.parametrize("task", ["ag", "sed", "dac"])
@pytest.mark.parametrize("num_shards", [1, 2, 3, 7])
def test_uneven_shards_give_exactly_the_whole(task, num_shards):
    pairs = pairs_of(task, quality=0.6)
    pairs = [(Prediction(tuple(_shifted(e, k) for e in p.events), p.readable), e) for k, (p, e) in enumerate(pairs)]
    whole = summed(task)
    _update(whole, pairs)
    cuts = sorted(random.Random(num_shards).sample(range(len(pairs)), num_shards - 1))
    shards = []
    for start, end in zip([0, *cuts], [*cuts, len(pairs)], strict=True):
        shards.append(summed(task))
        _update(shards[-1], pairs[start:end])
    for number, metric in enumerate(whole):
        merged = shards[-1][number]
        for shard in shards[:-1]:
            merged.merge_state(shard[number])
        assert merged.sums.tolist() == metric.sums.tolist()
        assert {k: float(v) for k, v in merged.compute().items()} == {k: float(v) for k, v in metric.compute().items()}


def test_of_some_metrics_the_intervals_stay_what_they_are():
    scores = score(TASKS["sed"].metrics(), pairs_of("sed", quality=0.6))
    some = scores.of_metrics_with(["Eb-F1"])
    assert len(some.metrics) == 1 < len(scores.metrics)
    assert some.values["Eb-F1/micro"] == scores.values["Eb-F1/micro"]
    assert intervals([some]) == {name: intervals([scores])[name] for name in some.values}


def summed(task):
    return [Summed(metric) for metric in TASKS[task].metrics()]


def _update(metrics, pairs):
    for metric in metrics:
        metric.update([p for p, _ in pairs], [e for _, e in pairs])


def _shifted(event: Event, k: int) -> Event:
    """Overlaps of a third, a seventh, ...: sums of such numbers depend on their order."""
    return Event(event.onset + 1 / (k % 7 + 3), event.offset, event.label)


@pytest.mark.parametrize("task", ["ag", "sed", "dac"])
def test_what_a_task_says_of_itself_is_what_its_metrics_report(task):
    assert list(scored(TASKS)) == ["ag", "sed", "dac"]
    scores = score(TASKS[task].metrics(), pairs_of(task, quality=0.6))
    assert {*TASKS[task].headline, *TASKS[task].watched, "parse_rate"} <= scores.values.keys()
    assert all(TASKS[task].clip_score in example for example in scores.examples)


def test_examples_of_one_audio_are_one_clip():
    scores = score(TASKS["ag"].metrics(), pairs_of("ag", quality=0.6))
    assert len(scores.examples) == 200 and len(scores.clips) == 100 and scores.rows.shape[0] == 100
    assert scores.rows[:, 0].tolist() == [2.0] * 100
    assert np.mean([example["IoU"] for example in scores.examples]) == pytest.approx(scores.values["mIoU"])


def test_difference_of_two_systems_on_the_same_clips():
    metrics = TASKS["sed"].metrics()
    good, poor = score(metrics, pairs_of("sed", 0.9)), score(metrics, pairs_of("sed", 0.3))
    low, high = difference_intervals([good], [poor])["Eb-F1"]
    assert 20.0 < low < good.values["Eb-F1"] - poor.values["Eb-F1"] < high < 80.0
    shuffled = score(metrics, pairs_of("sed", 0.3)[::-1])
    assert difference_intervals([shuffled], [poor])["Eb-F1"] == (0.0, 0.0)
    elsewhere = score(metrics, [(p, replace(e, audio=f"there/{e.audio}")) for p, e in pairs_of("sed", 0.3)])
    assert difference_intervals([elsewhere], [poor])["Eb-F1"] == (0.0, 0.0)


def test_questions_about_a_clip_are_compared_with_those_about_as_much() -> None:
    metrics, pairs = (ParseRate(),), pairs_of("sed", 0.5, 4)
    alone = [(p, replace(e, audio=f"{e.id}.flac")) for p, e in pairs]
    with pytest.raises(ValueError, match="same examples about the same clips"):
        difference_intervals([score(metrics, pairs)], [score(metrics, alone)])


def test_different_examples_cannot_be_paired():
    metrics = (ParseRate(),)
    pairs = pairs_of("sed", 0.5, 10)
    with pytest.raises(ValueError, match="same examples, but 1 were answered by one side only"):
        difference_intervals([score(metrics, pairs)], [score(metrics, pairs[:-1])])


def test_bad_lists_of_answers_are_refused():
    pairs = pairs_of("sed", 0.5, 4)
    with pytest.raises(ValueError, match="no answers"):
        score((ParseRate(),), [])
    with pytest.raises(ValueError, match="'q2' was answered more than once"):
        score((ParseRate(),), [*pairs, pairs[2]])
    with pytest.raises(ValueError, match="Two metrics report under the name 'parse_rate'"):
        score((ParseRate(), ParseRate()), pairs)


def test_whatever_times_an_answer_says_nothing_is_printed_about_them() -> None:
    odd = (1.7e308, -1.7e308, math.nan, math.inf, -math.inf, 5e-324, 1.0, 3.0)
    said = tuple(Event(onset, offset, "dog") for onset in odd for offset in odd)
    tasks = {**TASKS, "moments": Grounding("moments", "any")}
    for name, task in tasks.items():
        example = Example("a", name, "a.wav", 10.0, (Event(1.0, 2.0, "dog"), Event(3.0, 5.0, "bell")), "a dog")
        metrics = [metric for metric in task.metrics() if not metric.all_at_once]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            values = [score(metrics, [(Prediction(said[n : n + 9], True), example)]).values for n in range(0, 64, 9)]
            for metric in (segment_based_f1(CLASSES), intersection_f1(CLASSES)):
                values.append(score([metric], [(Prediction(said, True), example)]).values)
        assert all(0.0 <= value <= 100.0 or math.isnan(value) for of_answer in values for value in of_answer.values())
