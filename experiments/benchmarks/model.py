"""The model that the benchmarks share: a Qwen2.5-Omni thinker of a stated shape, random weights, in the real format."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from transformers import Qwen2_5OmniThinkerForConditionalGeneration, WhisperFeatureExtractor

from timepro_lit.lalm.tiny import small_config, train_tokenizer

SHAPE = {
    "num_mel_bins": 80, "encoder_size": 256, "encoder_layers": 4, "hidden_size": 512, "num_layers": 8,
    "num_heads": 8, "num_kv_heads": 8, "intermediate_size": 1536,
}  # fmt: skip
"""With a vocabulary of 8,000, 28 M parameters of language model: arithmetic, not Python, takes the time."""
TEXTS = ("user\nassistant\nwhen is it? 0.04 1.20",)


def write_checkpoint(
    folder: Path, vocabulary: int = 8_000, texts: Iterable[str] = TEXTS, shape: dict[str, int] = SHAPE
) -> None:
    """A checkpoint folder whose embedding and head have `vocabulary` rows, however few of them its tokenizer uses."""
    tokenizer = train_tokenizer(texts, min(vocabulary, 4_000))
    config = small_config(tokenizer, **shape)
    config.text_config.vocab_size = vocabulary
    torch.manual_seed(0)
    Qwen2_5OmniThinkerForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=shape["num_mel_bins"]).save_pretrained(folder)
