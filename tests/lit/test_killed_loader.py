"""A run that is killed at any batch goes on with the batches that it had not read, tensor for tensor."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from timepro_lit.data.audio import write_audio
from timepro_lit.data.manifest import write_manifest
from timepro_lit.records import Event, Example

SCRIPT = Path(__file__).with_name("loader_process.py")


def corpus(folder: Path, num_clips: int = 40) -> None:
    generator = torch.Generator().manual_seed(0)
    for split, numbers in (("train", range(num_clips)), ("val", range(num_clips, num_clips + 2))):
        examples = []
        for n in numbers:
            duration_s = 0.5 + 0.04 * (n % 20)
            samples = torch.rand(round(16_000 * duration_s), generator=generator) - 0.5
            write_audio(folder / f"{n}.wav", samples, 16_000)
            examples.append(
                Example(str(n), "ag", f"{n}.wav", duration_s, (Event(0.1, 0.4, f"sound {n}"),), f"sound {n}")
            )
        write_manifest(folder / f"{split}.jsonl", examples)


def command(folder: Path, num_workers: int, name: str) -> list[str]:
    files = (str(folder / f"{name}.log"), str(folder / f"{name}.state"))
    return [sys.executable, str(SCRIPT), str(folder), str(num_workers), *files]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus, and whole.log of a run that is left alone."""
    folder = tmp_path_factory.mktemp("corpus")
    corpus(folder)
    subprocess.run(command(folder, 0, "whole"), check=True)
    return folder


@pytest.mark.parametrize(("num_workers", "at_the_end_of_an_epoch"), [(0, False), (0, True), (2, False)])
def test_a_killed_run_goes_on_with_the_same_batches(
    folder: Path, num_workers: int, at_the_end_of_an_epoch: bool
) -> None:
    whole = (folder / "whole.log").read_text().split()
    assert len(set(whole)) > 0.6 * len(whole) > 10  # some are empty

    target = len(whole) // 2 if at_the_end_of_an_epoch else random.randrange(1, len(whole) - 1)
    name = f"killed-{num_workers}-{at_the_end_of_an_epoch}"
    log = folder / f"{name}.log"
    process = subprocess.Popen(command(folder, num_workers, name))
    while not log.exists() or log.read_text().count("\n") < target:
        time.sleep(0.002)
        assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = log.read_text().split()

    subprocess.run(command(folder, num_workers, name), check=True)
    after = log.read_text().split()[len(before) :]
    # Killed between saving the state and noting the batch, it goes on one batch later.
    assert before == whole[: len(before)]
    assert after in (whole[len(before) :], whole[len(before) + 1 :])
