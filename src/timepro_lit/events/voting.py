"""Several answers to one question made one: what they agree on, and how many of them say it.

Segments of different answers that overlap (IoU >= 0.5) are one cluster, with at most one segment of each answer. The
share of the answers that hold it is the cluster's score, the medians of its onsets and offsets are its boundaries.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from timepro_lit.events.intervals import is_proper
from timepro_lit.records import Event, Prediction

AGREE = 0.5
"""IoU at which two answers speak of the same segment."""
MAJORITY = 0.5
"""Share of the answers that makes a cluster an event."""
MOST_ANSWERS = 256
"""Answers to one question that may be asked for."""
NEIGHBOURS = 16
"""Clusters of like length on either side, by onset, that a segment is compared with: no answer means more."""

Segment = tuple[float, float, str]
"""Onset and offset in seconds, and label."""


@dataclass(frozen=True, slots=True)
class Voting:
    """How answers to vote over are sampled. Raises ValueError for what cannot be sampled from."""

    num_answers: int
    """G answers to each question."""
    temperature: float = 1.0
    seed: int = 0
    """Votes depend on it and on the question (its id, else its words), not on the batch or a recording's name.

    In bfloat16 the batch still rounds them.
    """

    def __post_init__(self) -> None:
        if isinstance(self.num_answers, bool) or not isinstance(self.num_answers, int):
            raise ValueError(f"vote: must be a whole number of answers, not {self.num_answers!r}")
        if self.num_answers < 2:
            raise ValueError(f"vote: needs at least 2 answers, not {self.num_answers}; null = one greedy answer")
        if self.num_answers > MOST_ANSWERS:  # all of them are decoded at once
            raise ValueError(f"vote: takes at most {MOST_ANSWERS} answers, not {self.num_answers}")
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"vote_temperature: must be positive, not {self.temperature}")

    def __str__(self) -> str:
        return f"{self.num_answers} votes at temperature {self.temperature:g}, seed {self.seed}"


def voting_of(vote: int | None, temperature: float, seed: int) -> Voting | None:
    """What these settings ask for; None = greedy answers."""
    return None if vote is None else Voting(vote, temperature, seed)


def vote(
    predictions: Sequence[Prediction], by_label: bool, min_share: float = MAJORITY, one: bool = False
) -> Prediction:
    """What G answers to one question say together; neither their order counts nor that of their segments.

    `ranked` are all clusters, best first: what metrics of ranked segments read. `events`, by onset, are those that at
    least `min_share` of the answers hold, since F1 and overlap count a doubtful segment as much as a sure one. Where
    that is none although as many of the answers hold a segment, they disagree on when, not on whether: the best
    cluster is the event. So it is with `one`, for questions that are answered by one event. With `by_label`, segments
    of unequal label are never one cluster; without, labels only decide between clusters at the same time, and a
    cluster is called as the member most like the others.

    An unreadable answer votes for nothing and counts among the G; `presence` is the share of the readable ones that
    hold a segment. Times that are not finite or reversed are left out. All answers unreadable: so is the vote.
    """
    readable = [prediction for prediction in predictions if prediction.readable]
    repairs = tuple(sorted({kind for prediction in predictions for kind in prediction.repairs}))
    if not readable:
        return Prediction((), readable=False, repairs=repairs)
    ballots = sorted(_segments(prediction) for prediction in readable)
    clusters = sorted(_clusters(ballots, by_label), key=_Cluster.rank)
    ranked = tuple(cluster.event(len(predictions)) for cluster in clusters)
    presence = sum(1 for ballot in ballots if ballot) / len(ballots)
    held = [event for event in ranked if event.score is not None and event.score >= min_share]
    agreed = sum(1 for ballot in ballots if ballot) >= min_share * len(predictions)
    chosen = ranked[:1] if one or (agreed and not held) else held
    events = tuple(sorted(chosen, key=lambda event: (event.onset, event.offset, event.label)))
    return Prediction(events, True, repairs, presence, ranked)


@dataclass(slots=True)
class _Cluster:
    """Segments of different answers that are about the same; never empty."""

    onsets: list[float] = field(default_factory=list)
    offsets: list[float] = field(default_factory=list)
    """Both in order, so that their middles are known at once."""
    labels: Counter[str] = field(default_factory=Counter)
    onset: float = 0.0
    offset: float = 0.0

    def add(self, segment: Segment) -> None:
        insort(self.onsets, segment[0])
        insort(self.offsets, segment[1])
        self.labels[segment[2]] += 1
        self.onset, self.offset = _median(self.onsets), _median(self.offsets)

    def rank(self) -> tuple[float, float, float, float, str]:
        """Of many members first; of as many, where they agree better."""
        apart = sum(abs(onset - self.onset) for onset in self.onsets)
        apart += sum(abs(offset - self.offset) for offset in self.offsets)
        spread = apart / len(self.onsets) / (self.offset - self.onset)
        return -len(self.onsets), spread, self.onset, self.offset, min(self.labels)

    def event(self, num_answers: int) -> Event:
        return Event(self.onset, self.offset, _most_alike(self.labels), score=len(self.onsets) / num_answers)


def _segments(prediction: Prediction) -> list[Segment]:
    proper = [event for event in prediction.events if is_proper((event.onset, event.offset))]
    return sorted((event.onset, event.offset, event.label) for event in proper)


def _clusters(ballots: Sequence[Sequence[Segment]], by_label: bool) -> list[_Cluster]:
    """Answer after answer joins the clusters so far, each segment the one that it is most like and that is free."""
    clusters: list[_Cluster] = []
    for ballot in ballots:
        shelves = _shelves(clusters, by_label)
        joined: dict[int, int] = {}
        taken: set[int] = set()
        pairs = (
            (-likeness, s, c)
            for s, segment in enumerate(ballot)
            for likeness, c in _alike(segment, clusters, shelves, by_label)
        )
        for _, s, c in [*_equal(ballot, clusters), *sorted(pairs)]:
            if s not in joined and c not in taken:
                joined[s] = c
                taken.add(c)
        for s, segment in enumerate(ballot):
            if s not in joined:
                joined[s] = len(clusters)
                clusters.append(_Cluster())
            clusters[joined[s]].add(segment)
    return clusters


def _equal(ballot: Sequence[Segment], clusters: Sequence[_Cluster]) -> Iterator[tuple[float, int, int]]:
    """Segments with clusters of the very same times and label, each cluster once: however many there are of them."""
    found: dict[Segment, list[int]] = {}
    for c in range(len(clusters) - 1, -1, -1):
        for label in clusters[c].labels:
            found.setdefault((clusters[c].onset, clusters[c].offset, label), []).append(c)
    for s, segment in enumerate(ballot):
        if found.get(segment):
            yield -2.0, s, found[segment].pop()


_Shelf = tuple[str | None, int]
"""Label, where it counts, and binary magnitude of the length: what agrees is at most twice as long."""


def _shelves(clusters: Sequence[_Cluster], by_label: bool) -> dict[_Shelf, list[tuple[float, int]]]:
    """Onset and number of the clusters of each shelf, by onset, so that a segment looks at its neighbours alone."""
    shelves: dict[_Shelf, list[tuple[float, int]]] = {}
    for c, cluster in enumerate(clusters):
        label = next(iter(cluster.labels)) if by_label else None
        shelves.setdefault((label, math.frexp(cluster.offset - cluster.onset)[1]), []).append((cluster.onset, c))
    for shelf in shelves.values():
        shelf.sort()
    return shelves


def _alike(
    segment: Segment,
    clusters: Sequence[_Cluster],
    shelves: dict[_Shelf, list[tuple[float, int]]],
    by_label: bool,
) -> Iterator[tuple[float, int]]:
    """The clusters that a segment may join, each with how alike they are: their IoU, and 1 for an equal label."""
    onset, offset, label = segment
    magnitude = math.frexp(offset - onset)[1]
    for near in (magnitude - 1, magnitude, magnitude + 1):
        shelf = shelves.get((label if by_label else None, near), [])
        place = bisect_left(shelf, (onset, -1))
        for other_onset, c in shelf[max(0, place - NEIGHBOURS) : place + NEIGHBOURS]:
            other_offset = clusters[c].offset
            # Of two that overlap the union is the hull; of others this is no more than 0.
            shared = min(offset, other_offset) - max(onset, other_onset)
            iou = shared / (max(offset, other_offset) - min(onset, other_onset))
            if iou >= AGREE:
                yield iou + (label in clusters[c].labels), c


def _median(ordered: Sequence[float]) -> float:
    middle = len(ordered) // 2
    low, high = ordered[(len(ordered) - 1) // 2], ordered[middle]
    return low if low == high else low / 2 + high / 2  # the sum of large ones would be infinite


def _most_alike(labels: Counter[str]) -> str:
    """The label that shares most words with all others, as often as each was said."""
    if len(labels) == 1:
        return next(iter(labels))
    words = {label: frozenset(label.casefold().split()) for label in labels}

    def alike(label: str) -> float:
        own = words[label]
        shares = (
            count * 2 * len(own & other) / max(1, len(own) + len(other))
            for other, count in ((words[name], count) for name, count in sorted(labels.items()))
        )
        return math.fsum(shares)

    return min(labels, key=lambda label: (-alike(label), label))
