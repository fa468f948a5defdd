"""What the rest of the house may know of a large audio-language model: the `Frontend` (no weights) and the `LALM`.

We build `inputs_embeds` ourselves and call the inner language model, never the outer Hugging Face forward: that one
expects audio placeholders side by side, which an interleaved time prompt never has, and computes logits of the prompt.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedTokenizerBase, SequenceFeatureExtractor

from timepro_lit.time_prompt.grid import TimeGrid
from timepro_lit.time_prompt.interleave import interleave


class Frontend:
    """Turns samples and text into what a `LALM` reads, and ids back into text. Holds no weights; picklable.

    `grid` is None where no time prompt is used. Timestamp k of the grid has id `first_timestamp_id + k - 1`, past the
    rows of the model's embedding matrix, and never reaches the tokenizer.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        feature_extractor: SequenceFeatureExtractor,
        audio_token: str,
        end_token: str,
        first_timestamp_id: int,
        frames_per_second: float,
        max_duration_s: float,
        grid: TimeGrid | None,
    ) -> None:
        self.tokenizer = tokenizer
        self.feature_extractor = feature_extractor
        self.sampling_rate: int = feature_extractor.sampling_rate
        self.frames_per_second = frames_per_second
        self.max_duration_s = max_duration_s
        self.grid = grid
        self.first_timestamp_id = first_timestamp_id
        self.audio_id = tokenizer.convert_tokens_to_ids(audio_token)
        self.end_id = tokenizer.convert_tokens_to_ids(end_token)
        self.pad_id: int = self.end_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id

    def num_mel_frames(self, num_samples: int) -> int:
        """Mel frames of a clip that hold its own samples."""
        return -(-num_samples // self.feature_extractor.hop_length)

    def num_frames(self, num_samples: int) -> int:
        """Audio frames that the encoder returns for a clip: one stride-2 convolution, then pooling by two."""
        return ((self.num_mel_frames(num_samples) - 1) // 2 + 1) // 2

    def features(self, waveforms: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Log-mel spectrograms (B, M, T) and their mask (B, T) of mono clips at `sampling_rate`.

        Every clip is padded past its end by a whole analysis window, so that its frames do not depend on the length
        of its neighbours: they equal those of the extractor's own padding to 30 s.
        """
        limit = self.feature_extractor.n_samples
        longest = max(len(w) for w in waveforms)
        if longest > limit:
            raise ValueError(f"a clip of {longest / self.sampling_rate:.2f} s exceeds the extractor's 30 s window")
        out = self.feature_extractor(
            list(waveforms),
            sampling_rate=self.sampling_rate,
            padding="max_length",
            max_length=min(limit, longest + self.feature_extractor.n_fft),
            return_attention_mask=True,
            return_tensors="pt",
        )
        mask = out["attention_mask"].bool()
        num_mel = int(mask.sum(1).max())
        return out["input_features"][..., :num_mel].float(), mask[:, :num_mel]

    def prompt_ids(self, prompt: str, num_frames: int) -> list[int]:
        """Chat template with the audio, interleaved with timestamps where a grid is set, and the text `prompt`."""
        content = [{"type": "audio", "audio": ""}, {"type": "text", "text": prompt}]
        chat = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        ids: list[int] = self.tokenizer(chat, add_special_tokens=False)["input_ids"]
        if ids.count(self.audio_id) != 1:
            raise ValueError(f"the chat of prompt {prompt!r} holds {ids.count(self.audio_id)} audio tokens, not one")
        at = ids.index(self.audio_id)
        return ids[:at] + self._audio_ids(num_frames) + ids[at + 1 :]

    def _audio_ids(self, num_frames: int) -> list[int]:
        if self.grid is None:
            return [self.audio_id] * num_frames
        self.grid.timestamps_for(num_frames)  # raises for empty clips and for those past the end of the grid
        return interleave(num_frames, self.grid.stride, self.audio_id, self.first_timestamp_id)

    def answer_ids(self, text: str) -> list[int]:
        """Ids of an answer, end of turn included."""
        return [*self.tokenizer(text, add_special_tokens=False)["input_ids"], self.end_id]

    def text(self, ids: Sequence[int]) -> str:
        """Text of an answer up to its end of turn, special tokens left out."""
        kept = list(ids)
        if self.end_id in kept:
            kept = kept[: kept.index(self.end_id)]
        return self.tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)


class LALM(nn.Module):
    """An audio encoder, a language model and the frozen side table of timestamp embeddings.

    Shapes use the legend of `timepro_lit.records`. `model` is the outer Hugging Face model, wrapped by peft or not;
    `timestamps` is (K, D) or None without a time prompt.
    """

    timestamps: Tensor | None

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
        self.end_ids = (frontend.end_id,)
        self.pad_id = frontend.pad_id
        # Rebuilt from the base weights on load, never trained, hence in no checkpoint.
        self.register_buffer("timestamps", timestamps, persistent=False)

    @property
    @abstractmethod
    def language_model(self) -> nn.Module:
        """The decoder without its head; takes `inputs_embeds`."""

    @property
    @abstractmethod
    def lm_head(self) -> nn.Module:
        """(..., D) -> (..., V)."""

    @abstractmethod
    def encode_audio(self, features: Tensor, feature_mask: Tensor) -> Tensor:
        """(B, M, T) log-mel and its (B, T) mask -> frames of all clips in order, (sum of num_frames, D)."""

    @abstractmethod
    def train_base(self) -> None:
        """Make every base weight that audio and text go through trainable."""

    @abstractmethod
    def position_ids(self, positions: Tensor) -> Tensor:
        """(B, L) running positions in the shape the language model wants."""

    @property
    def hidden_size(self) -> int:
        """D."""
        return self.language_model.get_input_embeddings().weight.shape[1]

    def save_base(self, folder: Path, dtype: torch.dtype) -> None:
        """Write base weights in `dtype`, tokenizer and feature extractor as an ordinary checkpoint folder."""
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

    def decode(self, embeds: Tensor, positions: Tensor, mask: Tensor, cache: DynamicCache | None = None) -> Tensor:
        """(B, L, D) at (B, L) positions under a (B, L, K) mask, true = may attend -> hidden states (B, L, D).

        K counts what the cache holds plus L. The mask is always explicit: without one, transformers takes positions
        that restart for new packed sequences and cuts the answers off their prompt.
        """
        mask = mask[:, None]
        if self.language_model.config._attn_implementation == "eager":
            # Eager attention adds the mask to its scores: a bool would count as 0 and 1 and mask nothing.
            mask = torch.zeros_like(mask, dtype=embeds.dtype).masked_fill(~mask, torch.finfo(embeds.dtype).min)
        out: Any = self.language_model(
            inputs_embeds=embeds,
            position_ids=self.position_ids(positions),
            attention_mask=mask,
            past_key_values=cache,
            use_cache=cache is not None,
        )
        return out.last_hidden_state

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., D) -> (..., V) float32."""
        return self.lm_head(hidden).float()

    def positions(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, L) running positions of left-padded ids; timestamps advance them or share their frame's."""
        advances = mask if not self.share_positions else mask & (ids < self.first_timestamp_id)
        return (advances.long().cumsum(1) - 1).clamp(min=0)

    def new_cache(self) -> DynamicCache:
        """An empty key-value cache for `decode`."""
        return DynamicCache()

    def select(self, cache: DynamicCache, rows: Tensor) -> DynamicCache:
        """The cache of these batch rows alone, changed in place."""
        cache.batch_select_indices(rows)
        return cache
