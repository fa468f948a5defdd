"""The models that the benchmarks share: Qwen2.5-Omni thinkers of a stated shape, random weights, in the real format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from transformers import Qwen2_5OmniThinkerForConditionalGeneration, WhisperFeatureExtractor

from timepro_lit.lalm.tiny import small_config, train_tokenizer

SHAPES: Mapping[str, Mapping[str, int]] = {
    "28m": {
        "num_mel_bins": 80, "encoder_size": 256, "encoder_layers": 4, "hidden_size": 512, "num_layers": 8,
        "num_heads": 8, "num_kv_heads": 8, "intermediate_size": 1536,
    },
    "7b": {
        "num_mel_bins": 128, "encoder_size": 1280, "encoder_layers": 32, "hidden_size": 3584, "num_layers": 28,
        "num_heads": 28, "num_kv_heads": 4, "intermediate_size": 18944,
    },
}  # fmt: skip
"""28m: with a vocabulary of 8,000, 28 M parameters of language model: arithmetic, not Python, takes the time of two
cores. 7b: Qwen2.5-Omni-7B's, with a vocabulary of 152,064."""
TEXTS = ("user\nassistant\nwhen is it? 0.04 1.20",)


def write_checkpoint(
    folder: Path,
    vocabulary: int = 8_000,
    texts: Iterable[str] = TEXTS,
    shape: Mapping[str, int] = SHAPES["28m"],
    device: str = "cpu",
) -> None:
    """A checkpoint folder whose embedding and head have `vocabulary` rows, however few of them its tokenizer uses.

    On a GPU weights are made there, and in bfloat16: billions of them take minutes on a CPU.
    """
    tokenizer = train_tokenizer(texts, min(vocabulary, 4_000))
    config = small_config(tokenizer, **shape)
    config.text_config.vocab_size = vocabulary
    config.dtype = torch.float32 if device == "cpu" else torch.bfloat16
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(config.dtype)
    with torch.device(device):
        model = Qwen2_5OmniThinkerForConditionalGeneration(config)
    torch.set_default_dtype(before)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=shape["num_mel_bins"]).save_pretrained(folder)
