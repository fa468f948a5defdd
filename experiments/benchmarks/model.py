"""The models that the benchmarks share: Qwen2.5-Omni thinkers of a stated shape, random weights, in the real format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen2_5OmniThinkerForConditionalGeneration, WhisperFeatureExtractor

from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
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
    weights: bool = True,
) -> None:
    """A checkpoint folder whose embedding and head have `vocabulary` rows, however few of them its tokenizer uses."""
    tokenizer = train_tokenizer(texts, min(vocabulary, 4_000))
    config = small_config(tokenizer, **shape)
    config.text_config.vocab_size = vocabulary
    if weights:
        torch.manual_seed(0)
        Qwen2_5OmniThinkerForConditionalGeneration(config).save_pretrained(folder)
    else:
        config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=shape["num_mel_bins"]).save_pretrained(folder)


class RandomOnDevice(Qwen2_5Omni):
    """Of a folder without weights: they are made at random on the device, for 16 GB of files take minutes."""

    def __init__(self, device: str, checkpoint: str, **settings: Any) -> None:
        super().__init__(checkpoint, **settings)
        self.device = device
        self.outer_class = self

    def from_pretrained(self, checkpoint: str, *, config: Any, dtype: torch.dtype, **settings: Any) -> Any:
        """What the loader asks of the class of the model."""
        kept = {"dtype": dtype, "attn_implementation": settings["attn_implementation"]}
        with torch.device(self.device):
            return Qwen2_5OmniThinkerForConditionalGeneration._from_config(config, **kept).eval()

    def _check_weights(self) -> None:
        pass
