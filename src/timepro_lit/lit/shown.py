"""Tables of answers while a stage trains: those to a few fixed clips of the validation, and the newest rollouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger

from timepro_lit.data.store import AudioStore
from timepro_lit.lit.base import AnsweringModule
from timepro_lit.lit.completions import (
    ON_VALIDATION,
    ROLLOUTS,
    Judged,
    chosen,
    completions,
    scored_alone,
    sound_in,
)
from timepro_lit.lit.experience import Explored
from timepro_lit.lit.grpo import GRPO
from timepro_lit.lit.loggers import beside_curves
from timepro_lit.lit.processes import gathered
from timepro_lit.records import Answer


def num_wanted(loggers: Sequence[Logger]) -> int:
    """Clips of each task that the most curious of these loggers shows."""
    return max((one.num_completions for one in beside_curves(loggers)), default=0)


class Completions(Callback):
    """Gives loggers that show completions a table at each validation.

    Answers come from all processes; rank zero alone reads the recordings and draws. Where no logger wants a table,
    nothing is kept, read or drawn.
    """

    def __init__(self, store: AudioStore) -> None:
        self.store = store
        self.num_clips = 0
        self._ids: set[str] = set()
        self._answers: list[Answer] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # All processes go by one number: they wait for each other, and a logger may have failed on one of them.
        self.num_clips = max(gathered(num_wanted(trainer.loggers)))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._answers = []
        if self.num_clips and not self._ids:
            examples = trainer.val_dataloaders.dataset.examples
            self._ids = {examples.ids[place] for place in chosen(examples.ids, examples.tasks, self.num_clips)}

    def on_validation_batch_end(self, trainer: Trainer, pl_module: AnsweringModule, *_: Any) -> None:
        if self.num_clips:
            self._answers += [answer for answer in pl_module.answered if answer.example.id in self._ids]

    def on_validation_end(self, trainer: Trainer, pl_module: AnsweringModule) -> None:
        if not self.num_clips:
            return
        answers = sorted((a for of_one in gathered(self._answers) for a in of_one), key=lambda a: a.example.id)
        explored = getattr(pl_module, "explored", None)
        groups = [] if explored is None else _judged(pl_module, explored, self.num_clips)
        groups = [group for of_one in gathered(groups) for group in of_one]
        if not trainer.is_global_zero or not num_wanted(trainer.loggers):
            return
        step = max(0, trainer.global_step - 1)  # the row of the step that it follows upon
        self._show(trainer, pl_module, ON_VALIDATION, lambda: scored_alone(answers, pl_module.scored), step)
        if groups:
            firsts = [group[0].answer.example for group in groups]
            places = chosen([one.id for one in firsts], [one.task for one in firsts], self.num_clips)
            self._show(trainer, pl_module, ROLLOUTS, lambda: [one for place in places for one in groups[place]], step)

    def _show(
        self, trainer: Trainer, module: AnsweringModule, key: str, judge: Callable[[], list[Judged]], step: int
    ) -> None:
        make = cache(lambda: completions(judge(), module.scored, sound_in(self.store)))  # once for all loggers
        for logger in beside_curves(trainer.loggers):
            logger.log_completions(key, make, step)


def _judged(module: GRPO, explored: Explored, num_groups: int) -> list[list[Judged]]:
    """The answers of at most `num_groups` groups of each task, with what they were worth."""
    examples, groups = explored.examples, []
    for place in chosen([one.id for one in examples], [one.task for one in examples], num_groups):
        example, reward, task = examples[place], explored.groups[place], module.scored[examples[place].task]
        texts = [module.lalm.frontend.text(ids) for ids in explored.rollouts.answer_ids[place].tolist()]
        truncated, advantages = explored.rollouts.truncated[place].tolist(), explored.adv_BG[place].tolist()
        auxiliary = reward.auxiliary or [None] * len(texts)
        worth = [
            dict(zip(("reward", "main", "auxiliary", "advantage"), values, strict=True))
            for values in zip(reward.total, reward.main, auxiliary, advantages, strict=True)
        ]
        prompt = task.prompt(example)
        answers = [
            Answer(example, prompt, *said) for said in zip(texts, map(task.parse, texts), truncated, strict=True)
        ]
        groups.append([Judged(answer, one) for answer, one in zip(answers, worth, strict=True)])
    return groups
