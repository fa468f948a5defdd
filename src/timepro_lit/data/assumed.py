"""Examples that are not here yet, as far as their number and lengths are known: enough to plan a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from timepro_lit.data.absent import WithAbsent
from timepro_lit.data.corpora.prepared import Joined
from timepro_lit.data.corpora.soundscapes import Soundscapes
from timepro_lit.events.windows import windows
from timepro_lit.records import Event, Example

PAPER: Mapping[str, int] = {"ag": 61_862, "sed": 15_041, "dac": 92_443}
"""Training examples of each task: arXiv 2604.13715, Table 2."""
MOMENTS: Mapping[str, tuple[int, tuple[float, ...]]] = {
    "clotho_moment": (32_694, (60.0,)),
    "castella": (2_182, (60.0, 120.0, 180.0, 240.0, 300.0)),
}
"""Training queries for all occurrences, and how long their recordings last, in equal shares: of one to five minutes
more is not known (arXiv 2511.15131)."""
ASKED_WINDOWS = 0.5
"""Of the windows of a recording, the share that a query is asked about: those that it occurs in, and some more."""
LONG_SHARE = 0.065
"""Of captioning clips taken for 30 s long, the others for 10 s: the mean is then 11.3 s, as FTAR's README says."""
_EVENTS = (Event(0.5, 2.25, ""), Event(2.5, 4.75, ""), Event(5.0, 9.5, ""))
_CAPTION = "a dog barks twice in the distance while people talk"


class AssumedExamples:
    """A few kinds of examples, each as often as it stands in `kind_of`: an `Examples` without a manifest."""

    def __init__(self, kinds: Sequence[Example], kind_of: np.ndarray, numbers: np.ndarray | None = None) -> None:
        self.kinds = list(kinds)
        self.kind_of = kind_of
        self.numbers = np.arange(len(kind_of)) if numbers is None else numbers

    def __len__(self) -> int:
        return len(self.kind_of)

    def __getitem__(self, index: int) -> Example:
        return self.kinds[int(self.kind_of[index])]

    def select(self, places: np.ndarray) -> AssumedExamples:
        """Those at these places, in this order; places may also be a mask."""
        return AssumedExamples(self.kinds, self.kind_of[places], self.numbers[places])

    @property
    def durations_s(self) -> np.ndarray:
        """(n,) float64 lengths of the clips."""
        return np.array([kind.duration_s for kind in self.kinds])[self.kind_of]

    @property
    def tasks(self) -> np.ndarray:
        """(n,) names of the tasks."""
        return np.array([kind.task for kind in self.kinds], dtype=object)[self.kind_of]

    @property
    def ids(self) -> np.ndarray:
        """(n,) ids, those of the kinds where each comes once."""
        if len(self.kinds) == len(self.kind_of):
            return np.array([kind.id for kind in self.kinds], dtype=object)[self.kind_of]
        return self.numbers.astype(str).astype(object)

    @property
    def clips(self) -> np.ndarray:
        """(n,) int64 that are equal where two examples have one recording; of unknown recordings, all different."""
        audio = [kind.audio for kind in self.kinds]
        if not all(audio):
            return self.numbers
        return np.unique(np.array(audio), return_inverse=True)[1][self.kind_of]

    @property
    def text_lengths(self) -> np.ndarray:
        """(n,) int64 characters of the query and the labels, and eleven for the times of each event."""
        lengths = [len(kind.query or "") + sum(len(event.label) + 11 for event in kind.events) for kind in self.kinds]
        return np.array(lengths)[self.kind_of]


def assumed_examples(
    corpus: object, split: str, tasks: Collection[str], classes: Sequence[str], max_duration_s: float
) -> tuple[AssumedExamples, str]:
    """Training examples of a corpus that is not here, and where their number is from.

    Soundscapes are planned as they will be generated, moments in windows of `max_duration_s`. Of others the paper's
    numbers are taken. Raises ValueError for tasks that the paper does not have.
    """
    corpus = corpus.corpus if isinstance(corpus, WithAbsent) else corpus
    if isinstance(corpus, Soundscapes):
        kinds = [example for example in corpus.planned(split) if example.task in tasks]
        return AssumedExamples(kinds, np.arange(len(kinds))), "as they will be generated"
    if isinstance(corpus, Joined) and set(tasks) == {"moments"} and corpus.corpora.keys() <= MOMENTS.keys():
        return _assumed_moments(list(corpus.corpora), max_duration_s)
    if unknown := sorted(set(tasks) - PAPER.keys()):
        raise ValueError(f"how many examples of task {', '.join(unknown)} there are is not known")
    label = classes[0] if classes else "Speech"
    kinds, counts = [], []
    for task, duration_s, share in (
        ("ag", 10.0, 1.0),
        ("sed", 10.0, 1.0),
        ("dac", 10.0, 1 - LONG_SHARE),
        ("dac", 30.0, LONG_SHARE),
    ):
        if task not in tasks:
            continue
        named = _CAPTION if task == "dac" else label
        events = tuple(Event(e.onset, e.offset, named) for e in (_EVENTS[:1] if task == "ag" else _EVENTS))
        kinds.append(Example("", task, "", duration_s, events, query="a dog barks" if task == "ag" else None))
        counts.append(round(PAPER[task] * share))
    said = "assumed: the paper's numbers, clips of 10 s, and 30 s for one caption in fifteen"
    return AssumedExamples(kinds, np.repeat(np.arange(len(kinds)), counts)), said


def _assumed_moments(names: Sequence[str], max_duration_s: float) -> tuple[AssumedExamples, str]:
    """Whole recordings where they are no longer than that, otherwise as few equal windows as cover them."""
    kinds, counts = [], []
    for num_queries, lengths_s in (MOMENTS[name] for name in names):
        for length_s in lengths_s:
            cut = windows(length_s, max_duration_s)
            events = tuple(Event(e.onset, e.offset, _CAPTION) for e in _EVENTS)
            kinds.append(Example("", "moments", "", cut[0][1], events, query=_CAPTION))
            asked = ASKED_WINDOWS * len(cut) if len(cut) > 1 else 1.0
            counts.append(round(num_queries / len(lengths_s) * asked))
    said = f"assumed: the published numbers of {' and '.join(names)}, in windows of up to {max_duration_s:g} s"
    return AssumedExamples(kinds, np.repeat(np.arange(len(kinds)), counts)), said
