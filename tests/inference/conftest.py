"""A run to put to use, made once for all that ask it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.warm import command


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One step of SFT, evaluated beside its base model, all in float32."""
    folder = tmp_path_factory.mktemp("runs")
    small = [
        "sizes.data.num_clips={train: 30, val: 2, test: 4}", "sizes.sft.max_steps=1", "sizes.sft.batch_size=2",
        "sizes.sft.micro_batch_size=2", "sizes.sft.val_check_interval=1", "trainer.precision=32-true",
        "model.dtype=float32",
        "sizes.sft.learning_rate=0.01", f"paths.outputs={folder / 'outputs'}", f"paths.data={folder / 'data'}",
        f"output_dir={folder / 'run'}",
    ]  # fmt: skip
    done = command("train", "+experiment=ablation_astp", "rows=[zero_shot,sft]", *small, cwd=folder)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder / "run"
