"""Sizes that are read from a configuration against a loaded model; and those of models that are not here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from timepro_lit.lalm.assumed import assumed_frontend
from timepro_lit.lalm.lora import LoRA, add_lora
from timepro_lit.lalm.presence import of_model
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lalm.qwen2_audio import Qwen2Audio
from timepro_lit.lalm.qwen3_omni import Qwen3Omni
from timepro_lit.lalm.shape import shape_of
from timepro_lit.lalm.voxtral import Voxtral
from timepro_lit.planning import flops
from timepro_lit.time_prompt.prompt import TimePrompt


def test_sizes_are_those_of_the_loaded_model(family) -> None:
    shape, said = shape_of(family.source())
    decoder, encoder = shape.decoder, shape.encoder
    assert said == f"config.json of {family.folder}"
    lalm = family.source().load(None)
    weights = sum(weight.numel() for weight in lalm.model.parameters())
    ends = 1 if decoder.head_is_embedding else 2
    assert decoder.weights + ends * decoder.embedding + encoder.weights == weights
    clips = [np.full(16_000 * seconds, 0.1, np.float32) for seconds in (4, 2)]
    features = lalm.frontend.features(clips)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        lalm.encode_audio(*features)
    # Each family arranges convolutions and windows in its own way.
    assert flops.encode(encoder, 2, 6.0) == pytest.approx(counter.get_total_flops(), rel=0.15)
    add_lora(lalm, LoRA(rank=3))
    adapter = sum(weight.numel() for name, weight in lalm.model.named_parameters() if "lora_" in name)
    assert 3 * decoder.adapter_features == adapter


@pytest.mark.parametrize(
    ("backbone", "billions"), [(Qwen2_5Omni, 8.26), (Qwen2Audio, 8.40), (Voxtral, 4.68), (Qwen3Omni, 31.18)]
)
def test_a_model_that_is_not_here_has_its_familys_sizes(backbone, billions: float) -> None:
    shape, said = shape_of(backbone("nobody/nothing"))
    total = shape.decoder.weights + 2 * shape.decoder.embedding + shape.encoder.weights
    assert round(total / 1e9, 2) == billions
    assert said.startswith("assumed: those of ")


def test_texts_are_counted_without_a_tokenizer() -> None:
    frontend = assumed_frontend(Qwen2_5Omni.audio, TimePrompt())
    short, long = (len(frontend.prompt_ids("When does it bark?", frames)) for frames in (1, 250))
    assert long - short == 2 * 249  # each frame with its timestamp
    assert len(frontend.answer_ids('{"a dog barks": [1.20, 3.48]}')) == 19


def test_what_is_missing_of_a_model_is_said(checkpoint: Path, tmp_path: Path) -> None:
    assert [item.there for item in of_model(Qwen2_5Omni(str(checkpoint)), None)] == [True, True, True]
    empty = list(of_model(Qwen2_5Omni(str(tmp_path)), None))
    assert [item.there for item in empty] == [False, False, False]
    assert empty[0].said == f"model.checkpoint = {tmp_path}: no config.json there"
    away = list(of_model(Qwen2_5Omni("nobody/nothing"), None))
    assert all("hf download nobody/nothing" in item.said for item in away)
