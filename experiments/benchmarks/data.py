"""From files to batches, beside a plain loader: clips a second, where the time goes, padding, and two million rows.

python experiments/benchmarks/data.py [--rows 2000000]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import psutil
import soundfile
import torch
from mix import TASKS, ftar_like
from torch.utils.data import DataLoader, Dataset
from torchaudio.functional import resample
from transformers import WhisperFeatureExtractor

from timepro_lit.data import audio
from timepro_lit.data.costs import num_frames
from timepro_lit.data.manifest import write_manifest
from timepro_lit.data.store import AudioFolder
from timepro_lit.data.table import ExampleTable, arrow_file
from timepro_lit.lalm.frontend import Frontend
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lit.datamodule import ClipDataModule
from timepro_lit.records import Event, Example
from timepro_lit.settings.schemas import ROOT
from timepro_lit.time_prompt.prompt import TimePrompt

NUM_FILES, BATCH, REPEATS, WORKERS = 240, 8, 5, 2


class OneFileCorpus:
    """Manifests whose recordings are all one file."""

    def __init__(self, folder: Path, file: Path) -> None:
        self.folder, self.file = folder, file

    def prepare(self) -> None: ...

    def manifests(self, split: str) -> Sequence[tuple[Path, str]]:
        return [(self.folder / f"{split}.jsonl", "")]

    def store(self) -> OneFileCorpus:
        return self

    def note(self) -> None: ...

    def location(self, name: str) -> str:
        return str(self.file)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        with self.file.open("rb") as stream:
            yield stream


class Corpus(OneFileCorpus):
    """Manifests with a recording a row."""

    def store(self) -> AudioFolder:  # type: ignore[override]
        return AudioFolder(self.folder)


def frontend() -> Frontend:
    """Qwen2.5-Omni's side without weights: 128 mel bins, a timestamp a frame."""
    made = Qwen2_5Omni(str(ROOT / "src/timepro_lit/assets/tiny_base")).frontend(TimePrompt())
    made.feature_extractor = WhisperFeatureExtractor(feature_size=128)
    return made


class PlainDataset(Dataset[Any]):
    """What a script would do: decode, average, resample; the library's extractor pads to 30 s."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> np.ndarray:
        samples, rate = soundfile.read(self.files[index], dtype="float32")
        return resample(torch.from_numpy(samples.mean(axis=1)), rate, 16_000).numpy()


def plain_collate(clips: Sequence[np.ndarray], extractor: WhisperFeatureExtractor) -> Any:
    return extractor(clips, sampling_rate=16_000, return_attention_mask=True, return_tensors="pt")


def clips_per_s(loader: DataLoader[Any]) -> float:
    """Clips of one pass over a loader, counted from its first batch on, when the workers run."""
    batches = iter(loader)
    next(batches)
    started = time.perf_counter()
    num_batches = sum(1 for _ in batches)
    return num_batches * BATCH / (time.perf_counter() - started)


def throughput(folder: Path) -> None:
    """10 s of stereo at 44.1 kHz as WAV, to batches with log-mel and prompts, on two workers."""
    rng = np.random.default_rng(0)
    examples = []
    for n in range(NUM_FILES):
        soundfile.write(folder / f"{n}.wav", rng.uniform(-0.5, 0.5, (441_000, 2)), 44_100, subtype="PCM_16")
        examples.append(Example(str(n), "ag", f"{n}.wav", 10.0, (Event(0.5, 1.0, "rain"),), "rain"))
    write_manifest(folder / "train.jsonl", examples[:-1])
    write_manifest(folder / "val.jsonl", examples[-1:])
    data = ClipDataModule(Corpus(folder, folder), {"ag": TASKS["ag"]}, num_workers=WORKERS)
    data.connect(frontend())
    extractor = WhisperFeatureExtractor(feature_size=128)
    plain: DataLoader[Any] = DataLoader(
        PlainDataset([folder / f"{n}.wav" for n in range(NUM_FILES)]),
        batch_size=BATCH,
        num_workers=WORKERS,
        collate_fn=lambda clips: plain_collate(clips, extractor),
    )
    ours_s, plain_s = [], []
    for _ in range(REPEATS):  # by turns, so that both meet the same machine
        ours_s.append(clips_per_s(data.train_loader(BATCH)))
        plain_s.append(clips_per_s(plain))
    ours, theirs = statistics.median(ours_s), statistics.median(plain_s)
    show("throughput", clips_per_s=round(ours), plain_loader=round(theirs), ratio=round(ours / theirs, 2))
    show("milliseconds_per_clip", **where_the_time_goes(folder / "0.wav"))


def where_the_time_goes(file: Path) -> dict[str, float]:
    """The steps of one clip on one thread."""
    torch.set_num_threads(1)
    side = frontend()
    raw = soundfile.read(file, dtype="float32", always_2d=True)[0]
    mono = torch.from_numpy(raw).mean(1)
    clip = audio.read_audio(file).numpy()
    prompt = TASKS["ag"].prompt(Example("0", "ag", "0.wav", 10.0, (), "rain"))
    steps: dict[str, Callable[[], object]] = {
        "decode": lambda: soundfile.read(file, dtype="float32", always_2d=True),
        "resample": lambda: audio._resample(mono, 44_100, 16_000),
        "decode_check_mono_resample": lambda: audio.read_audio(file),
        "log_mel": lambda: side.features([clip] * BATCH),
        "prompt": lambda: side.prompt_ids(prompt, 250),
    }
    return {name: round(median_ms(step) / (BATCH if name == "log_mel" else 1), 2) for name, step in steps.items()}


def median_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(15):
        started = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def padding(folder: Path) -> None:
    """Tokens of padding in a token-budget batch of SFT rows, and in batches of eight random ones."""
    examples = ftar_like(20_000, seed=0)
    write_manifest(folder / "train.jsonl", examples)
    write_manifest(folder / "val.jsonl", ftar_like(60, seed=1))
    (folder / "val.jsonl").write_text((folder / "val.jsonl").read_text().replace('.wav"', '-val.wav"'))
    data = ClipDataModule(OneFileCorpus(folder, folder), TASKS)
    side = frontend()
    data.connect(side)
    frames = num_frames(side, np.array([example.duration_s for example in examples]))
    exact = np.array([
        len(side.prompt_ids(TASKS[e.task].prompt(e), int(n))) + len(side.answer_ids(TASKS[e.task].target(e)))
        for e, n in zip(examples, frames, strict=True)
    ])  # fmt: skip

    def waste(batches: Sequence[Sequence[int]], multiple: int) -> float:
        padded = sum(len(batch) * -(-int(exact[batch].max()) // multiple) * multiple for batch in batches)
        return round(100 * (1 - exact.sum() / padded), 2)

    ours = [b for b in data.train_loader(64, rows="question", micro_batch_tokens=4096).batch_sampler if b]
    random = np.random.default_rng(2).permutation(len(examples)).reshape(-1, 8)
    show("padding_percent", token_budget_4096=waste(ours, 16), random_batches_of_8=waste(random.tolist(), 1),
         mean_rows=round(len(examples) / len(ours), 1))  # fmt: skip


def many_rows(folder: Path, num_rows: int, file: Path) -> None:
    """A manifest of millions of rows: time to the first batch once it is prepared, and memory of each worker."""
    with (folder / "train.jsonl").open("w") as lines:
        for n in range(num_rows):
            query = f"sound {n % 5000} of a thing"
            row = {"id": f"ftar/ag/{n}", "task": "ag", "audio": f"audio/{n}.wav", "duration_s": 10.0, "query": query,
                   "events": [[0.5, 1.0, query]]}  # fmt: skip
            lines.write(json.dumps(row) + "\n")
    write_manifest(folder / "val.jsonl", [Example("v", "ag", "v.wav", 10.0, (Event(0.5, 1.0, "x"),), "x")])
    started = time.perf_counter()
    arrow_file(folder / "train.jsonl")
    prepared_s = time.perf_counter() - started
    started = time.perf_counter()
    data = ClipDataModule(OneFileCorpus(folder, file), {"ag": TASKS["ag"]}, num_workers=WORKERS)
    data.prepare_data()
    data.connect(frontend())
    batches = iter(data.train_loader(64, rows="question", micro_batch_tokens=4096))
    next(batches)
    ready_s = time.perf_counter() - started
    for _ in range(20):
        next(batches)
    workers = [child.memory_full_info() for child in psutil.Process().children()]
    assert len(ExampleTable([(folder / "train.jsonl", "")])) == num_rows
    show("rows", rows=num_rows, prepared_s=round(prepared_s, 1), ready_s=round(ready_s, 1),
         worker_own_mb=[round(w.uss / 2**20) for w in workers], worker_share_mb=[round(w.pss / 2**20) for w in workers],
         main_mb=round(psutil.Process().memory_info().rss / 2**20))  # fmt: skip


def show(name: str, **figures: object) -> None:
    print(json.dumps({"benchmark": f"data/{name}", **figures}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folders = {name: Path(temporary) / name for name in ("files", "mix", "rows")}
        for of_part in folders.values():
            of_part.mkdir()
        throughput(folders["files"])
        padding(folders["mix"])
        many_rows(folders["rows"], arguments.rows, folders["files"] / "0.wav")
