"""Strongly labelled soundscapes, generated on first use: the embedded corpus.

A clip is background noise with one to four events of twelve synthesised classes (or of recorded sounds, where a
folder of them is given). Everything about clip i of a split follows from (seed, split, i), so that the labels are
identical on any machine and the samples agree within one step of PCM16.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from numpy.random import RandomState
from rich.progress import track

from timepro_lit.data.audio import write_audio
from timepro_lit.data.corpora.audibility import as_heard
from timepro_lit.data.corpora.clip_plans import ClipPlan, Sound, SoundscapeSettings, SoundSource, plan_clip, render
from timepro_lit.data.corpora.moment_plans import plan_moments
from timepro_lit.data.corpora.recordings import Recordings
from timepro_lit.data.corpora.synthesis import SAMPLING_RATE, Synthesiser
from timepro_lit.data.manifest import write_prepared
from timepro_lit.data.store import AudioFolder, AudioStore
from timepro_lit.data.workers import worker_pool
from timepro_lit.records import Event, Example

SPLITS = ("base", "train", "val", "test")
"""The position of a name in this tuple is part of its clips' seeds."""
QUERIES = {
    "alarm": "an alarm sounds", "beep": "a beep sounds", "bell": "a bell rings", "bird": "a bird chirps",
    "buzzer": "a buzzer buzzes", "crackle": "a fire crackles", "dog": "a dog barks", "drum": "a drum beats",
    "engine": "an engine runs", "hiss": "steam hisses", "siren": "a siren wails", "whistle": "a whistle blows",
}  # fmt: skip
_TURNS = ("count", "order", "caption", "sed", "dac")
"""Of these a clip of the base split is asked one in turn; all are asked for their tags, where their sounds lie and when
each is heard, so that the base binds a question to the sound it names."""


def describe(sound: Sound, settings: SoundscapeSettings) -> str:
    """Caption of one sound from its own length, pitch and level, e.g. "a short, high beep in the background"."""
    first, end = sound.heard_ticks
    length_s = (end - first) * settings.tick_s
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


def examples_of(split: str, clip_id: str, audio: str, plan: ClipPlan, settings: SoundscapeSettings) -> list[Example]:
    """The three tasks' questions about one clip, and one about all occurrences of the sound that is sought in it.

    Clips of the base split are also asked the listening questions; the answers to the three tasks are rough there, in
    whole seconds and bare names, so that a base model knows the formats and not yet when.
    """
    spans = [tuple(round(tick * settings.tick_s, 2) for tick in s.heard_ticks) for s in plan.sounds]
    duration_s = round(plan.num_ticks * settings.tick_s, 2)
    detected = tuple(Event(*span, s.label) for span, s in zip(spans, plan.sounds, strict=True))
    captioned = tuple(Event(*span, describe(s, settings)) for span, s in zip(spans, plan.sounds, strict=True))
    asked = detected[plan.asked]
    if split == "base":
        questions = _base_questions(detected, captioned, duration_s)
    else:
        questions = [("ag", (_queried(asked),)), ("sed", detected), ("dac", captioned)]
        if plan.sought is not None:
            questions.append(("moments", tuple(_queried(event) for event in detected if event.label == plan.sought)))
    names = [task for task, _ in questions]
    return [
        Example(
            id=f"{clip_id}-{task}" if names.count(task) == 1 else f"{clip_id}-{task}{number}",
            task=task,
            audio=audio,
            duration_s=duration_s,
            events=events,
            query=_query(plan.sought) if task == "moments" else events[0].label if task in ("ag", "place") else None,
        )
        for number, (task, events) in enumerate(questions)
    ]


def _queried(event: Event) -> Event:
    return replace(event, label=_query(event.label))


def _query(label: str | None) -> str:
    return QUERIES.get(str(label), f"{label} sounds")


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
    over the same clips. `recordings` is a folder of recorded sounds (see `Recordings`) or None for synthesis. With
    `occurrences`, the chances of 0, 1, 2, ... of them, clips are asked for all occurrences of a sound as well; `others`
    are then the chances of 1, 2, ... sounds of other classes.
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
        occurrences: Sequence[float] | None = None,
        others: Sequence[float] | None = None,
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
            None if occurrences is None else tuple(occurrences),
            None if others is None else tuple(others),
        )
        self.recordings = recordings
        self.num_workers = num_workers
        content = None if recordings is None else Recordings(recordings).content
        told = {key: value for key, value in asdict(self.settings).items() if value is not None}
        described = json.dumps([told, content], sort_keys=True)
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
        """Path of a split's manifest, which `make_ready` makes. Raises ValueError for a split without clips."""
        if not self.num_clips.get(split):
            known = ", ".join(self.num_clips)
            raise ValueError(f"num_clips: there are no clips of the split {split!r}, only of {known}")
        return self.root / f"{split}-{self.num_clips[split]}.jsonl"

    def planned(self, split: str) -> list[Example]:
        """The examples of a split as they will be generated, without a clip."""
        clips = range(self.num_clips.get(split, 0))
        return [example for i in clips for example in _plan(i, split, self.settings, self.recordings)[1]]

    def generated_in(self) -> Path | None:
        """As in `Corpus`."""
        return self.root if self._missing() else None

    def make_ready(self) -> None:
        """Generate what is missing; safe to interrupt and to call again. Of several processes one does."""
        if self._missing():
            self.root.mkdir(parents=True, exist_ok=True)
            with FileLock(self.root / ".lock"):
                for split in self._missing():
                    self._prepare_split(split, self.num_clips[split])

    def _missing(self) -> list[str]:
        return [split for split, num in self.num_clips.items() if num and not self._has(split, num)]

    def _has(self, split: str, num_clips: int) -> bool:
        """Whether a split's manifest is there and every clip, of which someone may have deleted some."""
        clips = (self.root / _audio_of(split, index) for index in range(num_clips))
        return self.manifest(split).exists() and all(clip.exists() for clip in clips)

    def _prepare_split(self, split: str, num_clips: int) -> None:
        make = partial(_make_clip, split=split, root=self.root, settings=self.settings, recordings=self.recordings)
        with worker_pool(self.num_workers) as pool:
            made = pool.map(make, range(num_clips), chunksize=16)
            rows = [row for rows in track(made, f"soundscapes: {split}", total=num_clips) for row in rows]
        write_prepared(self.manifest(split), rows)


def _audio_of(split: str, index: int) -> str:
    """Path of clip `index` below the corpus's folder."""
    return f"{split}/{index // 1000:03d}/{split}-{index:06d}.flac"


@lru_cache(maxsize=len(SPLITS))
def _source(recordings: str | None, split: str) -> SoundSource:
    return Synthesiser() if recordings is None else Recordings(recordings).of(split)


def _plan(
    index: int, split: str, settings: SoundscapeSettings, recordings: str | None
) -> tuple[ClipPlan, list[Example], RandomState]:
    """Clip `index` before it is heard, the questions that are asked about it, and what its samples are drawn from."""
    audio = _audio_of(split, index)
    rng = RandomState([settings.seed, SPLITS.index(split), index])
    source = _source(recordings, split)
    plan = (plan_clip if settings.occurrences is None else plan_moments)(settings, source, rng)
    plan = as_heard(plan, settings, source, rng) if source.fades else plan
    examples = examples_of(split, Path(audio).stem, audio, plan, settings)
    if split == "base":
        others = set(_TURNS) - {_TURNS[index % len(_TURNS)]}
        examples = [example for example in examples if example.task not in others]
    return plan, examples, rng


def _make_clip(
    index: int, split: str, root: Path, settings: SoundscapeSettings, recordings: str | None
) -> list[Example]:
    """Write clip `index` unless it is there already, and return its questions."""
    plan, examples, rng = _plan(index, split, settings, recordings)
    path = root / examples[0].audio
    if not path.exists():
        # Written in one move, so that an interrupted run leaves no half clip behind.
        waveform = render(plan, settings, _source(recordings, split), rng).astype(np.float32)
        write_audio(path, torch.from_numpy(waveform), SAMPLING_RATE)
    return examples
