"""Voxtral: a Whisper encoder over padded 30-s windows, four states to a frame of 0.08 s, Llama decoder."""

from __future__ import annotations

import base64
import io
import wave
from functools import lru_cache

from torch import Tensor
from transformers import PreTrainedTokenizerBase, VoxtralForConditionalGeneration

from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.frontend import AudioPath
from timepro_lit.lalm.pretrained import Pretrained

NUM_FRAMES = 375
"""Of every clip: the language model reads its silence up to 30 s as well, as it was trained to."""


def whole_window(num_mel: int) -> int:
    """Audio frames of a clip, however short."""
    return NUM_FRAMES if num_mel > 0 else 0


def mistral_chat(tokenizer: PreTrainedTokenizerBase, prompt: str, audio_id: int) -> list[int]:
    """A user's turn by mistral-common, which writes the audio's placeholders itself; they are drawn into one."""
    content = [{"type": "audio", "base64": _silence()}, {"type": "text", "text": prompt}]
    ids: list[int] = tokenizer.apply_chat_template([{"role": "user", "content": content}], tokenize=True)["input_ids"]
    first, count = ids.index(audio_id), ids.count(audio_id)
    return ids[: first + 1] + ids[first + count :]


@lru_cache(maxsize=1)
def _silence() -> str:
    file = io.BytesIO()
    with wave.open(file, "wb") as clip:
        clip.setnchannels(1)
        clip.setsampwidth(2)
        clip.setframerate(16_000)
        clip.writeframes(bytes(3200))
    return base64.b64encode(file.getvalue()).decode()


class VoxtralLALM(LALM):
    """The model behind the house's seam."""

    def encode_own(self, features: Tensor, feature_mask: Tensor) -> Tensor:
        """(B, M, 3000) log-mel -> frames of all windows in order, (B * 375, D)."""
        return self.outer.model.get_audio_features(features).pooler_output


class Voxtral(Pretrained):
    """Voxtral, whose tokenizer needs mistral-common (the extra `voxtral`)."""

    model_types = ("voxtral",)
    outer_class = VoxtralForConditionalGeneration
    lalm_class = VoxtralLALM
    audio = AudioPath(frames_per_second=12.5, count_frames=whole_window, pads=True)
    end_token = "</s>"
    chat = staticmethod(mistral_chat)
