"""A small random checkpoint of every backbone, of the real classes and in the real folder format."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mistral_common.tokens.tokenizers.tekken import Tekkenizer
from torch import Tensor
from transformers import (
    AudioFlamingo3Config,
    AudioFlamingo3ForConditionalGeneration,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2_5OmniConfig,
    Qwen2_5OmniForConditionalGeneration,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen3OmniMoeThinkerConfig,
    Qwen3OmniMoeThinkerForConditionalGeneration,
    VoxtralConfig,
    VoxtralForConditionalGeneration,
    WhisperFeatureExtractor,
)

from timepro_lit.grpo.layout import branch_mask
from timepro_lit.lalm.audio_flamingo3 import AudioFlamingo3
from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.frontend import Frontend
from timepro_lit.lalm.pretrained import Pretrained
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lalm.qwen2_audio import Qwen2Audio
from timepro_lit.lalm.qwen3_omni import Qwen3Omni
from timepro_lit.lalm.tiny import train_tokenizer, write_random_checkpoint
from timepro_lit.lalm.voxtral import Voxtral

TEXTS = [
    'When does "a dog barks" happen? Answer in JSON with times in seconds: {"a dog barks": [onset, offset]}',
    '{"a dog barks": [1.20, 3.48]}',
    "user\nassistant\n",
]
NUM_MEL = 16
TEXT: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    "intermediate_size": 64, "max_position_embeddings": 8192, "tie_word_embeddings": False,
}  # fmt: skip
WHISPER: dict[str, Any] = {
    "num_mel_bins": NUM_MEL, "d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64,
}  # fmt: skip
VISION = {"depth": 1, "hidden_size": 8, "intermediate_size": 8, "num_heads": 1, "out_hidden_size": 64}


@dataclass(frozen=True)
class Family:
    """A backbone, its test checkpoint, and how the library's own model is asked."""

    backbone: type[Pretrained]
    folder: Path
    feature_mask: str | None
    """Name of the outer forward's argument for the mel mask."""

    def source(self, attn_implementation: str = "sdpa", **settings: Any) -> Pretrained:
        """Our loader of the checkpoint, in float32."""
        return self.backbone(str(self.folder), "float32", attn_implementation, local_files_only=True, **settings)

    def outer(self, folder: Path | None = None) -> PreTrainedModel:
        """The library's own model of this or of another folder, in float32."""
        return self.backbone.outer_class.from_pretrained(folder or self.folder, dtype=torch.float32).eval()

    def waves(self, seconds: tuple[float, ...] = (2.5, 4.0, 0.5)) -> list[np.ndarray]:
        """Clips of noise."""
        rng = np.random.default_rng(0)
        return [(0.1 * rng.standard_normal(round(s * 16_000))).astype(np.float32) for s in seconds]

    def prompts(self, frontend: Frontend, clips: list[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Left-padded ids of a question about each clip, and their mask."""
        questions = ["When does a dog bark?" + "?" * n for n in range(len(clips))]
        rows = [frontend.prompt_ids(q, frontend.num_frames(len(w))) for q, w in zip(questions, clips, strict=True)]
        width = max(map(len, rows))
        ids = torch.tensor([[frontend.pad_id] * (width - len(r)) + r for r in rows])
        mask = torch.tensor([[False] * (width - len(r)) + [True] * len(r) for r in rows])
        return ids, mask

    def hidden_states(self, lalm: LALM, ids: Tensor, mask: Tensor, clips: list[np.ndarray]) -> Tensor:
        """Of our model on prompts with their clips."""
        frames = lalm.encode_audio(*lalm.frontend.features(clips))
        return lalm.decode(lalm.embed(ids, frames), lalm.positions(ids, mask), branch_mask(mask.long() - 1))

    def outer_inputs(self, frontend: Frontend, clips: list[np.ndarray]) -> dict[str, Tensor]:
        """What the library's own forward takes, its features padded to 30 s as its own processor does."""
        ids, mask = self.prompts(frontend, clips)
        audio = frontend.feature_extractor(
            clips, sampling_rate=16_000, padding="max_length", return_attention_mask=True, return_tensors="pt"
        )
        inputs = {"input_ids": ids, "attention_mask": mask.long(), "input_features": audio["input_features"]}
        return inputs | ({self.feature_mask: audio["attention_mask"]} if self.feature_mask else {})


def write_thinker(folder: Path) -> None:
    write_random_checkpoint(
        folder, TEXTS, vocab_size=400, seed=0, num_mel_bins=NUM_MEL, encoder_size=32, encoder_layers=2,
        hidden_size=64, num_layers=2, num_heads=4, num_kv_heads=2, intermediate_size=64,
    )  # fmt: skip


def write_full_omni(folder: Path) -> None:
    """Thinker, talker and vocoder of Qwen2.5-Omni, as the hub's folder has them; the thinker is `write_thinker`'s."""
    write_thinker(folder)
    thinker = json.loads((folder / "config.json").read_text())
    talker = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
              "intermediate_size": 32, "vocab_size": 128, "embedding_size": 64, "head_dim": 16,
              "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}}  # fmt: skip
    vocoder = {"dit_config": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "head_dim": 16,
                              "enc_channels": [16] * 5, "enc_dim": 8, "enc_emb_dim": 8, "emb_dim": 8,
                              "enc_attention_channels": 8, "enc_se_channels": 8, "num_embeds": 16, "mel_dim": 8},
               "bigvgan_config": {"mel_dim": 8, "upsample_initial_channel": 16, "upsample_rates": [2],
                                  "upsample_kernel_sizes": [4], "resblock_kernel_sizes": [3],
                                  "resblock_dilation_sizes": [[1, 3, 5]]}}  # fmt: skip
    config = Qwen2_5OmniConfig(thinker_config=thinker, talker_config=talker, token2wav_config=vocoder)
    torch.manual_seed(0)
    model = Qwen2_5OmniForConditionalGeneration(config)
    for path in folder.glob("*.safetensors"):
        path.unlink()
    model.save_pretrained(folder)
    torch.save({}, folder / "spk_dict.pt")  # the library's own loader asks for the voices


def write_qwen2_audio(folder: Path) -> None:
    tokenizer = train_tokenizer(TEXTS, 400)
    config = Qwen2AudioConfig(
        audio_config=WHISPER,
        text_config={"model_type": "qwen2", **TEXT, "vocab_size": 448},
        audio_token_id=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
    )
    _write(folder, config, Qwen2AudioForConditionalGeneration, tokenizer)


def write_audio_flamingo3(folder: Path) -> None:
    tokenizer = train_tokenizer(TEXTS, 400)
    config = AudioFlamingo3Config(
        audio_config={"num_mel_bins": NUM_MEL, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
                      "intermediate_size": 64},
        text_config={"model_type": "qwen2", **TEXT, "vocab_size": 448},
        audio_token_id=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
    )  # fmt: skip
    _write(folder, config, AudioFlamingo3ForConditionalGeneration, tokenizer)


def write_qwen3_omni(folder: Path) -> None:
    tokenizer = train_tokenizer(TEXTS, 400)
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "decoder_sparse_step": 1}
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 2, 2]}
    config = Qwen3OmniMoeThinkerConfig(
        audio_config={**WHISPER, "output_dim": 64, "downsample_hidden_size": 8, "n_window": 50, "n_window_infer": 200},
        vision_config={**VISION, "patch_size": 2, "temporal_patch_size": 1, "spatial_merge_size": 1,
                       "deepstack_visual_indexes": [0], "num_position_embeddings": 16},
        text_config={**TEXT, **experts, "vocab_size": 448, "rope_parameters": rope},
        audio_token_id=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
        image_token_id=tokenizer.convert_tokens_to_ids("<|IMAGE|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|VIDEO|>"),
        audio_start_token_id=tokenizer.convert_tokens_to_ids("<|audio_bos|>"),
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_bos|>"),
    )  # fmt: skip
    _write(folder, config, Qwen3OmniMoeThinkerForConditionalGeneration, tokenizer)


def write_voxtral(folder: Path) -> None:
    """With a tekken.json of single bytes, as mistral-common reads it."""
    config = VoxtralConfig(
        audio_config={"num_mel_bins": NUM_MEL, "hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 2,
                      "num_attention_heads": 2},
        text_config={"model_type": "llama", **TEXT, "vocab_size": 320, "bos_token_id": 1, "eos_token_id": 2},
        audio_token_id=24,
    )  # fmt: skip
    _write(folder, config, VoxtralForConditionalGeneration, None)
    names = {token["rank"]: token["token_str"] for token in Tekkenizer.DEPRECATED_SPECIAL_TOKENS}
    names |= {24: "[AUDIO]", 25: "[BEGIN_AUDIO]", 34: "[TRANSCRIBE]"}
    special = [{"rank": i, "token_str": names.get(i, f"<SPECIAL_{i}>"), "is_control": True} for i in range(40)]
    vocab = [{"rank": i, "token_bytes": base64.b64encode(bytes([i])).decode(), "token_str": chr(i)} for i in range(256)]
    spectrogram = {"num_mel_bins": NUM_MEL, "hop_length": 160, "window_size": 400}
    audio = {"sampling_rate": 16000, "frame_rate": 12.5, "audio_encoding_config": spectrogram, "chunk_length_s": 30.0}
    tekken = {
        "config": {"pattern": r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|\s+|.", "num_vocab_tokens": 256,
                   "default_vocab_size": 296, "default_num_special_tokens": 40, "version": "v7"},
        "vocab": vocab, "special_tokens": special, "audio": audio, "version": 1, "type": "Tekken",
    }  # fmt: skip
    (folder / "tekken.json").write_text(json.dumps(tekken))


def _write(
    folder: Path,
    config: PreTrainedConfig,
    outer: type[PreTrainedModel],
    tokenizer: PreTrainedTokenizerFast | None,
) -> None:
    torch.manual_seed(0)
    model = outer(config)
    if tokenizer is not None:
        model.generation_config.eos_token_id = tokenizer.eos_token_id
        model.generation_config.pad_token_id = tokenizer.pad_token_id
        tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=NUM_MEL).save_pretrained(folder)


FAMILIES: dict[str, tuple[type[Pretrained], Callable[[Path], None], str | None]] = {
    "qwen2_5_omni": (Qwen2_5Omni, write_thinker, "feature_attention_mask"),
    "qwen2_audio": (Qwen2Audio, write_qwen2_audio, "feature_attention_mask"),
    "audio_flamingo3": (AudioFlamingo3, write_audio_flamingo3, "input_features_mask"),
    "voxtral": (Voxtral, write_voxtral, None),
    "qwen3_omni": (Qwen3Omni, write_qwen3_omni, "feature_attention_mask"),
}


@pytest.fixture(scope="session")
def family_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Family]:
    """Name -> family, its checkpoint written on first use."""

    @cache
    def make(name: str) -> Family:
        backbone, write, feature_mask = FAMILIES[name]
        folder = tmp_path_factory.mktemp(name)
        write(folder)
        return Family(backbone, folder, feature_mask)

    return make


@pytest.fixture(params=list(FAMILIES))
def family(request: pytest.FixtureRequest, family_of: Callable[[str], Family]) -> Family:
    """Every backbone in turn."""
    return family_of(request.param)


@pytest.fixture(scope="session")
def checkpoint(family_of: Callable[[str], Family]) -> Path:
    """A random Qwen2.5-Omni thinker."""
    return family_of("qwen2_5_omni").folder


@pytest.fixture(scope="session")
def full_omni(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen2.5-Omni with its talker and vocoder."""
    folder = tmp_path_factory.mktemp("full_omni")
    write_full_omni(folder)
    return folder
