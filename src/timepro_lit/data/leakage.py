"""Recordings that two splits share, whichever corpora hold them under whichever names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from timepro_lit.data.audio import AudioError, measure_audio
from timepro_lit.data.contents import ABSENT
from timepro_lit.data.corpora.prepared import SETTINGS
from timepro_lit.data.store import AudioStore
from timepro_lit.data.table import ExampleTable
from timepro_lit.files.atomic import replacing

LONGEST_S = 3600.0
"""Of a recording that is listened to, whatever the model can hear."""
_NAMED = 3
"""Shared recordings that an error names."""


def refuse_shared(splits: Mapping[str, ExampleTable]) -> None:
    """Raise ValueError where two splits hold one recording; splits that are needed most stand last.

    The sentence counts the recordings, names the first with their examples, and says how to keep them apart.
    """
    faults = []
    for (name, examples), (other, others) in combinations(splits.items(), 2):
        places = examples.shared_with(others)
        if len(places):
            faults.append(
                f"{len(places)} recording{'s are' if len(places) > 1 else ' is'} in both {name!r} and {other!r}: "
                f"{_named(examples, others, places)}; {_way_out(examples, others, places)}"
            )
    if faults:
        raise ValueError("; ".join(faults))


def refuse_same_content(splits: Mapping[str, Mapping[str, str]], store: AudioStore) -> None:
    """Raise ValueError where recordings of two splits are the same to the byte, whatever they are called.

    `splits` are path of each recording -> what tells its content from another. What cannot be heard at all, such as an
    error page saved under many names, is left out elsewhere.
    """
    faults = []
    for (name, mine), (other, theirs) in combinations(splits.items(), 2):
        there = {content: audio for audio, content in theirs.items() if content != ABSENT}
        pairs = {content: (audio, there[content]) for audio, content in mine.items() if content in there}
        heard = [pair for pair in pairs.values() if _is_sound(pair[0], store)]
        if heard:
            shown = ", ".join(f"{audio} is {same}" for audio, same in heard[:_NAMED])
            faults.append(
                f"{len(heard)} recording{'s are' if len(heard) > 1 else ' is'} in both {name!r} and {other!r} under "
                f"other names: {shown}{', ...' if len(heard) > _NAMED else ''}; take them out of one of the manifests"
            )
    if faults:
        raise ValueError("; ".join(faults))


def _is_sound(audio: str, store: AudioStore) -> bool:
    try:
        with store.open(audio) as stream:
            measure_audio(stream, audio, 16_000, LONGEST_S)
    except (AudioError, OSError):
        return False
    return True


def write_recordings(path: Path, examples: ExampleTable, before: Path | None = None) -> None:
    """Store hashes of the examples' recordings, and those that `before` holds if it is there: eight bytes for each."""
    known = [_hashes(examples)] + ([_load(before)] if before is not None and before.exists() else [])
    with replacing(path) as file:
        np.save(file, np.unique(np.concatenate(known)))


def heard_before(examples: ExampleTable, stored: Sequence[Path]) -> tuple[int, int]:
    """How many of the examples' recordings are among those stored, and how many they are."""
    mine = _hashes(examples)
    known = np.concatenate([_load(path) for path in stored]) if stored else mine[:0]
    return int(np.isin(mine, known).sum()), len(mine)


def _load(path: Path) -> np.ndarray:
    try:
        stored: np.ndarray = np.load(path)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    return stored


def _named(examples: ExampleTable, others: ExampleTable, places: np.ndarray) -> str:
    named = []
    for here, there in places[:_NAMED].tolist():
        one, other = examples[here], others[there]
        named.append(
            f"{other.recording or other.audio} ({one.id!r} in {examples.manifest_of(here)}, "
            f"{other.id!r} in {others.manifest_of(there)})"
        )
    return ", ".join(named) + (", ..." if len(places) > _NAMED else "")


def _way_out(examples: ExampleTable, others: ExampleTable, places: np.ndarray) -> str:
    """What to do to each manifest that is to give recordings up."""
    keepers: dict[Path, set[Path]] = {}
    for here, there in places.tolist():
        manifest, other = examples.manifest_of(here), others.manifest_of(there)
        keepers.setdefault(manifest, set()).update({other.parent} - {manifest.parent})
    return "; ".join(_advice(manifest, sorted(folders)) for manifest, folders in keepers.items())


def _advice(manifest: Path, folders: Sequence[Path]) -> str:
    if not (manifest.parent / SETTINGS).exists():
        return f"take them out of {manifest}"
    again = f"prepare {manifest.parent} again (python -m timepro_lit.prepare ... out={manifest.parent}"
    return again + (f" 'exclude=[{','.join(map(str, folders))}]')" if folders else ")")


def _hashes(examples: ExampleTable) -> np.ndarray:
    """(num_recordings,) uint64, sorted and distinct."""
    names = examples.recordings.unique().to_pylist()
    hashed = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names)
    return np.unique(np.frombuffer(hashed, np.uint64))
