"""Which split a recording belongs to: decided by what the recording is, never by the order of files.

The same recording goes by several names: DESED's `Y1a2B3c4D5e6_30.000_40.000.wav` and FTAR's `Y1a2B3c4D5e6.wav` are ten
seconds of one video, which AudioSet holds once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from timepro_lit.data.audio import AUDIO_SUFFIXES
from timepro_lit.data.media import MEDIA_SUFFIXES

VALIDATION_SHARE = 0.01

AUDIO_SUFFIX = rf"(?i)({'|'.join(map(re.escape, (*AUDIO_SUFFIXES, *MEDIA_SUFFIXES)))})$"
"""How the name of a recording ends, whatever it was converted to; also for the expressions of Arrow."""
_SUFFIX = re.compile(AUDIO_SUFFIX)
_TIME = r"[0-9]+(?:\.[0-9]+)?(?:s|sec|ms)?"
_EXCERPT = rf"_{_TIME}(?:[_-]{_TIME})?|_(?i:seg|segment|part|clip|chunk)[_-]?[0-9]+"
_CLIP = re.compile(rf"(Y|(?i:yt|ytid|youtube)[_-])?([A-Za-z0-9_-]{{11}})({_EXCERPT})?")
_AUDIOSET_TIMES = re.compile(r"_[0-9]+\.[0-9]{3}_[0-9]+\.[0-9]{3}")
_LAST = frozenset("AEIMQUYcgkosw048")
"""What a YouTube id ends in: eleven characters of six bits spell 64 bits, so that the last one's lower two are 0."""
_VOWEL_AHEAD = r"(?=[AEIOUY]|[A-Z]?[a-z]*[aeiouy])"
_READABLE = re.compile(rf"{_VOWEL_AHEAD}[A-Za-z][a-z]{{2,}}|[0-9]{{2,}}|[_-]")
"""Words, numbers of several digits and what joins them. A word has a vowel; letters drawn by chance often lack one."""
_FEWEST_UNREADABLE, _FEWEST_BEHIND_PREFIX = 5, 4


NAMED_BY_VIDEO = ("audiogrounding", "desed", "ftar")
"""Corpora that write Y and a video's id, and mean nothing else by it."""


def video_key(audio: str, corpus: str = "") -> str | None:
    """The video that a recording is cut from, where its name says so: the name of the recording in every corpus.

    The times or number of an excerpt do not count. What is heard in two excerpts of one video are the same voices in
    the same room, and AudioSet, of which most corpora of recordings are made, holds one excerpt of a video.

    >>> video_key("eval/Yb0RFKhbpFJA_30.000_40.000.wav"), video_key("b0RFKhbpFJA.mp3"), video_key("soundscape4.wav")
    ('audioset:b0RFKhbpFJA', 'audioset:b0RFKhbpFJA', None)
    """
    found = _CLIP.fullmatch(_SUFFIX.sub("", PurePosixPath(audio).name))
    # "audioset" since the hash of this key decides on splits: with another word, prepared corpora would split anew.
    if found is None:
        return None
    means_a_video = found[1] == "Y" and corpus in NAMED_BY_VIDEO and found[2][-1] in _LAST
    is_video = means_a_video or _is_video(found[1], found[2], found[3] or "")
    return f"audioset:{found[2]}" if is_video else None


def _is_video(prefix: str | None, name: str, excerpt: str) -> bool:
    """Whether eleven characters are a video's id and no name that another recording may bear as well.

    They must look drawn by chance: without words, numbers and separators `Scene1Clip4` is `14`, `b0RFKhbpFJA` itself.
    Of 2,413 ids of three corpora, 93 fail behind a prefix and 184 alone; a manifest may name those in `recording`.
    """
    if prefix == "Y" and _AUDIOSET_TIMES.fullmatch(excerpt):
        return True
    if name[-1] not in _LAST or name in (name.lower(), name.upper()):
        return False
    return len(_READABLE.sub("", name)) >= (_FEWEST_BEHIND_PREFIX if prefix else _FEWEST_UNREADABLE)


def recording_key(corpus: str, audio: str) -> str:
    """What a recording is called in every corpus: the video that it is cut from, else its path within its own corpus.

    >>> recording_key("desed", "audio/validation/Y1a2B3c4D5e6_30.000_40.000.wav")
    'audioset:1a2B3c4D5e6'
    >>> recording_key("desed", "audio/train/synthetic/12.wav")
    'desed:audio/train/synthetic/12'
    """
    return video_key(audio, corpus) or f"{corpus}:{_SUFFIX.sub('', str(PurePosixPath(audio)))}"


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
