"""One DataModule for all stages: SFT reads every training example, GRPO a balanced draw of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset
from torchdata.stateful_dataloader import StatefulDataLoader

from timepro_lit.data.collate import Collate, CollateInterviews, Frontend
from timepro_lit.data.dataset import ClipDataset, InterviewDataset, by_clip
from timepro_lit.data.manifest import read_manifest
from timepro_lit.data.sampler import EvaluationBatches, TrainingBatches, limit_per_task
from timepro_lit.records import Example
from timepro_lit.tasks.base import Task

Rows = Literal["prompt", "question", "clip"]
"""What a row of a training batch holds: see `Stage.rows`."""


class Corpus(Protocol):
    """Where the clips come from."""

    @property
    def root(self) -> str | Path:
        """Folder that the audio paths of its manifests start from."""
        ...

    def manifest(self, split: str) -> Path:
        """Path of a split's manifest."""
        ...

    def prepare(self) -> None:
        """Write whatever manifests and audio are missing; called again, it changes nothing."""
        ...


class ClipDataModule(LightningDataModule):
    """Loaders of `Batch` over the splits of a corpus. Call `connect` before asking for one.

    Needs a Trainer with `use_distributed_sampler=False`: the batches are dealt to the processes here.

    Args:
        corpus: made ready by `prepare_data`.
        tasks: name -> task; examples of other tasks are left out.
        train_split, validation_split, test_split: the corpus' names; a split is read when first needed.
        batch_size: training examples per process and batch, where a stage does not say otherwise.
        eval_batch_size: the same for validation and test.
        num_workers: processes that decode and collate, 0 for none; they end with each pass over a loader.
        seed: of the order and of draws, where a stage does not say otherwise.
        weights: share of each task in a training epoch; None takes every example once.
        evaluated_tasks: those of `tasks` that validation and test ask; None for all.
        max_validation_examples: at most so many per task, the same ones for every seed; None for all.

    Raises ValueError where a split lacks one of the tasks, shares audio with another, or cannot make a target.
    """

    def __init__(
        self,
        corpus: Corpus,
        tasks: Mapping[str, Task],
        train_split: str = "train",
        validation_split: str = "val",
        test_split: str = "test",
        batch_size: int = 8,
        eval_batch_size: int = 8,
        num_workers: int = 0,
        seed: int = 0,
        weights: Mapping[str, float] | None = None,
        evaluated_tasks: Sequence[str] | None = None,
        max_validation_examples: int | None = None,
    ) -> None:
        super().__init__()
        self.corpus = corpus
        self.tasks = dict(tasks)
        self.train_split = train_split
        self.validation_split = validation_split
        self.test_split = test_split
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.num_workers = num_workers
        self.seed = seed
        self.weights = None if weights is None else dict(weights)
        self.evaluated_tasks = list(self.tasks if evaluated_tasks is None else evaluated_tasks)
        self.max_validation_examples = max_validation_examples
        self._frontend: Frontend | None = None
        self._splits: dict[str, list[Example]] = {}

    def connect(self, frontend: Frontend) -> None:
        """Choose the backbone whose features and tokens the loaders deliver."""
        self._frontend = frontend

    def prepare_data(self) -> None:
        self.corpus.prepare()

    def examples(self, split: str) -> list[Example]:
        """The examples of a split that belong to its tasks, in the manifest's order."""
        if split not in self._splits:
            path = self.corpus.manifest(split)
            wanted = list(self.tasks) if split == self.train_split else self.evaluated_tasks
            examples = [example for example in read_manifest(path) if example.task in wanted]
            present = {example.task for example in examples}
            for name in wanted:
                if name not in present:
                    raise ValueError(f"{path}: holds no example of task {name!r}")
            self._splits[split] = examples
        return self._splits[split]

    def train_loader(
        self,
        batch_size: int | None = None,
        examples_per_task: int | None = None,
        seed: int | None = None,
        rows: Rows = "prompt",
    ) -> StatefulDataLoader[Any]:
        """A stage's training batches: all examples, or `examples_per_task` of each task, drawn by `seed`.

        A batch is a `Batch` of prompts, or `Interviews` whose rows are one "question" or all those of a "clip".

        The loader's state makes a resumed epoch continue at the next batch; it needs the same `num_workers`.
        Raises ValueError where a task has fewer examples than asked for.
        """
        seed = self.seed if seed is None else seed
        examples = self.examples(self.train_split)
        _refuse_shared_audio(self.train_split, examples, self.validation_split, self.examples(self.validation_split))
        if examples_per_task is not None:
            for name in self.tasks:
                available = sum(example.task == name for example in examples)
                if available < examples_per_task:
                    raise ValueError(f"examples_per_task is {examples_per_task}, but {name!r} has {available} examples")
            examples = limit_per_task(examples, examples_per_task, seed)
        dataset: Dataset[Any] = self._dataset(examples)
        collate: Callable[[Any], Any] = Collate(self._connected(), self.tasks)
        lengths, names = self._lengths(examples), [example.task for example in examples]
        if rows != "prompt":
            clips = by_clip(examples) if rows == "clip" else [[index] for index in range(len(examples))]
            dataset, collate = InterviewDataset(dataset, clips), CollateInterviews(self._connected(), self.tasks)
            lengths, names = [lengths[clip[0]] for clip in clips], [names[clip[0]] for clip in clips]
        batches = TrainingBatches(
            lengths,
            names,
            batch_size=self.batch_size if batch_size is None else batch_size,
            seed=seed,
            weights=self.weights,
            shard=self._shard,
        )
        return StatefulDataLoader(
            dataset,
            batch_sampler=batches,
            collate_fn=collate,
            num_workers=self.num_workers,
            generator=torch.Generator().manual_seed(seed),  # leaves the global generator to the model
        )

    def train_dataloader(self) -> StatefulDataLoader[Any]:
        return self.train_loader()

    def val_dataloader(self) -> DataLoader[Any]:
        examples = self.examples(self.validation_split)
        if self.max_validation_examples is not None:
            examples = limit_per_task(examples, self.max_validation_examples, seed=0)
        return self._evaluation_loader(examples)

    def test_dataloader(self) -> DataLoader[Any]:
        return self.evaluation_loader(self.test_split)

    def evaluation_loader(self, split: str) -> DataLoader[Any]:
        """Every example of a split once, in a fixed order."""
        return self._evaluation_loader(self.examples(split))

    def texts(self) -> list[str]:
        """Prompts and answers of the training split: what a tokenizer may be made from."""
        pairs = ((self.tasks[example.task], example) for example in self.examples(self.train_split)[:20_000])
        return [text for task, example in pairs for text in (task.prompt(example), task.target(example))]

    def fingerprints(self, fingerprint: Callable[[Path], str]) -> dict[str, str]:
        """What identifies the examples that training and validation see."""
        return {split: fingerprint(self.corpus.manifest(split)) for split in (self.train_split, self.validation_split)}

    def _evaluation_loader(self, examples: Sequence[Example]) -> DataLoader[Any]:
        return DataLoader(
            self._dataset(examples),
            batch_sampler=EvaluationBatches(self._lengths(examples), self.eval_batch_size, self._shard),
            collate_fn=Collate(self._connected(), self.tasks),
            num_workers=self.num_workers,
            generator=torch.Generator().manual_seed(0),
        )

    def _dataset(self, examples: Sequence[Example]) -> ClipDataset:
        frontend = self._connected()
        return ClipDataset(examples, self.corpus.root, frontend.sampling_rate, frontend.max_duration_s)

    def _lengths(self, examples: Sequence[Example]) -> list[int]:
        """(num_examples,) audio frames; also tries every target.

        Answers do not count: they are short beside the audio, and sorting by them would give each task its own
        batches, between which the gradient swings.
        """
        frontend = self._connected()
        for example in examples:
            self.tasks[example.task].target(example)
        return [frontend.num_frames(round(example.duration_s * frontend.sampling_rate)) for example in examples]

    def _connected(self) -> Frontend:
        if self._frontend is None:
            raise ValueError("the data module has no frontend yet: call connect(frontend) before asking for a loader")
        return self._frontend

    def _shard(self) -> tuple[int, int]:
        if self.trainer is not None:
            return self.trainer.global_rank, self.trainer.world_size
        # A Trainer that was handed a loader instead of this module is unknown here; its process group is not.
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return torch.distributed.get_rank(), torch.distributed.get_world_size()
        return 0, 1


def _refuse_shared_audio(split: str, examples: Sequence[Example], other: str, others: Sequence[Example]) -> None:
    shared = {example.audio for example in examples} & {example.audio for example in others}
    if shared:
        raise ValueError(f"{len(shared)} clips are in both {split!r} and {other!r}, {min(shared)!r} for one")
