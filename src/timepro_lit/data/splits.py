"""Which split a recording belongs to: decided by what the recording is, never by the order of files.

The same recording goes by several names: DESED's `Y1a2B3c4D5e6_30.000_40.000.wav` and FTAR's `Y1a2B3c4D5e6.wav` are ten
seconds of one video, which AudioSet holds once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

VALIDATION_SHARE = 0.01
_AUDIOSET_CLIP = re.compile(r"Y([\w-]{11})(?:_\d+(?:\.\d+)?){0,2}")


def recording_key(corpus: str, audio: str) -> str:
    """What a recording is called in every corpus: the AudioSet clip it is, else its path within its own corpus.

    >>> recording_key("desed", "audio/validation/Y1a2B3c4D5e6_30.000_40.000.wav")
    'audioset:1a2B3c4D5e6'
    >>> recording_key("desed", "audio/train/synthetic/12.wav")
    'desed:audio/train/synthetic/12'
    """
    path = PurePosixPath(audio)
    clip = _AUDIOSET_CLIP.fullmatch(path.stem)
    return f"audioset:{clip[1]}" if clip else f"{corpus}:{path.with_suffix('')}"


def hash_of(key: str) -> float:
    """A number in [0, 1) that depends on the key alone.

    >>> round(hash_of("audioset:1a2B3c4D_-6"), 3)
    0.304
    """
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2.0**64


def hold_out(questions: Iterable[tuple[str, str]], wanted: Mapping[str, int]) -> set[str]:
    """Recordings to hold out so that their questions number exactly as `wanted`, a task each, as far as that goes.

    Args:
        questions: (recording key, task) of every question.
        wanted: questions to hold out of each task.

    Recordings come in order of their hash; one whose questions would exceed the number of any task is passed over.
    """
    tasks_of: dict[str, list[str]] = {}
    for key, task in questions:
        tasks_of.setdefault(key, []).append(task)
    left, chosen = dict(wanted), set()
    for key in sorted(tasks_of, key=hash_of):
        if not any(left.values()):
            break
        of_key: Sequence[str] = tasks_of[key]
        if all(of_key.count(task) <= left.get(task, 0) for task in set(of_key)):
            chosen.add(key)
            for task in of_key:
                left[task] -= 1
    return chosen
