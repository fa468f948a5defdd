"""Qwen2.5-Omni's thinker: Whisper-style encoder in 2-s windows, 25 frames per second, Qwen2 decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoTokenizer,
    Qwen2_5OmniThinkerForConditionalGeneration,
)
from transformers.utils import logging

from timepro_lit.lalm.base import LALM, Frontend
from timepro_lit.time_prompt.prompt import TimePrompt

FRAMES_PER_SECOND = 25.0
MAX_DURATION_S = 30.0


class Qwen2_5OmniLALM(LALM):
    """The thinker behind the house's seam."""

    @property
    def thinker(self) -> nn.Module:
        """The Hugging Face model itself, whether peft wraps it or not."""
        inner = self.model
        return inner if isinstance(inner, Qwen2_5OmniThinkerForConditionalGeneration) else inner.get_base_model()

    @property
    def language_model(self) -> nn.Module:
        return self.thinker.model.language_model

    @property
    def lm_head(self) -> nn.Module:
        return self.thinker.lm_head

    def encode_audio(self, features: Tensor, feature_mask: Tensor) -> Tensor:
        """(B, M, T) log-mel and its (B, T) mask -> frames of all clips in order, (sum of num_frames, D)."""
        packed = features.transpose(1, 2)[feature_mask].T
        return self.thinker.model.audio_tower(packed, feature_lens=feature_mask.sum(1)).last_hidden_state

    def train_base(self) -> None:
        """All weights but those of the idle vision tower and the two boundary embeddings that thinkers do not use."""
        self.thinker.requires_grad_(True)
        self.thinker.model.visual.requires_grad_(False)
        self.thinker.model.audio_tower.audio_bos_eos_token.requires_grad_(False)

    def position_ids(self, positions: Tensor) -> Tensor:
        """Three identical rows (time, height, width), as audio-only input has them: (3, B, L)."""
        return positions.expand(3, *positions.shape)


class Qwen2_5Omni:
    """Where a Qwen2.5-Omni thinker comes from: a checkpoint folder or a hub name, and how it is loaded.

    `dtype` is that of the base weights. Only safetensors are read.
    """

    def __init__(
        self,
        checkpoint: str,
        dtype: str = "bfloat16",
        attn_implementation: str = "sdpa",
        revision: str | None = None,
        local_files_only: bool = False,
    ) -> None:
        self.checkpoint = checkpoint
        self.dtype = dtype
        self.attn_implementation = attn_implementation
        self.revision = revision
        self.local_files_only = local_files_only

    def prepare(self, texts: Callable[[], Iterable[str]]) -> None:
        """The checkpoint is there already or comes from the hub."""

    def frontend(self, time_prompt: TimePrompt | None) -> Frontend:
        """Tokenizer and feature extractor, without weights. Raises FileNotFoundError where the folder is missing."""
        self._check_folder()
        where = {"revision": self.revision, "local_files_only": self.local_files_only}
        config = AutoConfig.from_pretrained(self.checkpoint, **where)
        text = getattr(config, "thinker_config", config).text_config
        grid = None if time_prompt is None else time_prompt.grid(FRAMES_PER_SECOND, MAX_DURATION_S)
        return Frontend(
            tokenizer=AutoTokenizer.from_pretrained(self.checkpoint, **where),
            feature_extractor=AutoFeatureExtractor.from_pretrained(self.checkpoint, **where),
            audio_token="<|AUDIO|>",
            end_token="<|im_end|>",
            first_timestamp_id=text.vocab_size,
            frames_per_second=FRAMES_PER_SECOND,
            max_duration_s=MAX_DURATION_S,
            grid=grid,
        )

    def load(self, time_prompt: TimePrompt | None) -> Qwen2_5OmniLALM:
        """The model with its timestamp table; base weights frozen."""
        frontend = self.frontend(time_prompt)
        logging.disable_progress_bar()  # a bar per loaded file says nothing about the run
        model = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(
            self.checkpoint,
            dtype=getattr(torch, self.dtype),
            attn_implementation=self.attn_implementation,
            revision=self.revision,
            local_files_only=self.local_files_only,
            use_safetensors=True,
        )
        model.requires_grad_(False)
        embeddings = model.model.language_model.get_input_embeddings().weight
        share = time_prompt is not None and time_prompt.share_positions
        return Qwen2_5OmniLALM(model, frontend, timestamp_table(time_prompt, frontend, embeddings), share)

    def _check_folder(self) -> None:
        looks_local = self.checkpoint.startswith(("/", ".", "~")) or self.checkpoint.count("/") != 1
        if looks_local and not (Path(self.checkpoint) / "config.json").exists():
            raise FileNotFoundError(f"model.checkpoint = {self.checkpoint}: no config.json there")


def timestamp_table(time_prompt: TimePrompt | None, frontend: Frontend, embeddings: Tensor) -> Tensor | None:
    """(K, D) frozen timestamp rows, by eq. (1) or at random, in the dtype of `embeddings`; None without a prompt."""
    if time_prompt is None or frontend.grid is None:
        return None
    rows = time_prompt.table(
        frontend.grid, lambda text: frontend.tokenizer(text, add_special_tokens=False)["input_ids"], embeddings
    )
    return rows.to(embeddings.dtype)
