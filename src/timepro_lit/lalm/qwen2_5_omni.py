"""Qwen2.5-Omni's thinker: Whisper-style encoder in 2-s windows, 25 frames per second, Qwen2 decoder.

Its own processor takes clips of up to 300 s (`chunk_length` of its feature extractor).
"""

from __future__ import annotations

from torch import Tensor
from transformers import Qwen2_5OmniThinkerForConditionalGeneration, Qwen2AudioProcessor

from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.frontend import AudioPath
from timepro_lit.lalm.pretrained import Pretrained
from timepro_lit.lalm.whisper import halved_twice


class Qwen2_5OmniLALM(LALM):
    """The thinker behind the house's seam."""

    processor_class = Qwen2AudioProcessor
    """It counts frames as the thinker does; the Omni processor does not load without those of images and videos."""

    def encode_own(self, features: Tensor, feature_mask: Tensor) -> Tensor:
        """(B, M, T) log-mel and its (B, T) mask -> frames of all clips in order, (sum of num_frames, D)."""
        packed = features.transpose(1, 2)[feature_mask].T
        return self.outer.model.audio_tower(packed, feature_lens=feature_mask.sum(1)).last_hidden_state

    def train_base(self) -> None:
        """All weights but those of the idle vision tower and the two boundary embeddings that thinkers do not use."""
        super().train_base()
        if hasattr(self.outer.model, "visual"):
            self.outer.model.visual.requires_grad_(False)
        self.outer.model.audio_tower.audio_bos_eos_token.requires_grad_(False)

    def position_ids(self, positions: Tensor) -> Tensor:
        """Three identical rows (time, height, width), as audio-only input has them: (3, B, L)."""
        return positions.expand(3, *positions.shape)


class Qwen2_5Omni(Pretrained):
    """Qwen2.5-Omni's thinker, alone or out of a full Omni folder, whose talker and vocoder are never built."""

    model_types = ("qwen2_5_omni_thinker", "qwen2_5_omni")
    outer_class = Qwen2_5OmniThinkerForConditionalGeneration
    lalm_class = Qwen2_5OmniLALM
    audio = AudioPath(frames_per_second=25.0, count_frames=halved_twice, hears_s=300.0)
    end_token = "<|im_end|>"
    whole_prefix = "thinker."
