"""What identifies a split: its examples, the content of their recordings, and how they are asked."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from timepro_lit.data.audio import AudioError
from timepro_lit.data.contents import ABSENT
from timepro_lit.data.store import AudioStore
from timepro_lit.data.table import ExampleTable
from timepro_lit.files.fingerprint import content_digest
from timepro_lit.tasks.base import Task

CACHE = ".recordings.json"
"""Beside the manifests: what is known of their recordings."""
_ASKED = 64
"""Questions of each task whose wording is looked at, spread over the split."""


def identity(
    manifests: Sequence[tuple[Path, str]], tasks: Mapping[str, Task], store: AudioStore
) -> dict[str, dict[str, str] | list[str]]:
    """Of the examples of these tasks: hashes of each manifest, of its recordings, and of each task's wording.

    The names of files and folders do not count, only their content; what a corpus is called among several does, since
    a stage's result names the recordings it heard.
    """
    table = ExampleTable(manifests).of_tasks(list(tasks))
    return {
        "examples": [f"{prefix}{content_digest(manifest)[:16]}" for manifest, prefix in manifests],
        "recordings": [_hash(list(contents_of([source], tasks, store).values())) for source in manifests],
        "wording": {name: _wording(task, table, name) for name, task in tasks.items()},
    }


def contents_of(manifests: Sequence[tuple[Path, str]], tasks: Collection[str], store: AudioStore) -> dict[str, str]:
    """Path of each recording of these tasks' examples -> what tells its content from another.

    Raises FileNotFoundError where none of a manifest's recordings is there, as where their disk is not mounted.
    """
    found: dict[str, str] = {}
    for manifest, prefix in manifests:
        audio = ExampleTable([(manifest, prefix)]).of_tasks(list(tasks)).audio_files
        contents = store.contents(audio, manifest.parent / CACHE)
        if set(contents) == {ABSENT}:
            raise FileNotFoundError(
                f"{manifest}: not one of its {len(audio)} recordings is there, of which {_location(store, audio[0])} "
                "is the first: set the corpus' audio=FOLDER to where they are"
            )
        found |= zip(audio, contents, strict=True)
    return found


def _location(store: AudioStore, audio: str) -> str:
    try:
        return store.location(audio)
    except AudioError:  # in no shard, or out of the folder
        return audio


def _wording(task: Task, table: ExampleTable, name: str) -> str:
    places = np.flatnonzero(table.tasks == name)
    chosen = places[np.unique(np.linspace(0, len(places) - 1, _ASKED).astype(np.int64))] if len(places) else places
    examples = [table[int(place)] for place in chosen]
    return _hash([text for example in examples for text in (task.prompt(example), task.target(example))])


def _hash(texts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(f"{len(text)} {text}\n".encode())
    return digest.hexdigest()[:16]
