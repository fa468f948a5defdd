"""What a corpus' own files say, question by question, before its audio was looked at."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from timepro_lit.records import Event


@dataclass(frozen=True, slots=True)
class Annotation:
    """One question about one recording, as annotated: times may be anything that a number can be."""

    id: str
    """As the corpus names it, or made from what it names; need not be unique."""
    task: str
    audio: str
    """Path of the recording below the corpus' root, as written; it may try to leave it."""
    events: tuple[Event, ...]
    split: str
    """"train", "test", or another name of the corpus' own."""
    where: str
    """File and line (or entry) that says so."""
    query: str | None = None
    stated_duration_s: float | None = None
    """Length that the annotation gives the recording."""
    recording: str | None = None
    """What the recording is called in every corpus, where the annotation says it; None = as the file's name does."""
    complete: bool = False
    """Whether `events` are all there are in the recording, which may then be cut into windows; of a query that has no
    events, none is the answer."""
    unread: tuple[str, ...] = ()
    """Of events that are there, nobody knows when: what stood where their times should. A reader names them itself."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something that could not become an example."""

    where: str
    """File and line (or entry)."""
    reason: str
    """One of few: what is counted."""
    detail: str
    """What a person needs to look into it."""
    task: str = ""


def same_query(query: str) -> str:
    """What queries share that ask for the same: neither capitals, white space nor a full stop make another one.

    >>> same_query("A dog  barks. ") == same_query("a dog barks")
    True
    """
    return unicodedata.normalize("NFC", " ".join(query.split())).casefold().rstrip(" .")


class AnnotatedCorpus(Protocol):
    """The reader of one public format."""

    name: str
    """Starts the ids of its examples."""
    held_out: Mapping[str, int]
    """Task -> test examples to hold out by a hash of the recording, where the files name no test split."""

    def annotations(self, root: Path) -> Iterator[Annotation | Dropped]:
        """Everything in the corpus' files below `root`, in their order.

        Raises FileNotFoundError that names the expected file where there is nothing to read, and ValueError that
        names file and line for a file in another format.
        """
        ...
