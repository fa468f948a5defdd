"""Queries that do not occur: questions whose answer is none, added to any corpus that asks for all occurrences.

A question about what is there goes with another one about the same clip, whose query is true of other clips of the same
split alone. It is drawn among the queries of the same task, as often as they are asked, so that no wording gives an
absent one away. What is true of a clip is whatever its questions of all tasks say: queries, labels and captions. For a
clip a query is left out where

- it is one of these texts, case, signs and articles aside, or was asked about the clip already;
- it shares a word with one of them ("a dog barks", "dogs are barking"), words that say nothing of a sound aside;
- somewhere in the split one event is called by both (one clip, one onset, one offset): a class and its description.

Annotators leave out sounds, so that of recordings some of these queries may be heard after all.

All follows from the manifests of the split and the share alone: the same on any machine, for any seed of a training.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from timepro_lit.data.corpora.prepared import Corpus
from timepro_lit.data.manifest import write_prepared
from timepro_lit.data.splits import hash_of
from timepro_lit.data.store import AudioStore
from timepro_lit.data.table import ExampleTable
from timepro_lit.files.atomic import write_atomically
from timepro_lit.files.fingerprint import content_digest
from timepro_lit.records import Example

log = logging.getLogger(__name__)

FOLDER = "absent"
"""Below the folder of a manifest: the questions that are added to it."""
_VERSION = "1"
"""Of the rules by which they are drawn."""
_DRAWS = 64
"""Queries that are tried for a clip before it goes without."""
_WORD = re.compile(r"[^\W_]+")
_ENDING = re.compile(r"(?<=\w\w\w)(?:ing|ed|es|s(?<!ss)|e)$")
_SAY_NOTHING = frozenset((
    "a", "an", "the", "of", "in", "on", "at", "to", "by", "from", "with", "and", "or", "as", "while", "then", "into",
    "is", "are", "was", "were", "be", "being", "it", "its", "there", "some", "several", "sound", "nois", "hear",
    "heard", "someon", "something", "background", "distanc", "loud", "loudly", "soft", "softly", "short", "long",
    "high", "low", "clos", "near", "nearby",
))  # fmt: skip


class WithAbsent:
    """A corpus with questions about what does not occur: `share` of the questions of `tasks` that it then has.

    Those that the corpus has by itself are not counted. The share is that of a large split; of each question it is
    decided by its id. A split that has no query for any of its clips goes without, which is said; the one that is
    `trained` on must not. Raises ValueError for a share that is not above 0 and up to 0.5.
    """

    def __init__(self, corpus: Corpus, share: float, tasks: Collection[str], trained: str = "train") -> None:
        if not 0.0 < share <= 0.5:
            raise ValueError(f"data.absent_share must lie between 0 and 0.5, not at {share}")
        if not tasks:
            raise ValueError("data.absent_share is for tasks that take none for an answer: add task=[..., moments]")
        self.corpus = corpus
        self.share = share
        self.tasks = sorted(tasks)
        self.trained = trained
        self._without: set[str] = set()

    def make_ready(self) -> None:
        """As in `Corpus`; the questions are added when a split is first asked for."""
        self.corpus.make_ready()

    def generated_in(self) -> Path | None:
        """As in `Corpus`."""
        return self.corpus.generated_in()

    def manifests(self, split: str) -> Sequence[tuple[Path, str]]:
        """Those of the corpus, and one of added questions for each that has such a task.

        Raises what `read_manifest` raises, and ValueError where no query fits any clip of the split to be trained on.
        """
        own = self.corpus.manifests(split)
        if not all(path.exists() for path, _ in own):
            return own
        digests = "".join(content_digest(path) for path, _ in own)
        rules = f"{_VERSION} {self.share!r} {self.tasks} {[prefix for _, prefix in own]} {digests}"
        key = hashlib.sha256(rules.encode()).hexdigest()[:8]
        places = [(path.parent / FOLDER / f"{path.stem}-{key}.jsonl", prefix) for path, prefix in own]
        for folder in {place.parent for place, _ in places}:
            folder.mkdir(parents=True, exist_ok=True)
        done = places[0][0].with_suffix(".done")
        with FileLock(done.with_name(".lock")):
            if not _is_done(done):
                written = []
                if (added := self._added(own, split)) is None:
                    return own
                for (place, prefix), (source, _) in zip(places, own, strict=True):
                    of_source = [replace(e, audio=e.audio.removeprefix(prefix)) for path, e in added if path == source]
                    if of_source:
                        write_prepared(place, of_source)
                        written.append(os.path.relpath(place, done.parent))
                write_atomically(done, json.dumps(written))
        return [*own, *((place, prefix) for place, prefix in places if place.exists())]

    def _added(self, own: Sequence[tuple[Path, str]], split: str) -> list[tuple[Path, Example]] | None:
        """The questions to add to a split; None where none of those that were to be added fits."""
        table = ExampleTable(own)
        chosen = chosen_to_add(table, self.share, self.tasks)
        added = list(absent_questions(table, chosen, self.tasks))
        if added or not chosen:
            return added
        if split == self.trained:
            raise ValueError(
                f"{own[0][0]}: no query is absent from any clip; data.absent_share needs clips that are asked "
                "different things, or leave it out"
            )
        if split not in self._without:
            log.warning("data.absent_share: in the split %s no query is absent from any clip, so it gets none", split)
        self._without.add(split)
        return None

    def store(self) -> AudioStore:
        """As in `Corpus`."""
        return self.corpus.store()

    def note(self) -> str | None:
        """As in `Corpus`."""
        added = f"{self.share:.0%} of {', '.join(self.tasks)} ask for what is not annotated there"
        added += f", none in {' and '.join(sorted(self._without))}" if self._without else ""
        return "; ".join(filter(None, (self.corpus.note(), added)))


def _is_done(done: Path) -> bool:
    """Whether all that was written is there; some manifests get no question, and no file."""
    return done.exists() and all((done.parent / name).exists() for name in json.loads(done.read_text()))


def chosen_to_add(table: ExampleTable, share: float, tasks: Collection[str]) -> list[int]:
    """Places of the questions in a split that one about what does not occur is to go with."""
    return [n for n in _asked(table, tasks) if hash_of(f"absent {table[n].id}") < share / (1.0 - share)]


def _asked(table: ExampleTable, tasks: Collection[str]) -> list[int]:
    return [place for place, e in enumerate(table) if e.task in tasks and e.query and e.events]


def absent_questions(
    table: ExampleTable, chosen: Sequence[int], tasks: Collection[str]
) -> Iterator[tuple[Path, Example]]:
    """The questions to add to a split, each with the manifest whose clip it is about, in the order of the split."""
    examples = list(table)
    clips = [str(name) for name in table.recordings.to_pylist()]
    told, asked = _Told(examples, clips), _asked(table, tasks)
    for place in chosen:
        example = examples[place]
        for draw in range(_DRAWS):
            other = examples[asked[int(hash_of(f"absent {draw} {example.id}") * len(asked))]].query or ""
            if told.is_absent(other, clips[place]):
                told.ask(other, clips[place])
                yield table.manifest_of(place), replace(example, id=f"{example.id}-absent", query=other, events=())
                break


class _Told:
    """What is said of each clip, and what else the same things are called."""

    def __init__(self, examples: Sequence[Example], clips: Sequence[str]) -> None:
        self._texts: dict[str, set[str]] = defaultdict(set)
        self._words: dict[str, set[str]] = defaultdict(set)
        self._names: dict[str, set[str]] = defaultdict(set)
        called: dict[tuple[str, float, float], set[str]] = defaultdict(set)
        for example, clip in zip(examples, clips, strict=True):
            if example.query:
                self.ask(example.query, clip)
            for event in example.events:
                text = _plain(event.label)
                self._texts[clip].add(text)
                self._words[clip] |= _stems(text)
                here = called[clip, example.start_s + event.onset, example.start_s + event.offset]
                here |= {text, _plain(example.query)} if example.query else {text}
        for names in called.values():
            for name in names:
                self._names[name] |= names

    def ask(self, query: str, clip: str) -> None:
        """Takes what a clip is asked about."""
        self._texts[clip].add(_plain(query))
        self._words[clip] |= _stems(_plain(query))

    def is_absent(self, query: str, clip: str) -> bool:
        """Whether nothing that is said of the clip is what the query asks for."""
        text = _plain(query)
        names = {text} | self._names[text]
        return names.isdisjoint(self._texts[clip]) and _stems(text).isdisjoint(self._words[clip])


def _plain(text: str) -> str:
    """Its words, without case, signs and leading articles."""
    words = _WORD.findall(text.casefold().replace("_", " "))
    return " ".join(words[1:] if len(words) > 1 and words[0] in ("a", "an", "the") else words)


def _stems(plain: str) -> set[str]:
    """What words are about, roughly.

    >>> sorted(_stems("dogs barking in the background"))
    ['bark', 'dog']
    """
    return {stem for word in plain.split() if _SAY_NOTHING.isdisjoint((word, stem := _ENDING.sub("", word)))}
