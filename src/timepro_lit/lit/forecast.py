"""What each stage of a run will do, from its parts alone: no weights, no trainer, nothing written."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from timepro_lit.data.assumed import assumed_examples
from timepro_lit.data.batches import Drawing, Examples, limited, no_longer, training_batches
from timepro_lit.data.collate import BUDGET_MULTIPLE, ROW_MULTIPLE, Frontend
from timepro_lit.data.costs import Costs, num_frames
from timepro_lit.data.sampler import TrainingBatches
from timepro_lit.grpo.logprobs import LOGITS_AT_ONCE
from timepro_lit.lalm.assumed import assumed_frontend
from timepro_lit.lalm.pretrained import Pretrained
from timepro_lit.lalm.shape import offline
from timepro_lit.lalm.tiny import Tiny
from timepro_lit.lit.datamodule import ClipDataModule
from timepro_lit.lit.fit import num_steps
from timepro_lit.lit.grpo import GRPO
from timepro_lit.lit.pretrain import Pretrain
from timepro_lit.lit.setting import Parts
from timepro_lit.lit.stage import Stage
from timepro_lit.planning.work import Epoch, Method, MicroBatch, Placement, Rollout, Share, Trained, Work
from timepro_lit.time_prompt.prompt import TimePrompt

SAMPLED = 32
"""Steps of the first epoch that stand for all."""


def frontend_of(model: Any, time_prompt: TimePrompt | None) -> tuple[Frontend, str]:
    """The tokenizer and its audio, from files that are here, or what is assumed in their place; and which of both."""
    loader = model.loader if isinstance(model, Tiny) else model
    if not isinstance(loader, Pretrained):
        return model.frontend(time_prompt), "the model's own"
    try:
        return offline(loader).frontend(time_prompt), f"those of {loader.checkpoint}"
    except (ValueError, OSError):
        return assumed_frontend(loader.audio, time_prompt), "assumed: by a rule of thumb for large vocabularies"


def training_examples(data: ClipDataModule, max_duration_s: float) -> tuple[Examples, str]:
    """Those of the training split, from its manifests, or what is assumed in their place; and which of both.

    Of recordings that are not here, as much is taken at a time as is prompted about.

    Raises ValueError where neither is known.
    """
    try:
        return data.examples(data.train_split), "the manifests"
    except OSError:
        classes = [label for task in data.tasks.values() for label in getattr(task, "classes", ())]
        return assumed_examples(data.corpus, data.train_split, data.tasks, classes, max_duration_s)


@dataclass(frozen=True)
class Lengths:
    """(n,) tokens of each example, and what it is heard for."""

    audio: np.ndarray
    """Of the audio past the first frame, timestamps included."""
    prompt: np.ndarray
    """Of the rest of the prompt."""
    answer: np.ndarray
    frames: np.ndarray
    audio_s: np.ndarray

    @classmethod
    def of(cls, examples: Examples, frontend: Frontend, data: ClipDataModule) -> Lengths:
        """By the estimate that batches are filled by."""
        asked = Costs(frontend, data.tasks, examples, with_answers=False)
        answered = Costs(frontend, data.tasks, examples, with_answers=True)
        frames = num_frames(frontend, examples.durations_s)
        return cls(asked.audio, asked.text, answered.text - asked.text, frames, examples.durations_s)


class StageForecast:
    """A stage's rows, and what it does with them on any number of processes."""

    def __init__(self, stage: Stage, data: ClipDataModule, examples: Examples, frontend: Frontend, seed: int) -> None:
        """Raises ValueError where there are fewer examples than the stage asks for."""
        self.stage = stage
        examples = no_longer(examples, data.tasks, stage.max_duration_s)
        examples = limited(examples, data.tasks, stage.examples_per_task, seed)
        drawing = Drawing(
            stage.rows, stage.batch_size, stage.num_steps, stage.num_epochs, stage.micro_batch_size,
            stage.micro_batch_tokens, stage.updates_per_rollout,
        )  # fmt: skip
        self.batches, clips = training_batches(examples, frontend, data.tasks, drawing, seed, data.weights)
        self.tasks = examples.tasks.astype(str)
        lengths, of_clip, firsts = Lengths.of(examples, frontend, data), clips.clip_of, clips.firsts
        # Of each row: what its questions share counts once.
        self.frames, self.audio_s, self.audio = (
            of_each[firsts] for of_each in (lengths.frames, lengths.audio_s, lengths.audio)
        )
        self.texts, self.answers = (np.bincount(of_clip, of_each) for of_each in (lengths.prompt, lengths.answer))
        self.longest = np.zeros(len(clips))
        np.maximum.at(self.longest, of_clip, lengths.answer)
        self.row_tokens = self.audio + self.texts + (0 if stage.rows == "prompt" else self.answers)

    def epoch(self) -> Epoch:
        """One pass over all rows."""
        names, counts = np.unique(self.tasks, return_counts=True)
        return Epoch(
            num_rows=len(self.audio),
            num_examples=dict(zip(names.tolist(), counts.tolist(), strict=True)),
            num_prompt_tokens=float(self.audio.sum() + self.texts.sum()),
            num_answer_tokens=float(self.answers.sum()),
            num_frames=int(self.frames.sum()),
            audio_s=float(self.audio_s.sum()),
            num_steps=self.batches.steps_per_epoch,
        )

    def work(self, num_processes: int, placement: Placement) -> Work:
        """Raises ValueError where a step cannot be shared by so many processes."""
        one = self.batches
        batches = TrainingBatches(one.steps, one.division, one.num_steps, 0, num_processes, one.times)
        steps = one.steps.epoch(0)
        chosen = [steps[place] for place in np.unique(np.linspace(0, len(steps) - 1, SAMPLED).astype(np.int64))]
        sampled = tuple(
            self._shares(batches.division(rows, num_processes, batches.num_micro_batches)) for rows in chosen
        )
        worst = self._shares(self.longest_step(num_processes))
        all_of_them = [batch for step in (*sampled, worst) for share in step for batch in share]
        return Work(
            num_steps=num_steps(batches, placement.limit_train_batches, placement.overfit_batches),
            num_micro_batches=batches.num_micro_batches,
            sampled=sampled,
            largest=max(all_of_them, key=lambda batch: batch.tokens),
            largest_share=max(worst, key=lambda share: sum(batch.tokens for batch in share)),
        )

    def longest_step(self, num_processes: int) -> list[list[np.ndarray]]:
        """The longest rows, as many as a step has, divided among processes and micro-batches."""
        longest = np.argsort(-self.row_tokens, kind="stable")[: self.stage.batch_size]
        return self.batches.division(
            longest, num_processes, self.batches.division.num_micro_batches(self.batches.steps, num_processes)
        )

    def _shares(self, divided: Sequence[Sequence[np.ndarray]]) -> tuple[Share, ...]:
        return tuple(tuple(self.micro_batch(part) for part in share) for share in divided)

    def micro_batch(self, rows: np.ndarray) -> MicroBatch:
        """What rows come to that are taken together."""
        multiple = ROW_MULTIPLE if self.stage.micro_batch_tokens is None else BUDGET_MULTIPLE
        return MicroBatch(
            rows=len(rows),
            length=int(np.ceil(self.row_tokens[rows].max() / multiple)) * multiple,
            answers=float(self.answers[rows].sum()),
            longest_answer=float(self.longest[rows].max()),
            audio_s=float(self.audio_s[rows].sum()),
        )


def method_of(stage: Stage, parts: Parts, placement: Placement, num_micro_batches: int) -> Method:
    """How a stage trains the model, by its settings."""
    model, lora = parts.model, parts.lora
    module = stage.module.func if isinstance(stage.module, partial) else stage.module
    checkpointed = bool(getattr(model, "gradient_checkpointing", False))
    trained: Trained = "adapter" if lora is not None else "language model"
    if isinstance(module, type) and issubclass(module, Pretrain):
        trained = "everything"
    captured = placement.on_gpu and getattr(model, "capture_steps", True)
    return Method(
        trained=trained,
        rank=0 if lora is None else lora.rank,
        weight_bytes=float(getattr(torch, model.dtype).itemsize),  # type: ignore[attr-defined]
        four_bit=getattr(model, "quantization", None) is not None,
        autocast=placement.autocast,
        checkpointed=checkpointed,
        sharded=placement.sharded,
        logits_at_once=LOGITS_AT_ONCE,
        rollout=_rollout(stage, module, not checkpointed, captured, num_micro_batches),
    )


def _rollout(stage: Stage, module: Any, alike: bool, captured: bool, num_micro_batches: int) -> Rollout | None:
    if not (isinstance(module, type) and issubclass(module, GRPO)):
        return None
    given = arguments(stage.module, ("group_size", "max_new_tokens", "kl_coefficient", "update"))
    # As GRPO.one_pass decides, once there is a model.
    one_pass = alike and not (captured and num_micro_batches > 1)
    return Rollout(
        group_size=given["group_size"],
        max_new_tokens=given["max_new_tokens"],
        has_reference=given["kl_coefficient"] > 0,
        one_pass=one_pass if given["update"] == "auto" else given["update"] == "one_pass",
        num_updates=stage.updates_per_rollout,
        keeps_room=captured,
    )


def arguments(module: Any, names: Sequence[str]) -> Mapping[str, Any]:
    """What a partial constructor was given, or its defaults."""
    known = inspect.signature(module.func if isinstance(module, partial) else module).parameters
    given = module.keywords if isinstance(module, partial) else {}
    return {name: given.get(name, known[name].default) for name in names}
