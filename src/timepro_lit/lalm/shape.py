"""The sizes of a backbone, read from its configuration alone: its modules are made without any weights."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy, deepcopy
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from timepro_lit.lalm.frontend import WINDOW_S
from timepro_lit.lalm.pretrained import Pretrained
from timepro_lit.lalm.tiny import Tiny
from timepro_lit.planning.shape import Decoder, Encoder, Shape

WHISPER_LARGE: Mapping[str, int] = {
    "num_mel_bins": 128, "d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20, "encoder_ffn_dim": 5120,
}  # fmt: skip
QWEN2_7B: Mapping[str, Any] = {
    "hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
    "intermediate_size": 18944, "vocab_size": 152064, "tie_word_embeddings": False,
}  # fmt: skip
PUBLISHED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "qwen2_5_omni_thinker": (
        "Qwen/Qwen2.5-Omni-7B",
        {"text_config": QWEN2_7B, "audio_config": WHISPER_LARGE | {"n_window": 100, "output_dim": 3584}},
    ),
    "qwen2_audio": (
        "Qwen/Qwen2-Audio-7B-Instruct",
        {
            "text_config": {
                "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
                "intermediate_size": 11008, "vocab_size": 156032, "tie_word_embeddings": False,
            },
            "audio_config": WHISPER_LARGE,
        },
    ),
    "audioflamingo3": (
        "nvidia/audio-flamingo-3-hf",
        {"text_config": {"model_type": "qwen2"} | QWEN2_7B, "audio_config": {"num_mel_bins": 128}},
    ),
    "voxtral": (
        "mistralai/Voxtral-Mini-3B-2507",
        {
            "text_config": {
                "model_type": "llama", "hidden_size": 3072, "num_hidden_layers": 30, "num_attention_heads": 32,
                "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 8192, "vocab_size": 131072,
                "tie_word_embeddings": False,
            },
            "audio_config": {"num_mel_bins": 128},
        },
    ),
    "qwen3_omni_moe_thinker": (
        "Qwen/Qwen3-Omni-30B-A3B-Instruct",
        {
            "text_config": {
                "hidden_size": 2048, "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4,
                "head_dim": 128, "moe_intermediate_size": 768, "num_experts": 128, "num_experts_per_tok": 8,
                "vocab_size": 152064, "tie_word_embeddings": False,
            },
            "audio_config": WHISPER_LARGE | {"n_window": 50, "n_window_infer": 800, "output_dim": 2048},
        },
    ),
}  # fmt: skip
"""Of each family by `model_type`: a model on the hub, and the sizes in its config.json."""


def shape_of(backbone: Any) -> tuple[Shape, str]:
    """The sizes of a backbone, and where they are from; nothing is asked of the hub.

    Where its configuration is not here, they are those of the family's published model. Raises ValueError for a
    backbone that says neither.
    """
    loader = backbone.loader if isinstance(backbone, Tiny) else backbone
    if not isinstance(loader, Pretrained):
        raise ValueError(f"model: {type(backbone).__name__} does not say its sizes")
    loader = offline(loader)
    try:
        config = loader.config()
        return measured(loader, config), f"config.json of {loader.checkpoint}"
    except (ValueError, OSError) as error:
        if isinstance(backbone, Tiny):
            raise ValueError(f"model: {loader.checkpoint} is made by the run, and not there yet") from error
        model_type = next((name for name in loader.model_types if name in PUBLISHED), None)
        if model_type is None:
            raise
    name, sizes = PUBLISHED[model_type]
    config = loader.outer_class.config_class(**sizes)
    return measured(loader, config), f"assumed: those of {name}"


def offline(loader: Pretrained) -> Pretrained:
    """The same, which never asks the hub."""
    other = copy(loader)
    other.local_files_only = True
    return other


def measured(loader: Pretrained | type[Pretrained], config: Any) -> Shape:
    """The sizes that a configuration of the loader's family comes to; its vision tower is left out."""
    config = deepcopy(config)
    if hasattr(config, "vision_config"):
        config.vision_config.depth = 0
    with torch.device("meta"):
        model: PreTrainedModel = loader.outer_class(config)
    return Shape(_decoder(model, config.text_config), _encoder(model, loader, config.audio_config))


def _decoder(model: Any, config: Any) -> Decoder:
    language_model = model.model.language_model
    linear = {name: m for name, m in language_model.named_modules() if isinstance(m, nn.Linear)}
    embedding = language_model.get_input_embeddings().weight
    # Of a mixture: experts are stacked weights, of which each token is multiplied with a few.
    stacked = sum(w.numel() for name, w in language_model.named_parameters() if ".experts." in name)
    num_experts, num_chosen = getattr(config, "num_experts", None), getattr(config, "num_experts_per_tok", None)
    routed = stacked * num_chosen // num_experts if stacked and num_experts and num_chosen else 0
    routers = sum(w.numel() for name, w in language_model.named_parameters() if name.endswith("mlp.gate.weight"))
    inner = config.moe_intermediate_size * (num_chosen or 1) if stacked else config.intermediate_size
    own = sum(module.weight.numel() for module in linear.values())
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return Decoder(
        num_layers=config.num_hidden_layers,
        hidden_size=config.hidden_size,
        num_heads=config.num_attention_heads,
        num_kv_heads=config.num_key_value_heads,
        head_size=head_size,
        inner_size=inner,
        vocab_size=model.lm_head.out_features,
        weights=sum(weight.numel() for weight in language_model.parameters()) - embedding.numel(),
        linear=own + routed + (routers if stacked else 0),
        first_linear=sum(linear[f"layers.0.self_attn.{x}_proj"].weight.numel() for x in "qkv"),
        adapted=own,
        adapter_features=sum(module.in_features + module.out_features for module in linear.values()),
        num_adapted=len(linear),
        head_is_embedding=model.lm_head.weight is embedding,
    )


def _encoder(model: Any, loader: Pretrained | type[Pretrained], config: Any) -> Encoder:
    tower, projector = model.model.audio_tower, getattr(model.model, "multi_modal_projector", None)
    inside = [m for m in tower.layers.modules() if isinstance(m, nn.Linear)]
    outside = [m for part in (tower, projector) if part is not None for m in part.modules() if isinstance(m, nn.Linear)]
    size = tower.layers[0].self_attn.q_proj.out_features
    all_weights = [w for part in (tower, projector) if part is not None for w in part.parameters()]
    convolved = [m for m in tower.modules() if isinstance(m, nn.Conv2d)]
    positions_per_s = 50.0
    stem = sum(
        2 * m.weight.numel() * per_s
        for m, per_s in zip((m for m in tower.modules() if isinstance(m, nn.Conv1d)), (100.0, 50.0), strict=False)
    )
    if convolved:  # Qwen3-Omni's, over both axes of a second's spectrogram
        bins, frames, positions_per_s = config.num_mel_bins, 100, 13.0
        for module in convolved:
            bins, frames = -(-bins // 2), -(-frames // 2)
            stem += 2.0 * module.weight.numel() * bins * frames
    padded_s = WINDOW_S if loader.audio.pads else None
    window_mel = getattr(config, "n_window_infer", None) or 2 * getattr(config, "n_window", 0)
    window = round(window_mel / 100 * positions_per_s) or round(WINDOW_S * positions_per_s)
    return Encoder(
        weights=sum(weight.numel() for weight in all_weights),
        linear=sum(module.weight.numel() for module in inside),
        attention=len(tower.layers) * size,
        positions_per_s=positions_per_s,
        window=window,
        padded_s=padded_s,
        stem_flops_per_s=stem,
        projection=sum(m.weight.numel() for m in outside if not any(m is other for other in inside)),
        frames_per_s=loader.audio.frames_per_second,
    )
