"""A whole run on two real processes: epochs, validation and files are those of one."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

SMALL = (
    "task=[ag,sed]", "sizes.data.num_clips={train: 24, val: 4, test: 4}", "sizes.sft.max_steps=-1",
    "sizes.sft.max_epochs=1", "sizes.sft.batch_size=4", "sizes.sft.micro_batch_size=2",
    "sizes.sft.val_check_interval=3",
    "sizes.grpo.max_steps=-1", "sizes.grpo.max_epochs=1", "sizes.grpo.batch_size=4", "sizes.grpo.micro_batch_size=2",
    "sizes.grpo.examples_per_task=8", "sizes.grpo.val_check_interval=2", "sizes.grpo.max_new_tokens=16",
    "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2",
)  # fmt: skip


def test_an_epoch_is_as_long_as_on_one_process_and_every_task_is_validated(tmp_path: Path) -> None:
    """24 clips make six steps of four, 16 prompts four; a process may see no example of a task in validation."""
    folders = [f"paths.outputs={tmp_path / 'outputs'}", f"paths.data={tmp_path / 'data'}"]
    command = [sys.executable, "-m", "timepro_lit.train", "+experiment=ablation_adaptive", *SMALL, *folders]
    done = subprocess.run(
        [*command, f"output_dir={tmp_path / 'run'}"], capture_output=True, text=True, cwd=tmp_path, timeout=600
    )
    assert done.returncode == 0, done.stderr[-4000:]
    for stage, num_steps, validated in (("sft", 6, [2, 5]), ("grpo", 4, [1, 3])):
        assert f"{stage} {num_steps}/{num_steps}" in done.stdout
        with (tmp_path / "run" / stage / "metrics.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        for column in ("val/ag/mIoU", "val/sed/Eb-F1"):
            assert [int(row["step"]) for row in rows if row[column]] == validated
    lines = (tmp_path / "run/evaluation/grpo/predictions.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["id"] for line in lines) == [
        f"test-{n:06d}-{task}" for n in range(4) for task in ("ag", "sed")
    ]
    assert done.stdout.count("page: ") == 1
