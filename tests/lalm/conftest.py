"""A random thinker of the real class, written once in the real folder format."""

from __future__ import annotations

from pathlib import Path

import pytest

from timepro_lit.lalm.tiny import write_random_checkpoint

TEXTS = [
    'When does "a dog barks" happen? Answer in JSON with times in seconds: {"a dog barks": [onset, offset]}',
    '{"a dog barks": [1.20, 3.48]}',
    "user\nassistant\n",
]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("thinker")
    write_random_checkpoint(
        folder, TEXTS, vocab_size=400, seed=0, num_mel_bins=16, encoder_size=32, encoder_layers=2,
        hidden_size=48, num_layers=2, num_heads=3, num_kv_heads=1, intermediate_size=64,
    )  # fmt: skip
    return folder
