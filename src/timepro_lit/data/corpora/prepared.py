"""Corpora that were prepared beforehand: one manifest a split, recordings wherever `timepro_lit.prepare` found them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from timepro_lit.data.audio import Stream
from timepro_lit.data.store import AudioFolder, AudioShards, AudioStore
from timepro_lit.files.json_object import shown
from timepro_lit.files.sealing import read_sealed

SETTINGS, JOURNAL = "prepared.json", "audio.jsonl"


class Corpus(Protocol):
    """Where the clips come from."""

    def make_ready(self) -> None:
        """Write whatever manifests and audio are missing; called again, it changes nothing."""
        ...

    def generated_in(self) -> Path | None:
        """The folder that `make_ready` would write to, None where it would write nothing."""
        ...

    def manifests(self, split: str) -> Sequence[tuple[Path, str]]:
        """The manifests of a split, each with what stands before its audio paths in this corpus."""
        ...

    def store(self) -> AudioStore:
        """Opens the recordings."""
        ...

    def note(self) -> str | None:
        """What a reader of scores on its test split must know."""
        ...


class Prepared:
    """A folder that `timepro_lit.prepare` wrote; or `<split>.jsonl` and the audio that they name, all in one folder.

    Args:
        folder: of the manifests.
        audio: where the recordings are now, a folder or a URL, if not where they were.
    """

    def __init__(self, folder: str, audio: str | None = None) -> None:
        self.folder = Path(folder)
        self.audio = audio

    def make_ready(self) -> None:
        """Raise FileNotFoundError where there is no manifest at all, or not all that belongs to them."""
        if is_half_prepared(self.folder):
            raise FileNotFoundError(
                f"{self.folder}: its preparation was interrupted: call timepro_lit.prepare again, which goes on"
            )
        if not any(self.folder.glob("*.jsonl")):
            raise FileNotFoundError(
                f"{self.folder} holds no manifest: prepare the corpus first (python -m timepro_lit.prepare)"
            )

    def generated_in(self) -> Path | None:
        """As in `Corpus`."""
        return None

    def manifests(self, split: str) -> Sequence[tuple[Path, str]]:
        """As in `Corpus`."""
        return [(self.folder / f"{split}.jsonl", "")]

    def store(self) -> AudioStore:
        """As in `Corpus`."""
        where = prepared_settings(self.folder).get("audio", {"folder": "."})
        (kind, place), *others = where.items() if isinstance(where, dict) and where else [("", None)]
        if others or kind not in ("shards", "folder") or not isinstance(place, str):
            raise ValueError(f"{self.folder / SETTINGS}: audio is {shown(where)}, which says not where recordings are")
        if kind == "shards":
            return AudioShards(self.audio or self.folder / place)
        return AudioFolder(self.audio or (place if "://" in place else self.folder / place))

    def note(self) -> str | None:
        """As in `Corpus`."""
        note = prepared_settings(self.folder).get("note")
        if not isinstance(note, str | None):
            raise ValueError(f"{self.folder / SETTINGS}: note is {shown(note)}, which is no text")
        return note


def prepared_settings(folder: Path) -> dict[str, Any]:
    """What `timepro_lit.prepare` wrote of a folder; empty where it wrote none."""
    path = folder / SETTINGS
    return read_sealed(path) if path.exists() else {}


def is_half_prepared(folder: Path) -> bool:
    """Whether `timepro_lit.prepare` was interrupted there."""
    return (folder / JOURNAL).exists() and not (folder / SETTINGS).exists()


class Joined:
    """Several corpora as one; the name of each stands before the paths of its recordings.

    A corpus without a manifest of some split has no part in that split.
    """

    def __init__(self, corpora: Mapping[str, Corpus]) -> None:
        self.corpora = dict(corpora)

    def make_ready(self) -> None:
        """As in `Corpus`."""
        for corpus in self.corpora.values():
            corpus.make_ready()

    def generated_in(self) -> Path | None:
        """As in `Corpus`, of the first that would."""
        return next(filter(None, (corpus.generated_in() for corpus in self.corpora.values())), None)

    def manifests(self, split: str) -> Sequence[tuple[Path, str]]:
        """As in `Corpus`. Raises FileNotFoundError where no corpus has the split."""
        named = [
            (path, f"{name}/{prefix}")
            for name, corpus in self.corpora.items()
            for path, prefix in corpus.manifests(split)
        ]
        there = [(path, prefix) for path, prefix in named if path.exists()]
        if not there:
            raise FileNotFoundError(f"there is no {' and no '.join(str(path) for path, _ in named)}")
        return there

    def store(self) -> AudioStore:
        """As in `Corpus`."""
        return JoinedStores({name: corpus.store() for name, corpus in self.corpora.items()})

    def note(self) -> str | None:
        """As in `Corpus`."""
        notes = {name: corpus.note() for name, corpus in self.corpora.items()}
        return "; ".join(f"{name}: {note}" for name, note in notes.items() if note) or None


class JoinedStores:
    """The store of each corpus under its name."""

    def __init__(self, stores: Mapping[str, AudioStore]) -> None:
        self.stores = dict(stores)

    @contextmanager
    def open(self, audio: str) -> Iterator[Stream]:
        """As in `AudioStore`."""
        name, _, path = audio.partition("/")
        with self.stores[name].open(path) as stream:
            yield stream

    def location(self, audio: str) -> str:
        """As in `AudioStore`."""
        name, _, path = audio.partition("/")
        return self.stores[name].location(path)

    def contents(self, audio: Sequence[str], cache: Path) -> list[str]:
        """As in `AudioStore`."""
        found: dict[str, str] = {}
        for name, store in self.stores.items():
            prefix = f"{name}/"
            own = [one.removeprefix(prefix) for one in audio if one.startswith(prefix)]
            found |= {f"{prefix}{one}": said for one, said in zip(own, store.contents(own, cache), strict=True)}
        return [found[one] for one in audio]
