from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from timepro_lit.data.audio import write_audio
from timepro_lit.data.manifest import write_manifest
from timepro_lit.data.store import AudioFolder
from timepro_lit.lit.datamodule import ClipDataModule
from timepro_lit.records import Batch, Event, Example
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.sound_events import SoundEventDetection

TASKS = {"ag": Grounding(), "sed": SoundEventDetection(classes=["dog", "bell"])}
COUNTS = {"train": {"ag": 9, "sed": 7, "dac": 2}, "val": {"ag": 3, "sed": 4, "dac": 1}, "test": {"ag": 5, "sed": 2}}


class SmallFrontend:
    """A token a character, a frame every 40 ms."""

    sampling_rate = 16_000
    max_duration_s = 1.0
    pad_id = 0

    def num_frames(self, num_samples: int) -> int:
        return num_samples // 640

    def features(self, waveforms: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        num_mel = max(len(waveform) // 160 for waveform in waveforms)
        mask = torch.tensor([[i < len(waveform) // 160 for i in range(num_mel)] for waveform in waveforms])
        return mask[:, None].float(), mask

    def prompt_ids(self, prompt: str, num_frames: int) -> list[int]:
        return [1] * num_frames + [ord(character) for character in prompt]

    def answer_ids(self, text: str) -> list[int]:
        return [*(ord(character) for character in text), 2]


class SmallCorpus:
    """Constant clips of 0.1 to 0.5 s, a file an example, but for the first: two examples of the training split."""

    def __init__(self, root: Path, counts: dict[str, dict[str, int]] = COUNTS, folder: str = "{split}") -> None:
        self.root = root
        self.counts = counts
        self.folder = folder

    def manifests(self, split: str) -> list[tuple[Path, str]]:
        return [(self.root / f"{split}.jsonl", "")]

    def store(self) -> AudioFolder:
        return AudioFolder(self.root)

    def note(self) -> None:
        return None

    def generated_in(self) -> None:
        return None

    def make_ready(self) -> None:
        for split, counts in self.counts.items():
            examples = [self.example(split, t, i) for t, n in counts.items() for i in range(n)]
            write_manifest(self.root / f"{split}.jsonl", examples)

    def example(self, split: str, task: str, index: int) -> Example:
        duration_s = 0.1 + 0.04 * index
        audio = f"{self.folder.format(split=split)}/{'ag' if index == 0 else task}-{index}.wav"
        write_audio(self.root / audio, torch.full((round(16_000 * duration_s),), 0.25), 16_000)
        query = "dog" if task == "ag" else None
        return Example(f"{split}-{task}-{index}", task, audio, duration_s, (Event(0.0, 0.1, "dog"),), query)


def prepared(root: Path, num_workers: int = 0, max_validation_examples: int | None = None) -> ClipDataModule:
    data = ClipDataModule(
        SmallCorpus(root),
        TASKS,
        eval_batch_size=2,
        num_workers=num_workers,
        max_validation_examples=max_validation_examples,
    )
    data.prepare_data()
    data.connect(SmallFrontend())
    return data


def ids(loader: object) -> list[list[str]]:
    return [[example.id for example in batch.examples] for batch in loader]  # type: ignore[attr-defined]


def tasks_of(batches: list[list[str]]) -> Counter[str]:
    return Counter(name.split("-")[1] for batch in batches for name in batch)


def test_training_takes_every_example_of_the_tasks_in_batches_of_the_stage(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    batches = ids(data.train_loader(3))
    assert [len(batch) for batch in batches] == [3, 3, 3, 3, 3, 1]
    assert Counter(chain(*batches)) == Counter(
        [f"train-ag-{i}" for i in range(9)] + [f"train-sed-{i}" for i in range(7)]
    )
    assert ids(data.train_loader(3, seed=1)) != batches
    assert [len(batch) for batch in ids(data.train_loader(8, micro_batch_size=3))] == [3, 3, 2] * 2
    epochs = ids(data.train_loader(3, num_epochs=2))
    assert (epochs[:6], len(epochs)) == (batches, 12)
    assert ids(data.train_loader(3, num_steps=4, num_epochs=2)) == batches[:4]


def test_a_stage_may_draw_a_balanced_subset(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    subset = ids(data.train_loader(3, examples_per_task=5))
    assert tasks_of(subset) == {"ag": 5, "sed": 5}
    assert {*chain(*subset)} != {*chain(*ids(data.train_loader(3, examples_per_task=5, seed=1)))}
    with pytest.raises(ValueError, match="examples_per_task is 8, but 'sed' has 7 examples"):
        data.train_loader(3, examples_per_task=8)


def test_a_stage_may_take_the_shorter_clips_alone(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    examples = data.examples("train")
    longest = float(np.sort(examples.durations_s)[len(examples) // 2])
    short = {id_ for id_, length in zip(examples.ids, examples.durations_s, strict=True) if length <= longest}
    assert 0 < len(short) < len(examples)
    assert {*chain(*ids(data.train_loader(3, max_duration_s=longest)))} == short
    with pytest.raises(ValueError, match=r"max_duration_s is 0\.01, and no example of 'ag' is that short"):
        data.train_loader(3, max_duration_s=0.01)
    with pytest.raises(ValueError, match="examples_per_task is 9, but 'ag' has"):
        data.train_loader(3, max_duration_s=longest, examples_per_task=9)


def test_rows_of_questions_and_of_clips(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    batches = list(data.train_loader(3, rows="question"))
    assert Counter(len(of_row) for batch in batches for of_row in batch.examples) == {1: 16}
    rows = [of_row for batch in data.train_loader(3, rows="clip") for of_row in batch.examples]
    assert sorted(len(of_row) for of_row in rows) == [1] * 14 + [2]
    assert {e.id for of_row in rows if len(of_row) == 2 for e in of_row} == {"train-ag-0", "train-sed-0"}


def test_evaluation_is_complete_fixed_and_longest_first(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    assert tasks_of(ids(data.val_dataloader())) == {"ag": 3, "sed": 4}
    batches = ids(data.test_dataloader())
    assert tasks_of(batches) == {"ag": 5, "sed": 2}
    assert batches == ids(data.test_dataloader())
    assert [len(batch) for batch in batches] == [2, 2, 1, 2]  # the questions about one clip are not parted
    assert batches[-1] == ["test-ag-0", "test-sed-0"]
    assert [len(batch.features) for batch in data.test_dataloader()] == [2, 2, 1, 1]
    assert data.num_evaluation_batches("test") == 4
    frames = [int(batch.feature_mask.sum(1).max()) for batch in data.test_dataloader()]
    assert frames == sorted(frames, reverse=True)


def test_a_validation_limit_holds_per_task(tmp_path: Path) -> None:
    data = prepared(tmp_path, max_validation_examples=2)
    few = ids(data.val_dataloader())
    assert tasks_of(few) == {"ag": 2, "sed": 2}
    assert tasks_of(ids(data.test_dataloader())) == {"ag": 5, "sed": 2}


def test_workers_change_neither_batches_nor_the_global_generator_and_end(tmp_path: Path) -> None:
    alone, data = prepared(tmp_path), prepared(tmp_path, num_workers=2)
    state = torch.get_rng_state()
    loader = data.train_loader(3)
    for batch, other in zip(loader, alone.train_loader(3), strict=True):
        assert batch.examples == other.examples
        assert torch.equal(batch.prompt_ids, other.prompt_ids)
    assert ids(data.val_dataloader()) == ids(alone.val_dataloader())
    iterator = iter(loader)
    next(iterator)  # and stop there
    assert torch.equal(torch.get_rng_state(), state)
    assert len(multiprocessing.active_children()) == 2
    del iterator, loader
    assert multiprocessing.active_children() == []


def test_only_the_splits_in_use_are_read(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    (tmp_path / "test.jsonl").unlink()
    assert ids(data.train_loader(3))
    assert ids(data.val_dataloader())
    with pytest.raises(FileNotFoundError, match=r"there is no .*test\.jsonl, which lists .* the split .test."):
        data.test_dataloader()


def test_faults_of_the_data_are_named_before_the_first_batch(tmp_path: Path) -> None:
    corpus = SmallCorpus(tmp_path)
    corpus.make_ready()
    with pytest.raises(ValueError, match=r"call connect\(frontend\)"):
        ClipDataModule(corpus, TASKS).train_loader(3)
    data = ClipDataModule(corpus, TASKS | {"dac": DenseCaptioning()})
    with pytest.raises(ValueError, match=r"test\.jsonl: holds no example of task 'dac'"):
        data.test_dataloader()
    data = ClipDataModule(corpus, {"sed": SoundEventDetection(classes=["bell"])})
    data.connect(SmallFrontend())
    with pytest.raises(ValueError, match="dog"):
        data.train_loader(3)


def test_a_clip_in_two_splits_is_refused(tmp_path: Path) -> None:
    corpus = SmallCorpus(tmp_path, folder="clips")
    corpus.make_ready()
    data = ClipDataModule(corpus, TASKS)
    data.connect(SmallFrontend())
    with pytest.raises(ValueError, match=r"6 recordings are in both 'train' and 'val': clips/ag-0\.wav \('train-ag-0'"):
        data.train_loader(3)


def test_a_split_is_not_trained_on_and_evaluated(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    data.refuse_shared("train", "val", "test")
    data.validation_split = "train"
    with pytest.raises(ValueError, match="the split 'train' would be trained on and evaluated as well"):
        data.train_loader(3)


def test_a_token_budget_counts_audio_and_texts(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    batches = list(data.train_loader(16, rows="question", micro_batch_tokens=1_000))
    assert sorted(name for batch in batches for of_row in batch.examples for name in [of_row[0].id]) == sorted(
        example.id for example in data.examples("train")
    )
    assert all(batch.ids.shape[0] * batch.ids.shape[1] <= 1_000 + 64 * len(batch) for batch in batches)
    assert len({len(batch) for batch in data.train_loader(16, micro_batch_tokens=300)}) > 1


def test_an_unusable_recording_is_skipped_and_too_many_end_the_run(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    (tmp_path / "train/ag-1.wav").write_text("<html>404</html>")
    for rows in ("prompt", "question"):
        batches = list(data.train_loader(1, rows=rows))
        [empty] = [batch for batch in batches if not len(batch)]
        assert [(one.example.id, one.kind) for one in empty.skipped] == [("train-ag-1", "unreadable")]
        assert sum(len(batch) for batch in batches) == 15
    skips = data.skips(data.train_loader(3))
    skips.note(empty.skipped)
    with pytest.raises(ValueError, match=r"1 of 16 examples cannot be used, more than 1\.0%"):
        skips.check(skips.kind_of)


class Recorder(LightningModule):
    """Notes the ids that each process sees."""

    def __init__(self, folder: Path, data: ClipDataModule, batch_size: int, num_steps: int) -> None:
        super().__init__()
        self.folder, self.data, self.batch_size, self.num_steps = folder, data, batch_size, num_steps
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def note(self, kind: str, batch: Batch) -> None:
        with (self.folder / f"{kind}-{self.global_rank}").open("a") as file:
            file.write(f"{self.current_epoch} " + " ".join(example.id for example in batch.examples) + "\n")

    def train_dataloader(self) -> object:
        self.data.place(self.trainer.global_rank, self.trainer.world_size)
        return self.data.train_loader(self.batch_size, self.num_steps)

    def val_dataloader(self) -> object:
        return self.data.val_dataloader()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.note("train", batch)
        return self.weight.sum()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.note("val", batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(
    data: ClipDataModule,
    folder: Path,
    max_steps: int,
    resume: Path | None = None,
    devices: int = 1,
    batch_size: int = 3,
) -> list[str]:
    """Train on what a stage is handed, a checkpoint each step; the lines that the first process recorded."""
    folder.mkdir()
    trainer = Trainer(
        max_steps=max_steps,
        max_epochs=-1,
        accelerator="cpu",
        devices=devices,
        strategy="ddp_fork" if devices > 1 else "auto",
        use_distributed_sampler=False,
        callbacks=[ModelCheckpoint(folder, filename="{step}", every_n_train_steps=1, save_top_k=-1)],
        logger=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Recorder(folder, data, batch_size, max_steps), ckpt_path=resume)
    return (folder / "train-0").read_text().splitlines()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_resumed_run_sees_what_an_uninterrupted_one_sees(tmp_path: Path, num_workers: int) -> None:
    data = prepared(tmp_path, num_workers)
    whole = fit(data, tmp_path / "whole", max_steps=14)
    assert len({frozenset(line.split()[1:]) for line in whole}) > 10  # epochs of six steps differ
    for step in (4, 6, 8):  # within the first epoch, at its end, within the second
        rest = fit(data, tmp_path / f"from-{step}", max_steps=14, resume=tmp_path / f"whole/step={step}.ckpt")
        assert rest == whole[step:]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("num_processes", [2, 4])
def test_processes_that_are_handed_loaders_share_the_data(tmp_path: Path, num_processes: int) -> None:
    """16 training examples make four steps, the last one of one example; seven of two tasks are validated."""
    data = prepared(tmp_path)
    fit(data, tmp_path / "run", max_steps=4, devices=num_processes, batch_size=5)
    for kind, number in (("train", 16), ("val", 7)):
        lines = [(tmp_path / f"run/{kind}-{rank}").read_text().splitlines() for rank in range(num_processes)]
        seen = [name for of_process in lines for line in of_process for name in line.split()[1:]]
        assert len({len(of_process) for of_process in lines}) == 1
        assert len(seen) == len(set(seen)) == number
        if kind == "train":
            steps = [sum(len(line.split()) - 1 for line in step) for step in zip(*lines, strict=True)]
            assert steps == [5, 5, 5, 1]
