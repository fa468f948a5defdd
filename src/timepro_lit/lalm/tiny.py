"""A small Qwen2.5-Omni thinker from nothing: tokenizer, configuration, random weights, in the real folder format."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    WhisperFeatureExtractor,
)

from timepro_lit.files.atomic import naming
from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.frontend import Frontend
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.time_prompt.prompt import TimePrompt

QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Qwen's pre-tokenisation: every digit is a token of its own."""
SPECIAL_TOKENS = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>",
    "<|IMAGE|>", "<|VIDEO|>", "<|vision_bos|>", "<|vision_eos|>",
]  # fmt: skip
TEXTS = "texts.sha256"
"""Hash of what the tokenizer was trained on, beside it."""
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'audio' %}<|audio_bos|><|AUDIO|><|audio_eos|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE over `texts` with Qwen's special tokens and pre-tokenisation."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    bpe.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=SPECIAL_TOKENS, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=SPECIAL_TOKENS[1:],
        model_max_length=32768,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def small_config(
    tokenizer: PreTrainedTokenizerFast,
    num_mel_bins: int,
    encoder_size: int,
    encoder_layers: int,
    hidden_size: int,
    num_layers: int,
    num_heads: int,
    num_kv_heads: int,
    intermediate_size: int,
) -> Qwen2_5OmniThinkerConfig:
    """A thinker with small sizes; its vision tower is one idle layer of a few hundred weights."""
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in SPECIAL_TOKENS}
    half = hidden_size // num_heads // 2
    sections = [half - 2 * (half * 3 // 8), half * 3 // 8, half * 3 // 8]
    config = Qwen2_5OmniThinkerConfig(
        audio_config={
            "num_mel_bins": num_mel_bins, "d_model": encoder_size, "encoder_layers": encoder_layers,
            "encoder_attention_heads": encoder_size // 32, "encoder_ffn_dim": 4 * encoder_size,
            "output_dim": hidden_size, "n_window": 100,
        },
        vision_config={
            "depth": 1, "hidden_size": 8, "intermediate_size": 8, "num_heads": 1, "out_hidden_size": hidden_size,
            "patch_size": 2, "temporal_patch_size": 1, "spatial_merge_size": 1, "fullatt_block_indexes": [0],
        },
        text_config={
            "vocab_size": -(-len(tokenizer) // 64) * 64, "hidden_size": hidden_size, "num_hidden_layers": num_layers,
            "num_attention_heads": num_heads, "num_key_value_heads": num_kv_heads,
            "intermediate_size": intermediate_size, "max_position_embeddings": 8192,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": sections},
            "pad_token_id": ids["<|endoftext|>"], "eos_token_id": ids["<|im_end|>"], "tie_word_embeddings": False,
        },
        audio_token_index=ids["<|AUDIO|>"], audio_start_token_id=ids["<|audio_bos|>"],
        audio_end_token_id=ids["<|audio_eos|>"], image_token_index=ids["<|IMAGE|>"], video_token_index=ids["<|VIDEO|>"],
        vision_start_token_id=ids["<|vision_bos|>"], vision_end_token_id=ids["<|vision_eos|>"],
        user_token_id=tokenizer("user", add_special_tokens=False)["input_ids"][0],
    )  # fmt: skip
    return config


def write_random_checkpoint(folder: Path, texts: Iterable[str], vocab_size: int, seed: int, **sizes: int) -> None:
    """A complete checkpoint folder with random weights: what `Qwen2_5Omni(checkpoint=folder)` loads."""
    tokenizer = train_tokenizer(texts, vocab_size)
    config = small_config(tokenizer, **sizes)
    torch.manual_seed(seed)
    model = Qwen2_5OmniThinkerForConditionalGeneration(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    folder.mkdir(parents=True, exist_ok=True)
    with naming(folder, SafetensorError):
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        WhisperFeatureExtractor(feature_size=sizes["num_mel_bins"]).save_pretrained(folder)


class Tiny:
    """A `Backbone` that starts from random weights: what `+experiment=tiny_base` trains.

    The random checkpoint is made on first use from the corpus' own texts and a seed, in `folder` with a hash of all
    arguments behind its name.
    """

    revision = None
    dtype = "float32"
    whole_prefix = ""

    def __init__(
        self,
        folder: str,
        seed: int,
        vocab_size: int,
        num_mel_bins: int,
        encoder_size: int,
        encoder_layers: int,
        hidden_size: int,
        num_layers: int,
        num_heads: int,
        num_kv_heads: int,
        intermediate_size: int,
        attn_implementation: str = "eager",
    ) -> None:
        self.seed = seed
        self.vocab_size = vocab_size
        self.sizes = {
            "num_mel_bins": num_mel_bins, "encoder_size": encoder_size, "encoder_layers": encoder_layers,
            "hidden_size": hidden_size, "num_layers": num_layers, "num_heads": num_heads,
            "num_kv_heads": num_kv_heads, "intermediate_size": intermediate_size,
        }  # fmt: skip
        described = json.dumps([seed, vocab_size, self.sizes], sort_keys=True)
        self.checkpoint = f"{folder}-{hashlib.sha256(described.encode()).hexdigest()[:8]}"
        self.loader = Qwen2_5Omni(self.checkpoint, "float32", attn_implementation, local_files_only=True)

    def at(self, checkpoint: Path) -> Qwen2_5Omni:
        """The model that was trained from it."""
        return self.loader.at(checkpoint)

    def make_checkpoint(self, texts: Callable[[], Iterable[str]]) -> None:
        """Write the random checkpoint unless it is there.

        Raises ValueError where the one that is there was made from other texts.
        """
        folder, all_texts = Path(self.checkpoint), list(texts())
        digest = hashlib.sha256(json.dumps(all_texts).encode()).hexdigest()
        if (folder / "config.json").exists():
            if (folder / TEXTS).read_text() != digest:
                raise ValueError(f"{folder} was made from the texts of other data: delete it, or set model.folder")
            return
        partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
        write_random_checkpoint(partial, all_texts, self.vocab_size, self.seed, **self.sizes)
        (partial / TEXTS).write_text(digest)
        try:
            partial.rename(folder)
        except OSError:  # another process was faster, with the same weights
            shutil.rmtree(partial)

    def cached(self, name: str) -> Path | None:
        """As of any other checkpoint folder."""
        return self.loader.cached(name)

    def frontend(self, time_prompt: TimePrompt | None) -> Frontend:
        """As of any other checkpoint folder."""
        return self.loader.frontend(time_prompt)

    def load(self, time_prompt: TimePrompt | None, whole: bool = False) -> LALM:
        """As of any other checkpoint folder."""
        return self.loader.load(time_prompt, whole)
