"""A small model of the real class, with grouped heads, and micro-batches for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.lora import LoRA, add_lora
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lalm.tiny import write_random_checkpoint

SIZES = {
    "num_mel_bins": 80, "encoder_size": 64, "encoder_layers": 2, "hidden_size": 256, "num_layers": 4, "num_heads": 8,
    "num_kv_heads": 2, "intermediate_size": 768,
}  # fmt: skip


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planned") / "small"
    write_random_checkpoint(folder, ["user\nassistant\nwhen is it? 0.04 1.20"], 1000, seed=0, **SIZES)
    return folder


@pytest.fixture
def loaded(checkpoint: Path) -> Callable[..., LALM]:
    """The model with an adapter of rank 8, or to be trained itself."""

    def load(dtype: str = "float32", checkpointed: bool = False, adapter: bool = True) -> LALM:
        lalm = Qwen2_5Omni(str(checkpoint), dtype, local_files_only=True, gradient_checkpointing=checkpointed).load(
            None
        )
        torch.manual_seed(0)
        if adapter:
            add_lora(lalm, LoRA())
        else:
            lalm.train_language_model()
        return lalm.train()

    return load
