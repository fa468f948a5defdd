"""Qwen3-Omni's thinker: convolutions over blocks of one second, 13 frames each, mixture-of-experts decoder.

Its encoder attends within 8 s; the model is made for clips of up to 40 minutes (Qwen3-Omni, arXiv 2509.17765).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import Qwen3OmniMoeThinkerForConditionalGeneration

from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.frontend import AudioPath
from timepro_lit.lalm.pretrained import Pretrained

BLOCK_MEL = 100
"""Mel frames of a block. Its frames take eight each, the thirteenth the last four."""
BLOCK_FRAMES = 13


def in_blocks(num_mel: int) -> int:
    """Audio frames of `num_mel` mel frames of 10 ms."""
    blocks, rest = divmod(num_mel, BLOCK_MEL)
    return blocks * BLOCK_FRAMES + -(-rest // 8)


class Qwen3OmniLALM(LALM):
    """The thinker behind the house's seam."""

    def encode_own(self, features: Tensor, feature_mask: Tensor) -> Tensor:
        """(B, M, T) log-mel and its (B, T) mask -> frames of all clips in order, (sum of num_frames, D).

        Every block is padded to its full length: padded to the longest of the batch, as the library does it, a clip
        of less than a second would sound different beside a longer one.
        """
        tower, lengths = self.outer.model.audio_tower, feature_mask.sum(1)
        blocks, counts = [], []
        for clip, length in zip(features, lengths.tolist(), strict=True):
            of_clip = clip[:, :length].split(BLOCK_MEL, dim=1)
            blocks += [F.pad(block, (0, BLOCK_MEL - block.shape[1])) for block in of_clip]
            counts += [block.shape[1] for block in of_clip]
        return tower(
            features,
            feature_lens=lengths,
            padded_feature=torch.stack(blocks),
            chunk_lengths=torch.tensor(counts, device=features.device),
        ).last_hidden_state

    @property
    def steps_are_captured(self) -> bool:
        """On a GPU of compute capability 9 or above: on others, torch reads each expert's share on the CPU."""
        device = next(self.language_model.parameters()).device
        return super().steps_are_captured and torch.cuda.get_device_capability(device) >= (9, 0)

    def train_base(self) -> None:
        """All weights but those of the idle vision tower."""
        super().train_base()
        if hasattr(self.outer.model, "visual"):
            self.outer.model.visual.requires_grad_(False)

    def position_ids(self, positions: Tensor) -> Tensor:
        """Three identical rows (time, height, width), as audio-only input has them: (3, B, L)."""
        return positions.expand(3, *positions.shape)


class Qwen3Omni(Pretrained):
    """Qwen3-Omni's thinker, alone or out of a full Omni folder; LoRA sits on attention, not on the stacked experts."""

    model_types = ("qwen3_omni_moe_thinker", "qwen3_omni_moe")
    outer_class = Qwen3OmniMoeThinkerForConditionalGeneration
    lalm_class = Qwen3OmniLALM
    audio = AudioPath(frames_per_second=12.5, count_frames=in_blocks, block_s=1.0, hears_s=2400.0)
    end_token = "<|im_end|>"
    whole_prefix = "thinker."
