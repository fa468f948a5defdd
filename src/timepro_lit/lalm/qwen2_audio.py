"""Qwen2-Audio: a Whisper encoder over padded 30-s windows, 25 frames per second, Qwen2 decoder."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import Qwen2AudioForConditionalGeneration, Qwen2AudioProcessor

from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.frontend import AudioPath
from timepro_lit.lalm.pretrained import Pretrained
from timepro_lit.lalm.whisper import halved_twice, own_frames


class Qwen2AudioLALM(LALM):
    """The model behind the house's seam."""

    def encode_own(self, features: Tensor, feature_mask: Tensor) -> Tensor:
        """(B, M, 3000) log-mel and its (B, 3000) mask -> frames of all clips in order, (sum of num_frames, D).

        The encoder attends a clip's own positions alone.
        """
        model, num_conv = self.outer.model, (features.shape[-1] - 2) // 2 + 1
        own = torch.arange(num_conv, device=features.device) < ((feature_mask.sum(1) - 1) // 2 + 1)[:, None]
        mask = own[:, None, None].expand(-1, 1, num_conv, -1)
        if model.audio_tower.config._attn_implementation == "eager":
            dtype = model.audio_tower.dtype
            mask = torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)
        frames = model.audio_tower(features, attention_mask=mask).last_hidden_state
        return own_frames(model.multi_modal_projector(frames), feature_mask)


class Qwen2Audio(Pretrained):
    """Qwen2-Audio, the instruction model."""

    model_types = ("qwen2_audio",)
    outer_class = Qwen2AudioForConditionalGeneration
    lalm_class = Qwen2AudioLALM
    audio = AudioPath(frames_per_second=25.0, count_frames=halved_twice, pads=True)
    end_token = "<|im_end|>"

    def library_template(self) -> str | None:
        """Its published files hold no chat template for audio; the property that does reads nothing of its object."""
        found = getattr(Qwen2AudioProcessor, "default_chat_template", None)
        return None if found is None else str(found.fget(None))
