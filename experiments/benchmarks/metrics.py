"""Metrics and rewards against the reference tools, in one process: ratios, and the sizes that a rollout asks for.

python experiments/benchmarks/metrics.py
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import sed_eval

from timepro_lit.metrics.event_f1 import clip_f1
from timepro_lit.metrics.meteor import Meteor
from timepro_lit.records import Event, Example, Prediction
from timepro_lit.rewards.adaptive import AdaptiveReward
from timepro_lit.rewards.event_f1 import EventF1Reward
from timepro_lit.rewards.iou import IoUReward
from timepro_lit.rewards.meteor import MeteorReward
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.sound_events import SoundEventDetection

LABELS = ("bell", "dog", "engine", "siren")
WORDS = [
    "a", "the", "small", "big", "dog", "bell", "siren", "engine", "bird", "rings", "barks", "wails", "runs", "sings",
    "loudly", "softly", "twice", "far", "near", "short", "long", "high", "low", "in", "of", "behind", "close", "by",
    "street", "room", "water", "door", "wind", "rain", "child", "man", "woman", "speaks", "laughs",
]  # fmt: skip
UNITS = ("9", " ", "[", "{", "\r\n", "\0", "\ud800", "\u200f", "|||", "1-2, a\n", '"', "1 to ")


def best_s(work: Callable[[], object], repeats: int = 5) -> float:
    """Shortest of several runs, in seconds."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def clips(count: int, events: int, rng: random.Random) -> list[tuple[Prediction, Example]]:
    """Answers that are about right, with `events` events on each side."""
    pairs = []
    for k in range(count):
        reference = []
        for onset in sorted(rng.uniform(0, 9) for _ in range(events)):
            reference.append(Event(round(onset, 2), round(onset + rng.uniform(0.2, 2), 2), rng.choice(LABELS)))
        answered = tuple(Event(e.onset + rng.choice([0, 0.1, 0.3]), e.offset, e.label) for e in reference)
        pairs.append((Prediction(answered, readable=True), Example(str(k), "sed", f"{k}.wav", 12.0, tuple(reference))))
    return pairs


def event_f1(rng: random.Random) -> None:
    pairs = clips(200, 4, rng)

    def rows(events: tuple[Event, ...], name: str) -> list[dict[str, object]]:
        return [{"filename": name, "onset": e.onset, "offset": e.offset, "event_label": e.label} for e in events]

    lists = [(rows(e.events, e.audio), rows(p.events, e.audio)) for p, e in pairs]

    def reference_tool() -> None:
        metrics = sed_eval.sound_event.EventBasedMetrics(list(LABELS), t_collar=0.2, percentage_of_length=0.2)
        for reference, estimate in lists:
            metrics.evaluate(reference, estimate)

    ours = best_s(lambda: [clip_f1(p, e, match_labels=True) for p, e in pairs]) / len(pairs)
    theirs = best_s(reference_tool, repeats=3) / len(pairs)
    print(
        f"Eb-F1 of a clip, 4 events a side: {1e6 * ours:.1f} us; sed_eval {1e6 * theirs:.0f} us: {theirs / ours:.0f}x"
    )


def meteor(scorer: Meteor, rng: random.Random) -> None:
    def pairs(count: int) -> list[tuple[str, str]]:
        return [(" ".join(rng.choices(WORDS, k=8)), " ".join(rng.choices(WORDS, k=8))) for _ in range(count)]

    started = time.perf_counter()
    scorer.score(pairs(1))
    print(f"METEOR starts in {time.perf_counter() - started:.1f} s")
    scorer.score(pairs(2000))  # the program compiles itself while it runs
    new = pairs(5000)
    seconds = best_s(lambda: scorer.score(new), repeats=1)
    print(f"METEOR of new pairs, 8 words a side: {len(new) / seconds:.0f} a second; the same again:", end=" ")
    print(f"{len(new) / best_s(lambda: scorer.score(new), repeats=1):.0f} a second")


def adaptive(scorer: Meteor, rng: random.Random) -> None:
    """Eq. (2) where it costs most: all answers hit, so that every one needs METEOR."""
    reward = AdaptiveReward(EventF1Reward(match_labels=False), MeteorReward(scorer))
    task, times = DenseCaptioning(), ("0.50-1.50", "2.00-3.00", "3.50-4.00")

    def one_prompt() -> float:
        def caption() -> str:
            return " ".join(rng.choices(WORDS, k=6))

        events = tuple(Event(*map(float, span.split("-")), caption()) for span in times)
        example = Example("x", "dac", "x.wav", 5.0, events)
        texts = ["\n".join(f"{span}, {caption()}" for span in times) for _ in range(64)]
        started = time.perf_counter()
        reward.score([task.parse(text) for text in texts], example)
        return time.perf_counter() - started

    seconds = sorted(one_prompt() for _ in range(15))
    median_ms, worst_ms = 1e3 * seconds[7], 1e3 * seconds[-1]
    print(f"eq. (2) of 64 new dense captions, 3 x 6 words: median {median_ms:.0f} ms, worst {worst_ms:.0f} ms")


def hostile() -> None:
    example = Example("x", "sed", "x.wav", 5.0, (Event(0.5, 1.5, "dog"),))
    worst = 0.0
    for task in (Grounding(), SoundEventDetection(["dog"]), DenseCaptioning()):
        for unit in UNITS:
            text = unit * (1_000_000 // len(unit))
            worst = max(worst, best_s(lambda: IoUReward(True)([task.parse(text)], example), repeats=2))  # noqa: B023
    print(f"1 MB of one hostile piece, read and rewarded: worst {1e3 * worst:.0f} ms")


def main() -> None:
    rng = random.Random(0)
    event_f1(rng)
    hostile()
    scorer = Meteor()
    meteor(scorer, rng)
    adaptive(scorer, rng)


if __name__ == "__main__":
    main()
