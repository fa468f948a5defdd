"""What a reward is, and the choice of one by task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from timepro_lit.records import Example, Prediction


class Reward(Protocol):
    """Scores the answers to one prompt."""

    def __call__(self, predictions: Sequence[Prediction], example: Example) -> list[float]:
        """One value in [0, 1] for each of the G answers; 0 for an unreadable one."""
        ...


class PerTask:
    """The reward registered for the example's task.

    Raises ValueError for an example of a task without a reward.
    """

    def __init__(self, rewards: Mapping[str, Reward]) -> None:
        self.rewards = dict(rewards)

    def __call__(self, predictions: Sequence[Prediction], example: Example) -> list[float]:
        """Rewards of the G answers, in [0, 1]."""
        if example.task not in self.rewards:
            known = ", ".join(sorted(self.rewards))
            raise ValueError(f"No reward for task {example.task!r} (example {example.id!r}); known tasks: {known}.")
        return self.rewards[example.task](predictions, example)

    def missing(self, tasks: Iterable[str]) -> list[str]:
        """Those of `tasks` that have no reward."""
        return [task for task in tasks if task not in self.rewards]
