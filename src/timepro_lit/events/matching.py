"""One-to-one matching of estimated events to reference events.

`count_matches` is the event-based criterion of Mesaros, Heittola and Virtanen, "Metrics for Polyphonic Sound Event
Detection" (2016), as sed_eval computes it: collars around onset and offset, as many pairs as possible.
`match_by_iou` pairs events by overlap instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from timepro_lit.events.intervals import iou
from timepro_lit.records import Event


def hits(
    reference: Event,
    estimate: Event,
    onset_collar_s: float = 0.2,
    offset_collar_s: float = 0.2,
    offset_collar_rate: float = 0.2,
    decimals: int | None = None,
) -> bool:
    """Whether onset and offset of `estimate` both lie within the collars of `reference`; labels are not looked at.

    The offset collar is max(offset_collar_s, offset_collar_rate * length of the reference). Plain float64 comparisons
    as in sed_eval: 1.0 against 1.2 hits, 4.0 against 4.2 (0.20000000000000018 apart) does not. With `decimals`, what
    exceeds a collar is rounded first, as sed_scores_eval does with 6, and both hit. Unlike sed_eval, an estimate that
    ends at or before its start hits nothing.
    """
    collars = (onset_collar_s, offset_collar_s, offset_collar_rate)
    return bool(_candidates([reference], [estimate], *collars, match_labels=False, decimals=decimals)[0])


def _candidates(
    reference: Sequence[Event],
    estimate: Sequence[Event],
    onset_collar_s: float,
    offset_collar_s: float,
    offset_collar_rate: float,
    match_labels: bool,
    decimals: int | None,
) -> list[list[int]]:
    """Of each reference the numbers of the estimates that hit it: the one place that says what a hit is.

    Rewards spend much of their time here, hence plain loops. NaN passes the collars and fails the last comparison.
    """
    candidates = []
    for r in reference:
        onset, offset, label = r.onset, r.offset, r.label
        offset_collar = max(offset_collar_s, offset_collar_rate * (offset - onset))
        hitting = []
        for j, e in enumerate(estimate):
            if match_labels and e.label != label:
                continue
            if decimals is None:
                if abs(onset - e.onset) > onset_collar_s or abs(offset - e.offset) > offset_collar:
                    continue
            elif (
                round(abs(onset - e.onset) - onset_collar_s, decimals) > 0.0
                or round(abs(offset - e.offset) - offset_collar, decimals) > 0.0
            ):
                continue
            if e.onset < e.offset:
                hitting.append(j)
        candidates.append(hitting)
    return candidates


def count_matches(
    reference: Sequence[Event],
    estimate: Sequence[Event],
    onset_collar_s: float = 0.2,
    offset_collar_s: float = 0.2,
    offset_collar_rate: float = 0.2,
    match_labels: bool = True,
    decimals: int | None = None,
) -> int:
    """Number of true positives: the size of a maximum one-to-one matching of `hits`.

    With `match_labels`, only events of equal label pair up; without, all events are of one class.
    """
    collars = (onset_collar_s, offset_collar_s, offset_collar_rate)
    return maximum_matching(_candidates(reference, estimate, *collars, match_labels, decimals))


def maximum_matching(candidates: Sequence[Sequence[int]]) -> int:
    """Size of the largest one-to-one matching, where each reference may have one of the estimates it lists.

    >>> maximum_matching([[0, 1], [0]])
    2
    """
    owner_of: dict[int, int] = {}  # estimate -> reference
    for i, hitting in enumerate(candidates):
        for j in hitting:
            if j not in owner_of:
                owner_of[j] = i
                break
        else:
            if hitting:  # all taken: somebody may have another
                _augment(i, candidates, owner_of)
    return len(owner_of)


def _augment(start: int, candidates: Sequence[Sequence[int]], owner_of: dict[int, int]) -> None:
    """Find a free estimate for reference `start`, moving others along an alternating path (Kuhn's algorithm).

    Breadth first, so that long chains of events need no recursion. `owner_of` is updated where a path is found.
    """
    reached_from: dict[int, int] = {}  # estimate -> the reference it was reached from
    held: dict[int, int] = {owner: j for j, owner in owner_of.items()}  # reference -> its estimate so far
    queue = [start]
    for i in queue:  # grows while it is read
        for j in candidates[i]:
            if j in reached_from:
                continue
            reached_from[j] = i
            if j in owner_of:
                queue.append(owner_of[j])
                continue
            freed: int | None = j
            while freed is not None:  # back to `start`, handing each estimate on the path to its new owner
                owner = reached_from[freed]
                owner_of[freed] = owner
                freed = held.get(owner)
            return


def match_by_iou(reference: Sequence[Event], estimate: Sequence[Event], min_iou: float = 0.5) -> list[tuple[int, int]]:
    """One-to-one pairs (index in reference, index in estimate) with IoU >= min_iou and the greatest total IoU.

    Labels are not looked at. Sorted by reference index.
    """
    overlaps = [[iou((r.onset, r.offset), (e.onset, e.offset)) for e in estimate] for r in reference]
    worth = [[value if value >= min_iou else 0.0 for value in row] for row in overlaps]
    if len(reference) <= len(estimate):
        pairs = list(enumerate(_assign(worth)))
    else:
        pairs = [(i, j) for j, i in enumerate(_assign([list(column) for column in zip(*worth, strict=True)]))]
    return sorted((i, j) for i, j in pairs if worth[i][j] > 0.0)


def _assign(worth: Sequence[Sequence[float]]) -> list[int]:
    """Column of each row in the assignment of greatest total worth, for rows <= columns (Hungarian algorithm)."""
    num_rows, num_columns = len(worth), len(worth[0]) if worth else 0
    row_price, column_price = [0.0] * (num_rows + 1), [0.0] * (num_columns + 1)
    row_of = [0] * (num_columns + 1)  # rows and columns count from 1; 0 = free
    for row in range(1, num_rows + 1):
        row_of[0], column = row, 0
        slack, came_from = [float("inf")] * (num_columns + 1), [0] * (num_columns + 1)
        visited = [False] * (num_columns + 1)
        while row_of[column] != 0:
            visited[column] = True
            i, delta, nearest = row_of[column], float("inf"), 0
            for j in range(1, num_columns + 1):
                if visited[j]:
                    continue
                reduced = -worth[i - 1][j - 1] - row_price[i] - column_price[j]
                if reduced < slack[j]:
                    slack[j], came_from[j] = reduced, column
                if slack[j] < delta:
                    delta, nearest = slack[j], j
            for j in range(num_columns + 1):
                if visited[j]:
                    row_price[row_of[j]] += delta
                    column_price[j] -= delta
                else:
                    slack[j] -= delta
            column = nearest
        while column:  # shift the assignments along the path that was found
            row_of[column], column = row_of[came_from[column]], came_from[column]
    column_of = {row: column for column, row in enumerate(row_of) if column and row}
    return [column_of[row] - 1 for row in range(1, num_rows + 1)]
