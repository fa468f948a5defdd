"""Joined corpora that hold the same videos under other names: refused on every process, put right by `exclude`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from zlib import crc32

import pytest

from tests.conftest import noise
from timepro_lit.data.corpora.audiogrounding import AudioGrounding
from timepro_lit.data.preparation import prepare
from timepro_lit.tasks.grounding import Grounding

ONE = {
    "train": ["Yb0RFKhbpFJA", "YrqfQRErjfk8", "YzwoqJY03yHE", "YvyYpxGJr7zI"],
    "val": ["Y7bHrke6zbLk", "YtgRjq29TIJo"],
    "test": ["Y--0w1YA1Hm4", "YsWXpzTZWNAI"],
}
TWO = {
    "train": ["-AheI8Epim4", "7bHrke6zbLk_30", "--0w1YA1Hm4", "-CcGuq0yoKo", "-9Err78YIjQ"],
    "val": ["rqfQRErjfk8", "rwT__ERCUno"],
    "test": ["yt_b0RFKhbpFJA", "sWXpzTZWNAI_30_40"],  # the second is in both test splits, which is no fault
}
ARGUMENTS = (
    "data=paper", "task=[ag]", "data.num_workers=0", "stage=[sft]", "sizes.sft.max_steps=1", "sizes.sft.batch_size=2",
    "sizes.sft.micro_batch_size=1", "sizes.sft.val_check_interval=1", "model=tiny", "trainer=ddp_cpu",
)  # fmt: skip


def write(root: Path, splits: Mapping[str, Sequence[str]]) -> None:
    for split, names in splits.items():
        clips = [
            {"audiocap_id": n, "audio_id": f"{name}.wav",
             "phrases": [{"phrase": "a dog barks", "start_index": 0, "segments": [[0.2, 0.8]]}]}
            for n, name in enumerate(names)
        ]  # fmt: skip
        for name in names:
            noise(root / f"audio/{name}.wav", 1.0, seed=crc32(f"{root.name}{name}".encode()))
        (root / f"{split}.json").write_text(json.dumps(clips))


def prepared(folder: Path, name: str, *exclude: str) -> dict[str, dict[str, int]]:
    """Prepare a corpus; the examples of each split."""
    corpus, others = AudioGrounding(), [folder / "data" / other for other in exclude]
    corpus.name = name  # type: ignore[misc]
    counts = prepare(corpus, folder / name, folder / "data" / name, {"ag": Grounding()}, others, num_workers=0)
    return {split: of_task["ag"] for split, of_task in counts["examples"].items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, splits in (("ftar", ONE), ("desed", TWO)):  # the names that data=paper gives its corpora
        write(tmp_path / name, splits)
        prepared(tmp_path, name)
    return tmp_path


def command(folder: Path, *arguments: str) -> list[str]:
    folders = (f"paths.outputs={folder / 'outputs'}", f"paths.data={folder / 'data'}", f"output_dir={folder / 'run'}")
    return [sys.executable, "-m", "timepro_lit.train", *ARGUMENTS, *folders, *arguments]


@pytest.mark.slow
def test_every_process_says_the_same_and_ends(folder: Path) -> None:
    done = subprocess.run(command(folder), capture_output=True, text=True, cwd=folder, timeout=300)
    assert done.returncode == 1, done.stdout
    [sentence] = done.stderr.splitlines()
    for told in (
        "2 recordings are in both 'train' and 'val': audioset:rqfQRErjfk8 ('ftar/1_0' in ",
        "2 recordings are in both 'train' and 'test': audioset:",
        f"data/ftar again (python -m timepro_lit.prepare ... out={folder}/data/ftar 'exclude=[{folder}/data/desed]')",
        f"data/desed again (python -m timepro_lit.prepare ... out={folder}/data/desed 'exclude=[{folder}/data/ftar]')",
    ):
        assert told in sentence
    assert not (folder / "outputs/stages").exists()
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    started = []
    for rank in ("0", "1"):  # all at once, as torchrun starts them
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0",
                 "MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "one"}  # fmt: skip
        started.append(subprocess.Popen(command(folder), env=os.environ | place, cwd=folder, stderr=subprocess.PIPE))
    said = [process.communicate(timeout=300)[1].decode().splitlines() for process in started]
    assert [process.returncode for process in started] == [1, 1]
    assert said == [[sentence], [sentence]]


@pytest.mark.slow
def test_what_is_excluded_makes_a_run_that_starts_in_whichever_order(folder: Path) -> None:
    for first, second in (("ftar", "desed"), ("desed", "ftar")):
        for name in (first, second):  # as they were
            prepared(folder, name)
        examples = {first: prepared(folder, first, second), second: prepared(folder, second, first)}
        assert {name: of["test"] for name, of in examples.items()} == {"ftar": 2, "desed": 2}
        assert examples["ftar"]["train"] + examples["desed"]["train"] >= 5
    done = subprocess.run(command(folder), capture_output=True, text=True, cwd=folder, timeout=300)
    assert done.returncode == 0, done.stderr
    heard = {
        split: subprocess.run(
            [sys.executable, "-m", "timepro_lit.evaluate", f"run={folder / 'run'}", "trainer=cpu", "data=prepared",
             f"data.folder={folder / 'data/desed'}", f"split={split}", "rows=[sft]"],
            capture_output=True, text=True, cwd=folder, timeout=300,
        )
        for split in ("train", "test")
    }  # fmt: skip
    assert [done.returncode for done in heard.values()] == [0, 0], [done.stderr for done in heard.values()]
    assert "3 of its 3 recordings were trained on" in " ".join(heard["train"].stdout.split())
    assert "trained on" not in heard["test"].stdout
    [page] = (folder / "run").glob("evaluation-train-*/report.html")
    assert "3 of its 3 recordings" in page.read_text()
