from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("live_models.py")
SMALL = (
    "+experiment=demo", "task=[ag]", "sizes.data.num_clips={train: 6, val: 2, test: 2}", "sizes.sft.max_steps=1",
    "sizes.sft.batch_size=2", "sizes.sft.micro_batch_size=2", "sizes.grpo.max_steps=1", "sizes.grpo.batch_size=2",
    "sizes.grpo.micro_batch_size=2", "sizes.grpo.examples_per_task=4", "sizes.grpo.max_new_tokens=8",
)  # fmt: skip


@pytest.mark.slow
def test_a_model_is_gone_before_the_next_one_is_made(tmp_path: Path) -> None:
    """Two stages and three rows."""
    folders = (f"paths.outputs={tmp_path / 'outputs'}", f"paths.data={tmp_path / 'data'}")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *SMALL, *folders], capture_output=True, text=True, cwd=tmp_path, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert [line for line in done.stdout.splitlines() if line.startswith("models")] == ["models alive: 0"] * 5
