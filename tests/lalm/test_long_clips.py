"""Clips beyond 30 s, where a backbone hears them: against the library's own forward and processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AudioFlamingo3Processor

from timepro_lit.grpo import layout
from timepro_lit.grpo.prefix import prefill
from timepro_lit.grpo.rollout import sample
from timepro_lit.lalm import base
from timepro_lit.lalm.audio_flamingo3 import AudioFlamingo3
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lalm.qwen2_audio import Qwen2Audio
from timepro_lit.lalm.qwen3_omni import Qwen3Omni
from timepro_lit.lalm.voxtral import Voxtral
from timepro_lit.time_prompt.prompt import TimePrompt

HEARING_MORE = ["qwen2_5_omni", "qwen3_omni", "audio_flamingo3"]


def outer_inputs(family, frontend, clips: list[np.ndarray]) -> dict[str, Tensor]:
    """What the library's own forward takes of long clips, by its own padding or, where there is one, processor."""
    ids, mask = family.prompts(frontend, clips)
    if family.backbone is AudioFlamingo3:
        text = ["<|AUDIO|>?"] * len(clips)
        processor = AudioFlamingo3Processor(frontend.feature_extractor, frontend.tokenizer, audio_token="<|AUDIO|>")
        made = processor(text=text, audio=clips)
        audio = {name: made[name] for name in ("input_features", "input_features_mask")}
        assert (made["input_ids"] == frontend.audio_id).sum() == (ids == frontend.audio_id).sum()
    else:
        made = frontend.feature_extractor(
            clips, sampling_rate=16_000, padding="max_length", max_length=max(map(len, clips)) + 16_000,
            return_attention_mask=True, return_tensors="pt",
        )  # fmt: skip
        audio = {"input_features": made["input_features"], "feature_attention_mask": made["attention_mask"]}
    return {"input_ids": ids, "attention_mask": mask.long(), **audio}


@pytest.fixture
def long_from_500(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of more tokens go without a whole mask, 400 of them at a time."""
    monkeypatch.setattr(layout, "LONG", 500)
    monkeypatch.setattr(base, "FED_AT_ONCE", 400)


@torch.no_grad()
@pytest.mark.parametrize("name", HEARING_MORE)
def test_minutes_are_read_as_the_library_reads_them(family_of, long_from_500, name: str) -> None:
    family = family_of(name)
    lalm, clips = family.source(max_duration_s=61).load(None), family.waves((61.0, 30.02))
    ids, mask = family.prompts(lalm.frontend, clips)
    inputs, outer = outer_inputs(family, lalm.frontend, clips), family.outer()
    expected = outer(**inputs).logits
    embeds = lalm.embed(ids, lalm.encode_audio(*lalm.frontend.features(clips)))
    branch = layout.branch_mask_from(mask.long() - 1)
    logits = lalm.logits(lalm.decode(embeds, lalm.positions(ids, mask), branch))
    torch.testing.assert_close(logits[mask], expected[mask], atol=1e-5, rtol=0)
    ours = sample(lalm, prefill(lalm, embeds, mask), group_size=1, max_new_tokens=6, warp=None)
    theirs = outer.generate(**inputs, max_new_tokens=6, do_sample=False)[:, ids.shape[1] :]
    for answer, kept, wanted in zip(ours.answer_ids[:, 0], ours.answer_mask[:, 0], theirs, strict=True):
        assert answer[kept].tolist() == wanted[: int(kept.sum())].tolist()


@torch.no_grad()
@pytest.mark.slow
def test_five_minutes_are_read_as_the_library_reads_them(family_of) -> None:
    family = family_of("qwen2_5_omni")
    lalm, clips = family.source(max_duration_s=300).load(None), family.waves((300.0,))
    ids, mask = family.prompts(lalm.frontend, clips)
    assert (ids == lalm.audio_id).sum() == 7500
    expected = family.outer()(**outer_inputs(family, lalm.frontend, clips), logits_to_keep=64).logits
    prefix = prefill(lalm, lalm.embed(ids, lalm.encode_audio(*lalm.frontend.features(clips))), mask)
    torch.testing.assert_close(lalm.logits(prefix.last), expected[:, -1], atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("name", HEARING_MORE)
def test_a_short_clip_does_not_feel_a_long_neighbour(family_of, name: str) -> None:
    family, prompt = family_of(name), TimePrompt(stride=5)
    lalm, clips = family.source(max_duration_s=61).load(prompt), family.waves((61.0, 2.0))
    frames = lalm.encode_audio(*lalm.frontend.features(clips))
    counts = [lalm.frontend.num_frames(len(clip)) for clip in clips]
    assert len(frames) == sum(counts)
    alone = lalm.encode_audio(*family.source().load(prompt).frontend.features(clips[1:]))
    torch.testing.assert_close(frames[counts[0] :], alone, atol=1e-5, rtol=0)


def test_a_prompt_of_minutes_ends_with_its_last_timestamp(family_of) -> None:
    frontend = family_of("qwen2_5_omni").source(max_duration_s=300).frontend(TimePrompt(stride=25))
    ids = frontend.prompt_ids("When?", frontend.num_frames(300 * 16_000))
    assert len([i for i in ids if i == frontend.audio_id]) == 7500
    assert [i for i in ids if i >= frontend.first_timestamp_id][-1] == frontend.first_timestamp_id + 299
    assert frontend.grid.token(300) == "<300.00>"
    with pytest.raises(ValueError, match=r"7550 audio frames \(302\.00 s\) is longer than the 300 s"):
        frontend.prompt_ids("When?", 7550)


@pytest.mark.parametrize(
    ("backbone", "seconds", "sentence"),
    [
        (Qwen2Audio, 31.0, "max_duration_s: Qwen2Audio hears more than 0 s and at most 30 s, not 31.0"),
        (Voxtral, 60.0, "max_duration_s: Voxtral hears more than 0 s and at most 30 s, not 60.0"),
        (Qwen2_5Omni, 301.0, "max_duration_s: Qwen2_5Omni hears more than 0 s and at most 300 s, not 301.0"),
        (AudioFlamingo3, 601.0, "max_duration_s: AudioFlamingo3 hears more than 0 s and at most 600 s, not 601.0"),
        (Qwen3Omni, 0.0, "max_duration_s: Qwen3Omni hears more than 0 s and at most 2400 s, not 0.0"),
        (Qwen3Omni, True, "max_duration_s: Qwen3Omni hears more than 0 s and at most 2400 s, not True"),
    ],
)
def test_what_a_family_does_not_hear_is_refused_by_name(backbone: Any, seconds: Any, sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        backbone("folder", max_duration_s=seconds)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("name", "seconds", "num_frames", "last"),
    [
        ("qwen2_5_omni", 29.99, 750, "29.96"), ("qwen2_5_omni", 10.03, 251, "10.00"),
        ("qwen2_5_omni", 10.0, 250, "10.00"), ("qwen2_audio", 9.99, 250, "9.96"),
        ("audio_flamingo3", 29.99, 750, "29.96"), ("qwen3_omni", 30.5, 397, "30.48"),
        ("qwen3_omni", 10.2, 133, "10.16"), ("qwen3_omni", 2.5, 33, "2.48"), ("qwen3_omni", 30.0, 390, "30.00"),
        ("voxtral", 10.0, 375, "10.00"), ("voxtral", 30.0, 375, "30.00"),
    ],
)  # fmt: skip
def test_a_clip_as_long_as_may_be_is_prompted_about(
    family_of, name: str, seconds: float, num_frames: int, last: str
) -> None:
    frontend = family_of(name).source(max_duration_s=seconds).frontend(TimePrompt(stride=1))
    assert frontend.num_frames(round(seconds * 16_000)) == num_frames
    ids = frontend.prompt_ids("When?", num_frames)
    assert ids.count(frontend.audio_id) == num_frames
    stamps = [id_ - frontend.first_timestamp_id + 1 for id_ in ids if id_ >= frontend.first_timestamp_id]
    assert stamps == list(range(1, frontend.grid.num_timestamps + 1))
    assert frontend.grid.text(stamps[-1]) == last
    assert frontend.num_audio_tokens(num_frames) == num_frames + len(stamps)


def test_a_prompt_that_the_language_model_was_not_made_for_is_refused(family_of) -> None:
    source = family_of("qwen2_5_omni").source(max_duration_s=300)
    with pytest.raises(ValueError, match=r"300 s takes 15000 positions, .* was made for 8192: a larger .*stride"):
        source.frontend(TimePrompt())
    source.frontend(TimePrompt(stride=25))
    source.frontend(TimePrompt(share_positions=True))


def test_a_clip_beyond_the_setting_is_refused(family_of) -> None:
    family = family_of("qwen2_5_omni")
    with pytest.raises(ValueError, match=r"31\.00 s exceeds the 30 s that are prompted about"):
        family.source().frontend(None).features(family.waves((31.0,)))


@pytest.mark.parametrize("seconds", [8.03, 8.04, 16.06, 8.05])
def test_a_clip_as_long_as_what_is_heard_is_heard(family_of, seconds: float) -> None:
    frontend = family_of("qwen2_5_omni").source(max_duration_s=seconds).frontend(TimePrompt())
    samples = round(seconds * 16_000)
    assert frontend.features([np.zeros(samples, np.float32)])[0].shape[-1] >= round(100 * seconds)
    with pytest.raises(ValueError, match=r"exceeds the .* s that are prompted about"):
        frontend.features([np.zeros(samples + 1, np.float32)])
