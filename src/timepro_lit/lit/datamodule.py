"""One DataModule for all stages: SFT reads every training example, GRPO a balanced draw of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset
from torchdata.stateful_dataloader import StatefulDataLoader

from timepro_lit.data.absent import WithAbsent
from timepro_lit.data.batches import Drawing, Rows, limited, no_longer, training_batches
from timepro_lit.data.collate import BUDGET_MULTIPLE, ROW_MULTIPLE, Collate, CollateInterviews, Frontend
from timepro_lit.data.corpora.prepared import Corpus, Prepared
from timepro_lit.data.costs import num_frames
from timepro_lit.data.dataset import ClipDataset, InterviewDataset
from timepro_lit.data.global_batches import limit_per_task
from timepro_lit.data.hearing import CollateHearing
from timepro_lit.data.identity import contents_of, identity
from timepro_lit.data.leakage import refuse_same_content, refuse_shared
from timepro_lit.data.sampler import EvaluationBatches
from timepro_lit.data.skips import Skips
from timepro_lit.data.table import ExampleTable, arrow_file, read_examples
from timepro_lit.data.windowed import WindowDataset, WindowedExamples, num_asked
from timepro_lit.data.workers import ignore_signals
from timepro_lit.inference.windowing import Windowing
from timepro_lit.records import Sample, Skipped
from timepro_lit.tasks.base import Task, scored

_TRIED = 10_000
"""Examples whose targets are made before the first batch."""


class ClipDataModule(LightningDataModule):
    """Loaders of batches over the splits of a corpus. Call `connect` before asking for one.

    Needs a Trainer with `use_distributed_sampler=False`: the batches are dealt to the processes here. A Trainer that is
    given this module says which process it is; for loaders that are handed over by themselves, call `place`.

    Args:
        corpus: made ready by `prepare_data`.
        tasks: name -> task; examples of other tasks are left out, and validation and test ask those that are scored.
        train_split, validation_split, test_split: the corpus' names; a split is read when first needed.
        eval_batch_size: questions per process and batch in validation and test, those about one clip together.
        num_workers: processes that decode and collate, 0 for none; they end with each pass over a loader.
        weights: share of each task in a training epoch; None takes every example once.
        max_validation_examples: at most so many per task, the same ones for every seed; None for all.
        max_skipped_share: of a run's examples; where more recordings cannot be used, the run stops.
        absent_share: of the questions about all occurrences, so many ask for what does not occur (`data.absent`).

    Raises ValueError where a split lacks one of the tasks, shares recordings with another, or cannot make a target.
    """

    def __init__(
        self,
        corpus: Corpus,
        tasks: Mapping[str, Task],
        train_split: str = "train",
        validation_split: str = "val",
        test_split: str = "test",
        eval_batch_size: int = 8,
        num_workers: int = 0,
        weights: Mapping[str, float] | None = None,
        max_validation_examples: int | None = None,
        max_skipped_share: float = 0.01,
        absent_share: float | None = None,
    ) -> None:
        super().__init__()
        of_any = [name for name, task in tasks.items() if getattr(task, "occurrences", "one") == "any"]
        self.corpus = WithAbsent(corpus, absent_share, of_any, train_split) if absent_share else corpus
        self.tasks = dict(tasks)
        self.train_split = train_split
        self.validation_split = validation_split
        self.test_split = test_split
        self.eval_batch_size = eval_batch_size
        self.num_workers = num_workers
        self.weights = None if weights is None else dict(weights)
        self.max_validation_examples = max_validation_examples
        self.max_skipped_share = max_skipped_share
        self._frontend: Frontend | None = None
        self._rank, self._world_size = 0, 1
        self._splits: dict[str, ExampleTable] = {}

    def connect(self, frontend: Frontend) -> None:
        """Choose the backbone whose features and tokens the loaders deliver."""
        self._frontend = frontend

    def place(self, rank: int, world_size: int) -> None:
        """Say which of how many processes the next loaders are for."""
        self._rank, self._world_size = rank, world_size

    def setup(self, stage: str) -> None:
        assert self.trainer is not None
        self.place(self.trainer.global_rank, self.trainer.world_size)

    def prepare_data(self) -> None:
        self.corpus.make_ready()
        for split in (self.train_split, self.validation_split):  # here, because this runs on one process alone
            for path, _ in self._manifests(split):
                arrow_file(path)

    def _manifests(self, split: str) -> Sequence[tuple[Path, str]]:
        """Those of the corpus. Raises FileNotFoundError where one is not there."""
        manifests = self.corpus.manifests(split)
        for path, _ in manifests:
            if not path.exists():
                raise FileNotFoundError(f"there is no {path}, which lists the examples of the split {split!r}")
        return manifests

    def examples(self, split: str) -> ExampleTable:
        """The examples of a split that belong to its tasks, in the manifests' order."""
        if split not in self._splits:
            wanted = list(self.tasks if split == self.train_split else scored(self.tasks))
            self._splits[split] = read_examples(self._manifests(split), wanted)
        return self._splits[split]

    def refuse_shared(self, *splits: str) -> None:
        """Raise ValueError where two of these splits hold one recording; training stands first, test last."""
        if splits[0] in splits[1:]:
            raise ValueError(f"the split {splits[0]!r} would be trained on and evaluated as well: name another")
        refuse_shared({split: self.examples(split) for split in splits})

    def refuse_same_content(self, *splits: str) -> None:
        """Raise ValueError where two of these splits hold one recording under other names, for which all are read."""
        store = self.corpus.store()
        refuse_same_content({s: contents_of(self._manifests(s), self.tasks, store) for s in splits}, store)

    def train_loader(
        self,
        batch_size: int,
        num_steps: int | None = None,
        num_epochs: int | None = None,
        examples_per_task: int | None = None,
        seed: int = 0,
        rows: Rows = "prompt",
        micro_batch_size: int | None = None,
        micro_batch_tokens: int | None = None,
        times: int = 1,
        max_duration_s: float | None = None,
    ) -> StatefulDataLoader[Any]:
        """All training batches of a stage: of all examples, or of `examples_per_task` of each task, drawn by `seed`.

        A batch is what one process takes at a time: a `Batch` of prompts, or `Interviews` whose rows are one "question"
        or all those of a "clip". The `batch_size` rows of an optimiser step are the same however many processes share
        them; each takes at most `micro_batch_size` rows at a time, or as many as fit into `micro_batch_tokens`, and
        equally often, if need be an empty batch. Steps end after `num_steps` or `num_epochs`, whichever is less, None =
        no limit; `times` of them in a row have the same rows. Clips longer than `max_duration_s` take no part.

        The loader's state makes a resumed stage continue at the next batch; it needs the same `num_workers`.
        Raises ValueError where a task has fewer examples than asked for, and where the rows cannot be shared.
        """
        examples = self.training_examples(examples_per_task, seed, max_duration_s)
        drawing = Drawing(rows, batch_size, num_steps, num_epochs, micro_batch_size, micro_batch_tokens, times)
        frontend, place = self._connected(), (self._rank, self._world_size)
        batches, clips = training_batches(examples, frontend, self.tasks, drawing, seed, self.weights, *place)
        dataset = self._dataset(examples)
        how = (frontend, self.tasks, ROW_MULTIPLE if micro_batch_tokens is None else BUDGET_MULTIPLE)
        return StatefulDataLoader(
            dataset if rows == "prompt" else InterviewDataset(dataset, clips),
            batch_sampler=batches,
            collate_fn=Collate(*how) if rows == "prompt" else CollateInterviews(*how),
            generator=torch.Generator().manual_seed(seed),  # leaves the global generator to the model
            **self._reading(),
        )

    def training_examples(
        self, examples_per_task: int | None, seed: int, max_duration_s: float | None = None
    ) -> ExampleTable:
        """What a stage trains on. Raises ValueError where it cannot."""
        examples = self.examples(self.train_split)
        self.refuse_shared(self.train_split, self.validation_split)
        examples = limited(no_longer(examples, self.tasks, max_duration_s), self.tasks, examples_per_task, seed)
        self._try_targets(examples)
        return examples

    def val_dataloader(self) -> DataLoader[Any]:
        examples = self.examples(self.validation_split)
        if self.max_validation_examples is not None:
            examples = examples.select(
                limit_per_task(examples.ids, examples.tasks, self.max_validation_examples, seed=0)
            )
        return self._evaluation_loader(examples)

    def test_dataloader(self) -> DataLoader[Any]:
        return self.evaluation_loader(self.test_split)

    def evaluation_loader(self, split: str, windowing: Windowing | None = None) -> DataLoader[Any]:
        """Every example of a split whose answer is scored, once, in a fixed order; long ones as `windowing` says."""
        return self._evaluation_loader(self.asked(split, windowing))

    def asked(self, split: str, windowing: Windowing | None = None) -> ExampleTable | WindowedExamples:
        """The examples of a split whose answers are scored; those that are longer than is heard at once in windows."""
        examples = self.examples(split).of_tasks(list(scored(self.tasks)))
        return examples if windowing is None else WindowedExamples(examples, windowing.cut, windowing.whole_s)

    def num_evaluation_batches(self, split: str, windowing: Windowing | None = None) -> int:
        """How many batches `evaluation_loader` has on one process."""
        examples = self.asked(split, windowing)
        return len(EvaluationBatches(examples.durations_s, self.eval_batch_size, clip_of=examples.clips))

    def texts(self) -> list[str]:
        """Prompts and answers of the training split: what a tokenizer may be made from."""
        pairs = ((self.tasks[example.task], example) for example in self.examples(self.train_split)[:20_000])
        return [text for task, example in pairs for text in (task.prompt(example), task.target(example))]

    def fingerprints(self) -> dict[str, Any]:
        """What identifies the examples that training and validation see, and their recordings."""
        return {"train": self.identity(self.train_split), "validation": self.identity(self.validation_split)}

    def identity(self, split: str) -> dict[str, Any]:
        """What identifies the examples of a split, their recordings, and how they are asked."""
        tasks = self.tasks if split == self.train_split else scored(self.tasks)
        return identity(self._manifests(split), tasks, self.corpus.store())

    def _evaluation_loader(self, examples: ExampleTable | WindowedExamples) -> DataLoader[Any]:
        frontend = self._connected()
        self._try_targets(examples.examples if isinstance(examples, WindowedExamples) else examples)
        dataset: Dataset[Sample | Skipped]
        if isinstance(examples, WindowedExamples):
            dataset = WindowDataset(examples, self.corpus.store(), frontend.sampling_rate, frontend.max_duration_s)
        else:
            dataset = self._dataset(examples)
        lengths, place = num_frames(frontend, examples.durations_s), (self._rank, self._world_size)
        return DataLoader(
            dataset,
            batch_sampler=EvaluationBatches(lengths, self.eval_batch_size, *place, examples.clips),
            collate_fn=CollateHearing(frontend, self.tasks),
            generator=torch.Generator().manual_seed(0),
            **self._reading(),
        )

    def _reading(self) -> dict[str, Any]:
        """What every loader is given."""
        pinned = torch.cuda.is_available()
        return {"num_workers": self.num_workers, "pin_memory": pinned, "worker_init_fn": ignore_signals}

    def _dataset(self, examples: ExampleTable) -> ClipDataset:
        frontend = self._connected()
        limit_s = frontend.max_duration_s
        example = examples[int(examples.durations_s.argmax())]
        if example.duration_s > limit_s:
            raise ValueError(
                f"example {example.id!r} ({example.audio}) lasts {example.duration_s:g} s, at most "
                f"{limit_s:g} s can be prompted; cut it into windows of {limit_s:g} s"
            )
        return ClipDataset(examples, self.corpus.store(), frontend.sampling_rate, limit_s)

    def _try_targets(self, examples: ExampleTable) -> None:
        """Make targets of examples spread over all of them, so that what does not fit the tasks is said at once."""
        for index in np.unique(np.linspace(0, len(examples) - 1, _TRIED).astype(np.int64)):
            example = examples[int(index)]
            self.tasks[example.task].target(example)

    def skips(self, *loaders: DataLoader[Any]) -> Skips:
        """A count of what is skipped on the way through these loaders."""
        return Skips(sum(num_asked(loader.dataset) for loader in loaders), self.max_skipped_share)

    def _connected(self) -> Frontend:
        if self._frontend is None:
            raise ValueError("the data module has no frontend yet: call connect(frontend) before asking for a loader")
        return self._frontend


def prepared_folder(
    folder: str,
    tasks: Mapping[str, Task],
    audio: str | None = None,
    num_workers: int = 0,
    eval_batch_size: int = 8,
    weights: Mapping[str, float] | None = None,
    max_validation_examples: int | None = None,
    max_skipped_share: float = 0.01,
    absent_share: float | None = None,
) -> ClipDataModule:
    """The data of one folder: `timepro_lit.prepare` wrote it, or it holds train, val and test.jsonl and their audio.

    `audio` is where the recordings are, if not there. Everything else as in `ClipDataModule`.
    """
    return ClipDataModule(
        Prepared(folder, audio),
        tasks,
        eval_batch_size=eval_batch_size,
        num_workers=num_workers,
        weights=weights,
        max_validation_examples=max_validation_examples,
        max_skipped_share=max_skipped_share,
        absent_share=absent_share,
    )
