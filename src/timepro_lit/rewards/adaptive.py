"""The adaptive temporal reward, eq. (2) of TimePro-RL.

Event-based F1 is thresholded, so the answers to one prompt often all score the same and give no gradient. In such a
group the main reward is multiplied by a smoother one:

    r = r_main * r_aux  where Var(r_main) < threshold over the group,  r = r_main  elsewhere

Where all main rewards are 0 the product is 0 as well. A `rescue` above 0 ranks these groups too, by rescue * r_aux.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from timepro_lit.records import Example, Prediction
from timepro_lit.rewards.base import PerTask, Reward


@dataclass(frozen=True, slots=True)
class GroupReward:
    """The rewards of the G answers to one prompt, and how they came about."""

    total: list[float]
    """(G,) what the advantages are made of."""
    main: list[float]
    """(G,) main reward."""
    auxiliary: list[float] | None
    """(G,) auxiliary reward; None where it was not needed."""
    switched: bool
    """Whether the main reward was flat and the auxiliary one came in."""


class AdaptiveReward:
    """Eq. (2) over a main and an auxiliary reward; without an auxiliary one, the main reward alone.

    The auxiliary reward is computed for flat groups only. Variance is that of the population. `label` is what tables
    and pages call it.
    """

    def __init__(
        self,
        main: Reward,
        auxiliary: Reward | None,
        variance_threshold: float = 1e-6,
        label: str | None = None,
        rescue: float = 0.0,
    ) -> None:
        if variance_threshold < 0.0:
            raise ValueError(f"variance_threshold must not be negative, but is {variance_threshold}.")
        if not 0.0 <= rescue <= 1.0:
            raise ValueError(f"rescue must lie in [0, 1], but is {rescue}.")
        self.main = main
        self.auxiliary = auxiliary
        self.variance_threshold = variance_threshold
        self.label = label
        self.rescue = rescue

    def __call__(self, predictions: Sequence[Prediction], example: Example) -> list[float]:
        """Total rewards of the G answers, in [0, 1]."""
        return self.score(predictions, example).total

    def missing(self, tasks: Iterable[str]) -> list[str]:
        """Those of `tasks` for whose answers one of the two has no reward."""
        parts = [part for part in (self.main, self.auxiliary) if isinstance(part, PerTask)]
        return sorted({task for part in parts for task in part.missing(tasks)})

    def score(self, predictions: Sequence[Prediction], example: Example) -> GroupReward:
        """Total rewards of the G answers with their parts; ValueError where a reward leaves [0, 1]."""
        main = _checked(self.main(predictions, example), len(predictions), "main", example)
        if self.auxiliary is None or not is_flat(main, self.variance_threshold):
            return GroupReward(total=main, main=main, auxiliary=None, switched=False)
        auxiliary = _checked(self.auxiliary(predictions, example), len(predictions), "auxiliary", example)
        total = adaptive(main, auxiliary, self.variance_threshold, self.rescue)
        return GroupReward(total=total, main=main, auxiliary=auxiliary, switched=True)


def adaptive(
    main: Sequence[float], auxiliary: Sequence[float], threshold: float = 1e-6, rescue: float = 0.0
) -> list[float]:
    """Eq. (2) for one group: the product where the (G,) main rewards are flat, else the main rewards.

    Where they are all 0, `rescue` times the auxiliary ones.

    >>> adaptive([0.5, 0.5], [0.2, 0.8])
    [0.1, 0.4]
    >>> adaptive([0.0, 1.0], [0.2, 0.8])
    [0.0, 1.0]
    >>> adaptive([0.0, 0.0], [0.2, 0.8], rescue=0.5)
    [0.1, 0.4]
    """
    if not is_flat(main, threshold):
        return list(main)
    if not any(main):
        return [rescue * r_aux for r_aux in auxiliary]
    return [r_main * r_aux for r_main, r_aux in zip(main, auxiliary, strict=True)]


def is_flat(rewards: Sequence[float], threshold: float = 1e-6) -> bool:
    """Whether the population variance of the (G,) rewards lies below `threshold`."""
    return population_variance(rewards) < threshold


def population_variance(rewards: Sequence[float]) -> float:
    """Mean squared distance from the mean, over the (G,) rewards."""
    mean = sum(rewards) / len(rewards)
    return sum((reward - mean) ** 2 for reward in rewards) / len(rewards)


OF_SWITCHED = ("reward_auxiliary", "switched_std")
"""Diagnostics that are means over switched groups alone."""


def diagnostics(groups: Sequence[GroupReward], threshold: float = 1e-6) -> dict[str, float]:
    """How the groups of one step came out; shares in [0, 1].

    reward, reward_main   mean total and main reward over all answers
    reward_std            mean population std of the total reward within groups
    flat                  share of groups whose main reward is flat by `threshold`
    all_zero              share of groups in which every main reward is 0, which eq. (2) leaves without signal
    switched              share of groups in which the auxiliary reward came in
    no_signal             share of groups in which all total rewards are equal, after eq. (2)
    reward_auxiliary      mean auxiliary reward over the answers of switched groups
    switched_std          mean population std of the total reward within switched groups: dividing advantages by it
                          turns even tiny differences into advantages near 1

    The last two, `OF_SWITCHED`, are left out where no group switched.
    """
    switched = [group for group in groups if group.switched]
    found = {
        "reward": _mean([reward for group in groups for reward in group.total]),
        "reward_main": _mean([reward for group in groups for reward in group.main]),
        "reward_std": _mean([population_variance(group.total) ** 0.5 for group in groups]),
        "flat": _mean([is_flat(group.main, threshold) for group in groups]),
        "all_zero": _mean([not any(group.main) for group in groups]),
        "switched": len(switched) / len(groups),
        "no_signal": _mean([min(group.total) == max(group.total) for group in groups]),
    }
    if switched:
        found["reward_auxiliary"] = _mean([reward for group in switched for reward in group.auxiliary or ()])
        found["switched_std"] = _mean([population_variance(group.total) ** 0.5 for group in switched])
    return found


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _checked(rewards: Sequence[float], num_answers: int, name: str, example: Example) -> list[float]:
    """`rewards` as a list, or ValueError where the count is wrong or a value lies outside [0, 1]."""
    if len(rewards) != num_answers:
        raise ValueError(f"The {name} reward gave {len(rewards)} values for {num_answers} answers to {example.id!r}.")
    for reward in rewards:
        if not 0.0 <= reward <= 1.0:  # also catches NaN
            raise ValueError(f"The {name} reward of an answer to {example.id!r} is {reward}, outside [0, 1].")
    return list(rewards)
