"""What an answer attends to: the weights of eager attention at the timestamps, drawn and measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from timepro_lit.attend import _check
from timepro_lit.figures.attention import shares_figure
from timepro_lit.grpo.layout import branch_mask
from timepro_lit.inference.attending import (
    attention_of,
    draw_attention,
    layer_numbers,
    measure_attention,
    near,
    share_near,
)
from timepro_lit.inference.listener import Listener
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.records import Event, Example, Sample
from timepro_lit.settings.schemas import PACKAGE, AttendConfig
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.time_prompt.prompt import TimePrompt

TASK = Grounding()


def listener(time_prompt: TimePrompt | None, attention: str = "sdpa") -> Listener:
    backbone = Qwen2_5Omni(str(PACKAGE / "assets" / "tiny_base"), "float32", attention, local_files_only=True)
    return Listener(backbone.load(time_prompt), {"ag": TASK}, None, "cpu")


@pytest.fixture(scope="module")
def asked() -> Listener:
    return listener(TimePrompt(stride=2))


def question(duration_s: float = 2.0, id_: str = "a") -> Sample:
    waveform = torch.from_numpy(0.1 * np.random.default_rng(0).standard_normal(round(duration_s * 16_000))).float()
    events = (Event(0.48, 1.2, "a dog barks"),)
    return Sample(Example(id_, "ag", "a.wav", duration_s, events, query="a dog barks"), waveform)


@torch.no_grad()
def test_weights_are_those_with_which_the_answers_tokens_were_generated(asked: Listener) -> None:
    attention = attention_of(asked, question(), TASK, [0, -1])
    num_tokens = len(attention.tokens)
    assert attention.layers == (0, 3) and attention.weights.shape[2:] == (num_tokens, 25)
    torch.testing.assert_close(attention.seconds, torch.arange(1, 26).double() * 0.08)
    (answer,) = asked.answers([question()])
    assert attention.answer == answer
    lalm = listener(TimePrompt(stride=2), "eager").lalm
    frontend, sample = lalm.frontend, question()
    prompt = frontend.prompt_ids(TASK.prompt(sample.example), frontend.num_frames(len(sample.waveform)))
    ids = torch.tensor([prompt + frontend.answer_ids(answer.text)[: num_tokens - 1]])
    frames = lalm.encode_audio(*frontend.features([sample.waveform.numpy()]))
    whole = torch.ones_like(ids, dtype=torch.bool)
    mask = torch.zeros(1, 1, *whole.shape[1:], ids.shape[1]).masked_fill(
        ~branch_mask(whole.long() - 1)[:, None], torch.finfo(torch.float32).min
    )
    eager = lalm.language_model(
        inputs_embeds=lalm.embed(ids, frames), position_ids=lalm.position_ids(lalm.positions(ids, whole)),
        attention_mask=mask, output_attentions=True, use_cache=False,
    ).attentions  # fmt: skip
    stamps = ids[0] >= lalm.first_timestamp_id
    for layer, weights in zip(attention.layers, attention.weights, strict=True):
        torch.testing.assert_close(weights, eager[layer][0][:, len(prompt) - 1 :][..., stamps], atol=1e-5, rtol=0)


def test_a_picture_a_layer_and_all_numbers_are_written(asked: Listener, tmp_path: Path) -> None:
    said = draw_attention(asked, question(), TASK, [1, 2], [0], tmp_path)
    assert said.splitlines()[-1] == f"attention: {tmp_path / 'attention.json'}"
    assert all(Image.open(tmp_path / f"layer-{layer}.png").width > 800 for layer in (1, 2))
    stored = json.loads((tmp_path / "attention.json").read_text())
    assert stored["reference"] == [[0.48, 1.2, "a dog barks"]] and list(stored["layers"]) == ["1", "2"]
    assert np.shape(stored["layers"]["1"]) == (len(stored["tokens"]), len(stored["seconds"]))
    with pytest.raises(ValueError, match=r"heads: the model has heads 0 to \d+, not 99"):
        draw_attention(asked, question(), TASK, [1], [99], tmp_path)


def test_shares_stand_beside_chance(asked: Listener, tmp_path: Path) -> None:
    table = measure_attention({"mine": lambda: asked}, [question(), question(1.6, "b")], TASK, tmp_path)
    stored = json.loads((tmp_path / "attention.json").read_text())
    # Of 25 moments 0.08 s apart 5 lie within 0.2 s of 0.48 s and 5 of 1.20 s; of the shorter clip's 20 the same.
    assert stored["chance"] == pytest.approx(100 * (10 / 25 + 10 / 20) / 2)
    assert len(stored["shares"]["mine"]) == 4 and all(0 < share < 100 for share in stored["shares"]["mine"])
    assert "chance 45.0: all timestamps alike; mean over 2 questions" in table
    assert Image.open(tmp_path / "shares.png").width > 100


def test_questions_without_a_reference_or_a_timestamp_have_no_share(asked: Listener, tmp_path: Path) -> None:
    absent = replace(question(id_="b"), example=replace(question().example, id="b", events=()))
    table = measure_attention({"mine": lambda: asked}, [question(), absent], TASK, tmp_path)
    stored = json.loads((tmp_path / "attention.json").read_text())
    assert (stored["chance"], stored["questions"], stored["left_out"]) == (pytest.approx(40.0), 1, 1)
    assert "mean over 1 questions; 1 without a reference or a timestamp are left out" in table
    sparse = listener(TimePrompt(stride=25))
    with pytest.raises(ValueError, match="mine: none of 1 questions has both a reference and a timestamp"):
        measure_attention({"mine": lambda: sparse}, [question(0.9)], TASK, tmp_path)
    with pytest.raises(ValueError, match=r"a\.wav: 0\.90 s end before the model's first timestamp"):
        draw_attention(sparse, question(0.9), TASK, [1], [], tmp_path)


def test_moments_are_near_by_their_decimals() -> None:
    moments = torch.arange(1, 7501).double() * 0.04
    assert all(int(near(moments, [Event(k / 25, k / 25, "x")]).sum()) == 11 for k in range(10, 7490, 37))


def test_a_model_without_timestamps_and_a_layer_that_is_not_there_are_named(asked: Listener) -> None:
    with pytest.raises(ValueError, match="the model has no timestamp embeddings"):
        attention_of(listener(None), question(), TASK, [-1])
    with pytest.raises(ValueError, match="layers: the model has layers 0 to 3, not 4"):
        attention_of(asked, question(), TASK, [4])
    assert layer_numbers([-4, 3], 4) == (0, 3)


def test_shares_are_of_all_that_timestamps_get() -> None:
    seconds = torch.tensor([0.5, 1.0, 1.5, 2.0], dtype=torch.float64)
    is_near = near(seconds, [Event(1.05, 1.9, "x")])
    assert is_near.tolist() == [False, True, False, True]
    assert share_near(torch.tensor([[0.1, 0.2, 0.1, 0.0], [0.0, 0.1, 0.0, 0.1]]), is_near).tolist() == [0.5, 1.0]


def test_models_of_other_depths_stand_in_one_picture(tmp_path: Path) -> None:
    shares_figure({"a 模型": [1.0, 2.0], "b": [1.0, 2.0, 3.0]}, 5.0).savefig(tmp_path / "shares.png")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"audio": "a.wav", "split": "test"}, "give either audio=FILE, or split=test"),
        ({"split": "test", "query": "x"}, "query: belongs to audio=FILE"),
        ({"audio": "a.wav", "against": ["b"]}, "example and against: belong to split=test"),
        ({"split": "test", "example": "a", "against": ["b"]}, "against: is measured over a split"),
        ({"split": "test", "layers": []}, "layers: name at least one"),
        ({"split": "test", "num_questions": -1}, "num_questions: must be at least 1, not -1"),
        ({"split": "test", "heads": [3]}, "layers and heads: choose what is drawn"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(given: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        _check(OmegaConf.merge(OmegaConf.structured(AttendConfig), given))
