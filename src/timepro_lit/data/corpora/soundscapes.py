"""Strongly labelled soundscapes, generated on first use: the embedded corpus.

A clip is background noise with one to four events of twelve synthesised classes (or of recorded sounds, where a
folder of them is given). Everything about clip i of a split follows from (seed, split, i), so that the labels are
identical on any machine and the samples agree within one step of PCM16.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.random import RandomState
from numpy.typing import NDArray
from rich.progress import track

from timepro_lit.data.audio import write_audio
from timepro_lit.data.corpora.recordings import Recordings
from timepro_lit.data.corpora.synthesis import SAMPLING_RATE, Synthesiser
from timepro_lit.data.manifest import write_manifest
from timepro_lit.data.store import AudioFolder, AudioStore
from timepro_lit.records import Event, Example

SPLITS = ("base", "train", "val", "test")
"""The position of a name in this tuple is part of its clips' seeds."""
QUERIES = {
    "alarm": "an alarm sounds", "beep": "a beep sounds", "bell": "a bell rings", "bird": "a bird chirps",
    "buzzer": "a buzzer buzzes", "crackle": "a fire crackles", "dog": "a dog barks", "drum": "a drum beats",
    "engine": "an engine runs", "hiss": "steam hisses", "siren": "a siren wails", "whistle": "a whistle blows",
}  # fmt: skip
_SAME_CLASS_GAP_S = 0.28
"""Two sounds of one class closer than this would be heard as one."""
_COUNT_WEIGHTS = (0.3, 0.35, 0.2, 0.15)
"""Chance of 1, 2, 3 and 4 events."""


_TURNS = ("count", "order", "caption", "sed", "dac")
"""Of these a clip of the base split is asked one in turn; all are asked for their tags, where their sounds lie and when
each is heard, so that the base binds a question to the sound it names."""


class SoundSource(Protocol):
    """Where the sounds of a soundscape come from: synthesis or recordings."""

    labels: tuple[str, ...]

    def draw(self, label: str, event_s: tuple[float, float], rng: RandomState) -> tuple[str, float]: ...
    def sound(self, label: str, take: str, num_samples: int, pitch: float, rng: RandomState) -> NDArray[np.float64]: ...
    def background(self, num_samples: int, rng: RandomState) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class Sound:
    """One planned event, before it becomes samples."""

    onset_tick: int
    offset_tick: int
    label: str
    take: str
    """File of a recorded sound; empty for a synthesised one."""
    pitch: float
    """Factor on the class's nominal frequency, 0.7 to 1.4."""
    snr_db: float


@dataclass(frozen=True)
class ClipPlan:
    """What a clip will hold: enough for its labels, without a sample rendered."""

    num_ticks: int
    sounds: tuple[Sound, ...]
    asked: int
    """Index of the sound that the grounding question is about; its class occurs once in the clip."""


@dataclass(frozen=True)
class SoundscapeSettings:
    """What decides the content of a clip, apart from its split and index. Times in seconds, levels in decibels."""

    seed: int
    clip_s: float
    clip_spread_s: float
    """Clip lengths are uniform within clip_s +- clip_spread_s."""
    tick_s: float
    """Grid of lengths, onsets and offsets: 0.04 is the audio frame, 0.01 gives times off the frames."""
    event_s: tuple[float, float]
    snr_db: tuple[float, float]

    def __post_init__(self) -> None:
        if self.clip_s - self.clip_spread_s <= self.event_s[0]:
            raise ValueError(
                f"clip_s - clip_spread_s must exceed the shortest event, event_s[0] = {self.event_s[0]:g} s"
            )
        if abs(round(self.tick_s * 100) - self.tick_s * 100) > 1e-9 or self.tick_s <= 0:
            raise ValueError(
                f"tick_s = {self.tick_s} is not a whole number of hundredths, in which answers are written"
            )


def plan_clip(settings: SoundscapeSettings, source: SoundSource, rng: RandomState) -> ClipPlan:
    """Length and sounds of one clip; at least one class occurs exactly once, so that it can be asked for."""
    tick_s = settings.tick_s
    shortest = round((settings.clip_s - settings.clip_spread_s) / tick_s)
    num_ticks = int(rng.randint(shortest, round((settings.clip_s + settings.clip_spread_s) / tick_s) + 1))
    gap = round(_SAME_CLASS_GAP_S / tick_s)
    while True:
        sounds: list[Sound] = []
        for _ in range(1 + rng.choice(len(_COUNT_WEIGHTS), p=_COUNT_WEIGHTS)):
            repeated = bool(sounds) and rng.uniform() < 0.2
            label = sounds[-1].label if repeated else source.labels[rng.randint(len(source.labels))]
            take, length_s = source.draw(label, settings.event_s, rng)
            length = min(max(1, round(length_s / tick_s)), num_ticks)
            onset = int(rng.randint(0, num_ticks - length + 1))
            pitch, snr_db = float(2 ** rng.uniform(-0.5, 0.5)), float(rng.uniform(*settings.snr_db))
            if all(
                s.label != label or onset >= s.offset_tick + gap or onset + length <= s.onset_tick - gap for s in sounds
            ):
                sounds.append(Sound(onset, onset + length, label, take, pitch, snr_db))
        sounds.sort(key=lambda s: (s.onset_tick, s.offset_tick, s.label))
        names = [s.label for s in sounds]
        single = [i for i, name in enumerate(names) if names.count(name) == 1]
        if single:
            return ClipPlan(num_ticks, tuple(sounds), single[rng.randint(len(single))])


def describe(sound: Sound, settings: SoundscapeSettings) -> str:
    """Caption of one sound from its own length, pitch and level, e.g. "a short, high beep in the background"."""
    length_s = (sound.offset_tick - sound.onset_tick) * settings.tick_s
    words = ["short"] if length_s < 0.7 else ["long"] if length_s > 1.4 else []
    if not sound.take:  # recorded sounds keep the pitch they have
        words += ["low"] if sound.pitch < 0.84 else ["high"] if sound.pitch > 1.19 else []
    phrase = f"{', '.join(words)} {sound.label}".strip()
    level = sound.snr_db - sum(settings.snr_db) / 2
    place = " in the background" if level < -3 else " close by" if level > 3 else ""
    return f"{_article(phrase)} {phrase}{place}"


def _article(phrase: str) -> str:
    return "an" if phrase[0] in "aeiou" else "a"


def to_whole_seconds(event: Event, duration_s: float) -> Event:
    """The event as somebody without a stopwatch writes it down: whole seconds within the clip, one at least.

    >>> to_whole_seconds(Event(1.4, 3.2, "siren"), 3.96)
    Event(onset=1.0, offset=3.0, label='siren')
    """
    onset = min(round(event.onset), int(duration_s) - 1)
    return Event(float(onset), float(min(max(round(event.offset), onset + 1), int(duration_s))), event.label)


def render(plan: ClipPlan, settings: SoundscapeSettings, source: SoundSource, rng: RandomState) -> NDArray[np.float64]:
    """Samples of one clip, peak within 0.9; an event's root mean square lies `snr_db` above the background's."""
    tick = round(settings.tick_s * SAMPLING_RATE)
    clip = source.background(plan.num_ticks * tick, rng)
    for s in plan.sounds:
        wave = source.sound(s.label, s.take, (s.offset_tick - s.onset_tick) * tick, s.pitch, rng)
        clip[s.onset_tick * tick : s.offset_tick * tick] += wave * 10 ** (s.snr_db / 20)
    return clip * (rng.uniform(0.25, 0.9) / np.abs(clip).max())


def examples_of(split: str, clip_id: str, audio: str, plan: ClipPlan, settings: SoundscapeSettings) -> list[Example]:
    """The three tasks' questions about one clip.

    Clips of the base split are also asked the listening questions; the answers to the three tasks are rough there, in
    whole seconds and bare names, so that a base model knows the formats and not yet when.
    """
    spans = [(round(s.onset_tick * settings.tick_s, 2), round(s.offset_tick * settings.tick_s, 2)) for s in plan.sounds]
    duration_s = round(plan.num_ticks * settings.tick_s, 2)
    detected = tuple(Event(*span, s.label) for span, s in zip(spans, plan.sounds, strict=True))
    captioned = tuple(Event(*span, describe(s, settings)) for span, s in zip(spans, plan.sounds, strict=True))
    asked = detected[plan.asked]
    if split == "base":
        questions = _base_questions(detected, captioned, duration_s)
    else:
        questions = [("ag", (_queried(asked),)), ("sed", detected), ("dac", captioned)]
    names = [task for task, _ in questions]
    return [
        Example(
            id=f"{clip_id}-{task}" if names.count(task) == 1 else f"{clip_id}-{task}{number}",
            task=task,
            audio=audio,
            duration_s=duration_s,
            events=events,
            query=events[0].label if task in ("ag", "place") else None,
        )
        for number, (task, events) in enumerate(questions)
    ]


def _queried(event: Event) -> Event:
    return replace(event, label=QUERIES.get(event.label, f"{event.label} sounds"))


def _base_questions(
    detected: Sequence[Event], captioned: Sequence[Event], duration_s: float
) -> list[tuple[str, tuple[Event, ...]]]:
    """What a clip of the base split is asked: the listening questions, exactly, and the three tasks, roughly.

    Every sound that occurs once is asked for.
    """
    labels = [event.label for event in detected]
    single = [_queried(event) for event in detected if labels.count(event.label) == 1]
    named = [replace(event, label=f"{_article(event.label)} {event.label}") for event in detected]
    exact = [(task, detected) for task in ("tag", "count", "order", "timeline")]
    exact += [("caption", captioned)] + [("place", [event]) for event in single]
    rough = [("sed", detected), ("dac", named)] + [("ag", [event]) for event in single]
    rough = [(task, [to_whole_seconds(event, duration_s) for event in events]) for task, events in rough]
    return [(task, tuple(events)) for task, events in exact + rough]


class Soundscapes:
    """The embedded corpus on disk: FLAC clips and one manifest a split, under a folder named by the settings.

    `num_clips` maps split names (base, train, val, test) to their sizes; a split of another size is another manifest
    over the same clips. `recordings` is a folder of recorded sounds (see `Recordings`) or None for synthesis.
    """

    def __init__(
        self,
        folder: str,
        num_clips: Mapping[str, int],
        seed: int = 7,
        clip_s: float = 4.0,
        clip_spread_s: float = 0.4,
        tick_s: float = 0.04,
        event_s: tuple[float, float] = (0.4, 2.4),
        snr_db: tuple[float, float] = (8.0, 26.0),
        recordings: str | None = None,
        num_workers: int = 2,
    ) -> None:
        unknown = sorted(set(num_clips) - set(SPLITS))
        if unknown:
            raise ValueError(f"num_clips names unknown splits {unknown}; splits are {list(SPLITS)}")
        self.num_clips = dict(num_clips)
        self.settings = SoundscapeSettings(
            seed,
            clip_s,
            clip_spread_s,
            tick_s,
            tuple(event_s),
            tuple(snr_db),  # type: ignore[arg-type]
        )
        self.recordings = recordings
        self.num_workers = num_workers
        described = json.dumps([asdict(self.settings), recordings], sort_keys=True)
        self.root = Path(folder) / f"soundscapes-{hashlib.sha256(described.encode()).hexdigest()[:8]}"

    def manifests(self, split: str) -> Sequence[tuple[Path, str]]:
        """As in `Corpus`."""
        return [(self.manifest(split), "")]

    def store(self) -> AudioStore:
        """As in `Corpus`."""
        return AudioFolder(self.root)

    def note(self) -> str | None:
        """As in `Corpus`."""
        return None

    def manifest(self, split: str) -> Path:
        """Path of a split's manifest; `prepare` makes it."""
        return self.root / f"{split}-{self.num_clips[split]}.jsonl"

    def prepare(self) -> None:
        """Generate what is missing; safe to interrupt and to call again."""
        for split, num_clips in self.num_clips.items():
            if num_clips and not self.manifest(split).exists():
                self._prepare_split(split, num_clips)

    def _prepare_split(self, split: str, num_clips: int) -> None:
        make = partial(_make_clip, split=split, root=self.root, settings=self.settings, recordings=self.recordings)
        with ProcessPoolExecutor(self.num_workers) as pool:
            made = pool.map(make, range(num_clips), chunksize=16)
            rows = [row for rows in track(made, f"soundscapes: {split}", total=num_clips) for row in rows]
        part = self.manifest(split).with_suffix(f".{os.getpid()}.part")
        write_manifest(part, rows)
        part.replace(self.manifest(split))


@lru_cache(maxsize=1)
def _source(recordings: str | None) -> SoundSource:
    return Recordings(recordings) if recordings else Synthesiser()


def _make_clip(
    index: int, split: str, root: Path, settings: SoundscapeSettings, recordings: str | None
) -> list[Example]:
    """Write clip `index` unless it is there already, and return its questions."""
    clip_id = f"{split}-{index:06d}"
    audio = f"{split}/{index // 1000:03d}/{clip_id}.flac"
    source = _source(recordings)
    rng = RandomState([settings.seed, SPLITS.index(split), index])
    plan = plan_clip(settings, source, rng)
    path = root / audio
    if not path.exists():
        # Written in one move, so that an interrupted run leaves no half clip behind.
        write_audio(path, torch.from_numpy(render(plan, settings, source, rng).astype(np.float32)), SAMPLING_RATE)
    examples = examples_of(split, clip_id, audio, plan, settings)
    if split == "base":
        others = set(_TURNS) - {_TURNS[index % len(_TURNS)]}
        return [example for example in examples if example.task not in others]
    return examples
