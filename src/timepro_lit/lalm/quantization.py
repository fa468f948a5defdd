"""Four-bit base weights by bitsandbytes, for cards of 24 GB; the adapter on top keeps its own precision."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal

import torch
from transformers import BitsAndBytesConfig

Quantization = Literal["nf4"]


def four_bit(kept: Sequence[str]) -> BitsAndBytesConfig:
    """NormalFloat4 with double quantisation (QLoRA, arXiv 2305.14314); parts named in `kept` stay as they are.

    Raises ValueError where bitsandbytes is not installed.
    """
    if find_spec("bitsandbytes") is None:
        raise ValueError("model.quantization = nf4 needs bitsandbytes: pip install 'timepro-lit[quantization]'")
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
        llm_int8_skip_modules=list(kept),
    )
