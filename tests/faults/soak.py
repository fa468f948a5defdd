"""Thousands of GRPO steps, to see that nothing grows: memory, open files, processes.

python tests/faults/soak.py [--steps 2000]

Samples the resident memory of the run and of all that it has started, METEOR's Java included. Prints the figures;
exit code 1 where memory after the first steps grows by more than 2%, or files or processes grow or stay.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from processes import Command, spawn
from tiny_run import Place

FIRST_STEPS = 200
"""Until here caches fill."""
LARGEST_GROWTH = 0.02
SLOWEST_STEP_S = 3.0
SMALLEST = (
    "task=[ag,dac]",  # with captions, so that Java takes part
    "sizes.data.num_clips={train: 200, val: 2, test: 2}",
    "sizes.sft.max_steps=1", "sizes.sft.val_check_interval=1", "checkpoint_every=50",
    "sizes.grpo.group_size=2", "sizes.grpo.max_new_tokens=12", "sizes.grpo.examples_per_task=200",
    "stage.grpo.module.kl_coefficient=0",
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    step: int
    resident_mb: float
    files: int
    processes: int


def samples(command: Command, curves: Path, num_steps: int) -> list[Sample]:
    """One about every second, of all processes together."""
    found, end = [], time.monotonic() + 120 + SLOWEST_STEP_S * num_steps
    while not command.ended():
        time.sleep(1.0)
        if time.monotonic() > end:
            break
        pids, step = command.processes(), last_step(curves)
        if pids and step > 0:
            found.append(Sample(step, sum(map(resident_mb, pids)), sum(map(open_files, pids)), len(pids)))
            if len(found) % 60 == 0:
                print(found[-1], flush=True)
    return found


def last_step(curves: Path) -> int:
    """The last step that the curves tell of, -1 before the first."""
    try:
        with curves.open("rb") as file:
            names = file.readline().decode().strip().split(",")
            file.seek(max(file.tell(), os.fstat(file.fileno()).st_size - 4000))
            lines = file.read().decode().splitlines()[1:]
    except FileNotFoundError:
        return -1
    fields = lines[-1].split(",") if lines else []
    return int(fields[names.index("step")]) if len(fields) == len(names) else -1


def resident_mb(pid: int) -> float:
    """Resident memory of a process, its share alone of what it has in common with others."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def open_files(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def faults(found: list[Sample], num_steps: int) -> list[str]:
    """What is wrong with a run of so many steps."""
    settled = [sample for sample in found if sample.step >= FIRST_STEPS]
    if len(settled) < 20 or settled[-1].step < 0.95 * num_steps:
        return [f"only {len(settled)} samples, the last one of step {found[-1].step if found else 0}"]
    tenth = len(settled) // 10
    begin, end = settled[:tenth], settled[-tenth - 3 : -3]  # at the very end the run is winding up
    wrong = []
    for what, allowed in (("resident_mb", LARGEST_GROWTH), ("files", 0.0), ("processes", 0.0)):
        before, after = (statistics.median(getattr(sample, what) for sample in part) for part in (begin, end))
        change = f"{after / before - 1:+.2%}"
        print(f"{what}: {before:g} after {begin[0].step} steps, {after:g} after {end[-1].step}: {change}")
        if after > before * (1 + allowed):
            wrong.append(f"{what} grew by {change}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000, help="of GRPO")
    num_steps = parser.parse_args().steps
    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with TemporaryDirectory(prefix="soak-") as folder:
        place = Place(Path(folder) / "place")
        sizes = (f"sizes.grpo.max_steps={num_steps}", f"sizes.grpo.val_check_interval={num_steps}")
        command = spawn("train", place.train(*SMALLEST, *sizes), Path(folder) / "command", {})
        try:
            found = samples(command, place.run / "grpo" / "metrics.csv", num_steps)
            done = command.wait(60.0)
        finally:
            command.end_all()
        wrong = [f"exit code {done.code}: {done.err[-1000:]}"] if done.code else faults(found, num_steps)
    print("; ".join(wrong) or f"nothing grew in {num_steps} steps")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
