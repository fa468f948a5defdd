"""Audio Flamingo 3: a Whisper encoder over padded 30-s windows, 25 frames per second, Qwen2 decoder."""

from __future__ import annotations

from torch import Tensor
from transformers import AudioFlamingo3ForConditionalGeneration

from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.frontend import AudioPath
from timepro_lit.lalm.pretrained import Pretrained
from timepro_lit.lalm.whisper import halved_twice


class AudioFlamingo3LALM(LALM):
    """The model behind the house's seam."""

    def encode_own(self, features: Tensor, feature_mask: Tensor) -> Tensor:
        """(B, M, 3000) log-mel and its (B, 3000) mask -> frames of all clips in order, (sum of num_frames, D)."""
        return self.outer.model.get_audio_features(features, feature_mask).pooler_output


class AudioFlamingo3(Pretrained):
    """Audio Flamingo 3 in the format of transformers; it is prompted about one window of 30 s."""

    model_types = ("audioflamingo3",)
    outer_class = AudioFlamingo3ForConditionalGeneration
    lalm_class = AudioFlamingo3LALM
    audio = AudioPath(frames_per_second=25.0, max_duration_s=30.0, count_frames=halved_twice, pads=True)
    end_token = "<|im_end|>"
