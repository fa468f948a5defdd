"""Questions about a long recording, killed again and again, end in the answers of a call that was left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytestmark = pytest.mark.slow
KILLS = 3


def tones(path: Path, duration_s: float, rate: int = 22_050) -> None:
    """A sweep that begins anew at moments drawn by chance, written a second at a time."""
    rng, left = np.random.default_rng(0), np.zeros(0)
    with soundfile.SoundFile(path, "w", rate, 1) as sound:
        for _ in range(round(duration_s)):
            while len(left) < rate:
                seconds = np.arange(rng.integers(rate // 4, 5 * rate)) / rate
                hz = rng.uniform(100, 3_000)
                left = np.concatenate(
                    [left, 0.4 * np.sin(2 * np.pi * hz * seconds * (1 + seconds)), np.zeros(rate // 3)]
                )
            sound.write(left[:rate])
            left = left[rate:]


def asked(run: Path, audio: Path, out: Path) -> list[str]:
    given = [f"checkpoint={run}", f"audio={audio}", f"output_dir={out}", "task=sed", "window_s=20", "hop_s=14"]
    return [sys.executable, "-m", "timepro_lit.predict", *given, "batch_size=2", "device=cpu"]


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.fixture(scope="module")
def whole(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a long recording, and what a call says of it that is left alone."""
    folder = tmp_path_factory.mktemp("long")
    tones(folder / "long.flac", 300.0)
    subprocess.run(asked(shared / "run", folder / "long.flac", folder / "whole"), check=True, capture_output=True)
    return folder


def test_a_second_call_in_the_same_folder_is_refused_and_harms_nothing(shared: Path, whole: Path) -> None:
    call, part = asked(shared / "run", whole / "long.flac", whole / "shared"), whole / "shared/predictions.part"
    process = subprocess.Popen(call, stdout=subprocess.DEVNULL)
    while lines(part) < 2:
        assert process.poll() is None, "it ended before the second began"
        time.sleep(0.02)
    second = subprocess.run([*call, "hop_s=10"], capture_output=True, text=True)
    assert process.poll() is None, "it ended before the second was refused"
    assert (second.returncode, second.stderr.count("\n")) == (1, 1)
    assert "another process is running in this directory" in second.stderr
    assert process.wait() == 0
    answers = [(whole / name / "predictions.jsonl").read_bytes() for name in ("whole", "shared")]
    assert answers[0] == answers[1]


def test_a_killed_call_goes_on(shared: Path, whole: Path) -> None:
    call, part = asked(shared / "run", whole / "long.flac", whole / "out"), whole / "out/predictions.part"
    reached = []
    for _ in range(KILLS):
        before, process = lines(part), subprocess.Popen(call, stdout=subprocess.DEVNULL)
        while lines(part) < before + 5:
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        reached.append(lines(part))
    assert reached == sorted(set(reached))
    subprocess.run(call, check=True, capture_output=True)
    answers = [(whole / name / "predictions.jsonl").read_bytes() for name in ("whole", "out")]
    assert answers[0] == answers[1] and b'"windows"' in answers[0]
    assert not part.exists()
