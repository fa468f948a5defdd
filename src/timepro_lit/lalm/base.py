"""What the rest of the house may know of a large audio-language model that answers.

We build `inputs_embeds` ourselves and call the inner language model, never the outer Hugging Face forward: that one
expects audio placeholders side by side, which an interleaved time prompt never has, and computes logits of the prompt.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import DynamicCache, ProcessorMixin

from timepro_lit.files.atomic import naming
from timepro_lit.lalm.attention import SDPA_IN_BLOCKS, Block, LongBlock, MaskRows, Watch, long_blocks, query_blocks
from timepro_lit.lalm.cache import FixedLayer, RoomyLayer, joined_layer
from timepro_lit.lalm.frontend import Frontend

FED_AT_ONCE = 2048
"""Tokens of a long prompt that go through the layers together, which would take gigabytes for all of them."""


class LALM(nn.Module):
    """An audio encoder, a language model and the frozen side table of timestamp embeddings.

    Shapes use the legend of `timepro_lit.records`. `model` is the outer Hugging Face model, wrapped by peft or not;
    `timestamps` is (K, D) or None without a time prompt.
    """

    timestamps: Tensor | None
    capture_steps: bool = True
    """Whether decoding steps on a GPU are replayed as CUDA graphs."""
    is_whole: bool = True
    """Whether nothing of the checkpoint was left out, so that it may be stored again."""
    processor_class: ClassVar[type[ProcessorMixin] | None] = None
    """For AutoProcessor, where a checkpoint says nothing of one."""

    def __init__(
        self, model: nn.Module, frontend: Frontend, timestamps: Tensor | None, share_positions: bool = False
    ) -> None:
        super().__init__()
        self.share_positions = share_positions
        self.model = model
        self.frontend = frontend
        self.audio_id = frontend.audio_id
        self.frames_per_second = frontend.frames_per_second
        self.first_timestamp_id = frontend.first_timestamp_id
        self.end_ids = frontend.end_ids
        self.pad_id = frontend.pad_id
        # Rebuilt from the base weights on load, never trained, hence in no checkpoint.
        self.register_buffer("timestamps", timestamps, persistent=False)

    @property
    def outer(self) -> nn.Module:
        """The Hugging Face task model itself, whether peft wraps it or not."""
        from peft import PeftModel  # takes seconds to import, and settings are checked without it

        return self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model

    @property
    def language_model(self) -> nn.Module:
        """The decoder without its head; takes `inputs_embeds`."""
        return self.outer.model.language_model

    @property
    def lm_head(self) -> nn.Module:
        """(..., D) -> (..., V)."""
        return self.outer.lm_head

    def encode_audio(self, features: Tensor, feature_mask: Tensor) -> Tensor:
        """(B, M, T) log-mel and its (B, T) mask -> frames of all clips in order, (sum of num_frames, D)."""
        return self.encode_own(features.to(self.outer.model.audio_tower.dtype), feature_mask)

    @abstractmethod
    def encode_own(self, features: Tensor, feature_mask: Tensor) -> Tensor:
        """The same by the family's own encoder, of features in its precision."""

    def train_base(self) -> None:
        """Make every base weight that audio and text go through trainable."""
        self.outer.requires_grad_(True)

    def train_language_model(self) -> None:
        """Make the language model trainable, but for the input embeddings: timestamps are made of those."""
        self.language_model.requires_grad_(True)
        self.lm_head.requires_grad_(True)
        self.language_model.get_input_embeddings().requires_grad_(False)

    def position_ids(self, positions: Tensor) -> Tensor:
        """(B, L) running positions in the shape the language model wants."""
        return positions

    @property
    def hidden_size(self) -> int:
        """D."""
        return self.language_model.get_input_embeddings().weight.shape[1]

    @property
    def vocab_size(self) -> int:
        """V, how many logits there are."""
        return self.lm_head.out_features

    def save_base(self, folder: Path, dtype: torch.dtype) -> None:
        """Write base weights in `dtype`, tokenizer and feature extractor as an ordinary checkpoint folder."""
        assert self.is_whole, "it was loaded without its vision tower, which others need"
        with naming(folder, SafetensorError):
            self.model.to(dtype).save_pretrained(folder)
            self.frontend.tokenizer.save_pretrained(folder)
            self.frontend.feature_extractor.save_pretrained(folder)

    def embed(self, ids: Tensor, frames: Tensor | None = None) -> Tensor:
        """(B, L) ids -> (B, L, D); `frames` fill the audio placeholders in reading order.

        Raises ValueError where placeholders and frames differ in number.
        """
        table = self.language_model.get_input_embeddings()
        is_time = ids >= self.first_timestamp_id
        embeds = table(ids.masked_fill(is_time, 0))
        if self.timestamps is not None:
            rows = self.timestamps[(ids - self.first_timestamp_id).clamp(min=0)]
            embeds = torch.where(is_time[..., None], rows.to(embeds.dtype), embeds)
        if frames is not None:
            is_audio = ids == self.audio_id
            if int(is_audio.sum()) != len(frames):
                raise ValueError(f"{int(is_audio.sum())} audio placeholders stand against {len(frames)} encoded frames")
            embeds = embeds.masked_scatter(is_audio[..., None], frames.to(embeds.dtype))
        return embeds

    def decode(
        self,
        embeds: Tensor,
        positions: Tensor,
        mask: Tensor | MaskRows,
        cache: DynamicCache | None = None,
        watch: Watch | None = None,
    ) -> Tensor:
        """(B, L, D) at (B, L) positions under a (B, L, K) mask, true = may attend -> hidden states (B, L, D).

        K counts what the cache holds plus L. The mask is always explicit: without one, transformers takes positions
        that restart for new packed sequences and cuts the answers off their prompt. Of long rows it is made for some
        queries at a time; without gradients such rows go into a cache `FED_AT_ONCE` tokens at a time.
        """
        if watch is not None:
            with self._attending_in_blocks():
                return self._decode(embeds, positions, mask, cache, watch=watch)
        num_tokens = embeds.shape[1]
        if isinstance(mask, Tensor) or cache is None or torch.is_grad_enabled() or num_tokens <= FED_AT_ONCE:
            return self._decode(embeds, positions, mask, cache)
        parts = []
        for start in range(0, num_tokens, FED_AT_ONCE):
            part = slice(start, min(start + FED_AT_ONCE, num_tokens))
            parts.append(self._decode(embeds[:, part], positions[:, part], partial(_later_rows, mask, start), cache))
        return torch.cat(parts, dim=1)

    @contextmanager
    def _attending_in_blocks(self) -> Iterator[None]:
        """Whatever attention the model was loaded with, ours for a while."""
        config = self.language_model.config
        before, config._attn_implementation = config._attn_implementation, SDPA_IN_BLOCKS
        try:
            yield
        finally:
            config._attn_implementation = before

    def _decode(
        self, embeds: Tensor, positions: Tensor, mask: Tensor | MaskRows, cache: DynamicCache | None, **seen: Any
    ) -> Tensor:
        implementation, num_tokens = self.language_model.config._attn_implementation, embeds.shape[1]
        blocks = {}
        if implementation == SDPA_IN_BLOCKS:
            blocks["blocks"] = self._query_blocks(mask, embeds, cache)
        if not isinstance(mask, Tensor):
            # With blocks nobody reads it but a watch, for the last queries.
            num_shown = 1 if "watch" not in seen else seen["watch"].num_queries
            mask = mask(num_tokens - num_shown if blocks else 0, num_tokens)
        mask = mask[:, None]
        if implementation == "eager":
            # Eager attention adds the mask to its scores: a bool would count as 0 and 1 and mask nothing.
            mask = torch.zeros_like(mask, dtype=embeds.dtype).masked_fill(~mask, torch.finfo(embeds.dtype).min)
        out: Any = self.language_model(
            inputs_embeds=embeds,
            position_ids=self.position_ids(positions),
            attention_mask=mask,
            past_key_values=cache,
            use_cache=cache is not None,
            **blocks,
            **seen,
        )
        return out.last_hidden_state

    def _query_blocks(
        self, mask: Tensor | MaskRows, embeds: Tensor, cache: DynamicCache | None
    ) -> Sequence[Block] | Sequence[LongBlock]:
        config, kind = self.language_model.config, embeds.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else embeds.dtype
        groups = config.num_attention_heads // config.num_key_value_heads
        if isinstance(mask, Tensor):
            return query_blocks(mask, groups, dtype)
        num_before = 0 if cache is None else int(cache.get_seq_length())
        return long_blocks(mask, embeds.shape[1], num_before, groups, dtype)

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., D) -> (..., V) float32."""
        return self.lm_head(hidden).float()

    def positions(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, L) running positions of left-padded ids; timestamps advance them or share their frame's."""
        if not self.share_positions:
            return (mask.long().cumsum(1) - 1).clamp(min=0)
        is_time = ids >= self.first_timestamp_id
        shared = (mask & ~is_time).long().cumsum(1) - 1
        time_prompt = self.frontend.time_prompt
        if time_prompt is not None and time_prompt.before:  # its frame is the next one
            shared += is_time
        return shared.clamp(min=0)

    def new_cache(self) -> DynamicCache:
        """An empty key-value cache for `decode`."""
        return DynamicCache()

    def fork(self, cache: DynamicCache) -> DynamicCache:
        """A cache of the same keys and values that grows by itself; no copy: growing makes new tensors anyway."""
        return _with_layers(cache, [copy(layer) for layer in cache.layers])

    @property
    def steps_are_captured(self) -> bool:
        """On a GPU, where launching a step's kernels takes longer than running them."""
        return self.capture_steps and next(self.language_model.parameters()).is_cuda

    def fork_to_roll_out(self, cache: DynamicCache, num_tokens: int | None = None) -> DynamicCache:
        """The same without a graph, for many short steps; it grows or, with `num_tokens`, has memory for so many."""
        if num_tokens is None:
            return _with_layers(cache, [RoomyLayer(layer) for layer in cache.layers])
        return _with_layers(cache, [FixedLayer(layer, num_tokens) for layer in cache.layers])

    def join(self, caches: Sequence[DynamicCache]) -> DynamicCache:
        """One cache of all rows of several, the shorter ones padded on the left."""
        return _with_layers(
            caches[0], [joined_layer(layers) for layers in zip(*(c.layers for c in caches), strict=True)]
        )

    def select(self, cache: DynamicCache, rows: Tensor) -> DynamicCache:
        """The cache of these batch rows alone, changed in place."""
        cache.batch_select_indices(rows)
        return cache


def _later_rows(rows: MaskRows, first: int, start: int, stop: int) -> Tensor:
    """The mask of queries that are counted from a later one."""
    return rows(first + start, first + stop)


def _with_layers(cache: DynamicCache, layers: list[Any]) -> DynamicCache:
    other = copy(cache)
    other.layers = layers
    return other
