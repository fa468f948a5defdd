"""Audio Flamingo 3: a Whisper encoder over padded 30-s windows, 25 frames per second, Qwen2 decoder.

Longer clips, up to 10 minutes (`max_audio_len` of its processor), are windows one after another.
"""

from __future__ import annotations

from torch import Tensor
from transformers import AudioFlamingo3ForConditionalGeneration

from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.frontend import AudioPath
from timepro_lit.lalm.pretrained import Pretrained
from timepro_lit.lalm.whisper import WINDOW_MEL, halved_twice


class AudioFlamingo3LALM(LALM):
    """The model behind the house's seam."""

    def encode_own(self, features: Tensor, feature_mask: Tensor) -> Tensor:
        """(B, M, W * 3000) log-mel and its (B, W * 3000) mask -> frames of all clips, (sum of num_frames, D).

        W are the windows of the longest clip; those that others do not have are not encoded.
        """
        windows, mask = (
            features.unflatten(2, (-1, WINDOW_MEL)).transpose(1, 2),
            feature_mask.unflatten(1, (-1, WINDOW_MEL)),
        )
        own = mask.any(dim=2)
        return self.outer.model.get_audio_features(windows[own], mask[own]).pooler_output


class AudioFlamingo3(Pretrained):
    """Audio Flamingo 3 in the format of transformers; it is prompted about windows of 30 s."""

    model_types = ("audioflamingo3",)
    outer_class = AudioFlamingo3ForConditionalGeneration
    lalm_class = AudioFlamingo3LALM
    audio = AudioPath(frames_per_second=25.0, count_frames=halved_twice, pads=True, hears_s=600.0)
    end_token = "<|im_end|>"
