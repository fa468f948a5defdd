"""How well an answer counts: an auxiliary reward where a query may occur several times, or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from timepro_lit.records import Example, Prediction


class CountReward:
    """1 - |predicted - reference| / max(predicted, reference) of the numbers of segments; 1 where both are 0."""

    def __call__(self, predictions: Sequence[Prediction], example: Example) -> list[float]:
        """Rewards of the G answers, in [0, 1]; 0 for an unreadable one."""
        wanted = len(example.events)
        return [_agreement(len(p.events), wanted) if p.readable else 0.0 for p in predictions]


def _agreement(predicted: int, reference: int) -> float:
    """How near two counts are.

    >>> _agreement(3, 4), _agreement(0, 0), _agreement(2, 0)
    (0.75, 1.0, 0.0)
    """
    most = max(predicted, reference)
    return 1.0 - abs(predicted - reference) / most if most else 1.0
