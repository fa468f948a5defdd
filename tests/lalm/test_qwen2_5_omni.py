from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Qwen2_5OmniThinkerForConditionalGeneration

from timepro_lit.grpo.layout import branch_mask, running_positions
from timepro_lit.grpo.rollout import sample
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.time_prompt.prompt import TimePrompt

QUESTION = "When does a dog bark?"
SECONDS = (2.5, 4.0, 0.5)


@pytest.fixture(scope="module", params=["sdpa", "eager"])
def source(request: pytest.FixtureRequest, checkpoint: Path) -> Qwen2_5Omni:
    return Qwen2_5Omni(str(checkpoint), dtype="float32", attn_implementation=request.param, local_files_only=True)


def waves(seconds: tuple[float, ...] = SECONDS) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [(0.1 * rng.standard_normal(round(s * 16_000))).astype(np.float32) for s in seconds]


def prompts(frontend, clips: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Left-padded ids and their mask."""
    rows = [frontend.prompt_ids(QUESTION, frontend.num_frames(len(w))) for w in clips]
    width = max(map(len, rows))
    ids = torch.tensor([[frontend.pad_id] * (width - len(r)) + r for r in rows])
    mask = torch.tensor([[False] * (width - len(r)) + [True] * len(r) for r in rows])
    return ids, mask


def hidden_states(lalm, clips: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    ids, mask = prompts(lalm.frontend, clips)
    frames = lalm.encode_audio(*lalm.frontend.features(clips))
    blocks = branch_mask(mask.long() - 1)
    return lalm.decode(lalm.embed(ids, frames), running_positions(mask), blocks), mask


def outer_inputs(frontend, clips: list[np.ndarray]) -> dict[str, torch.Tensor]:
    """What the library's own forward takes, its features padded to 30 s as its own processor does."""
    ids, mask = prompts(frontend, clips)
    audio = frontend.feature_extractor(
        clips, sampling_rate=16_000, padding="max_length", return_attention_mask=True, return_tensors="pt"
    )
    return {
        "input_ids": ids,
        "attention_mask": mask.long(),
        "input_features": audio["input_features"],
        "feature_attention_mask": audio["attention_mask"],
    }


@torch.no_grad()
def test_without_a_time_prompt_logits_equal_the_outer_forward(source: Qwen2_5Omni, checkpoint: Path) -> None:
    lalm, clips = source.load(None), waves()
    outer = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32)
    hidden, mask = hidden_states(lalm, clips)
    expected = outer(**outer_inputs(lalm.frontend, clips)).logits
    torch.testing.assert_close(lalm.logits(hidden)[mask], expected[mask], atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("time_prompt", [None, TimePrompt(), TimePrompt(stride=5, share_positions=True)])
def test_a_clip_does_not_feel_its_neighbours(source: Qwen2_5Omni, time_prompt: TimePrompt | None) -> None:
    lalm, clips = source.load(time_prompt), waves()
    together, _ = hidden_states(lalm, clips)
    for row, clip in zip(together, clips, strict=True):
        alone, _ = hidden_states(lalm, [clip])
        torch.testing.assert_close(row[-alone.shape[1] :], alone[0], atol=1e-5, rtol=0)


@torch.no_grad()
def test_greedy_answers_equal_generate(source: Qwen2_5Omni, checkpoint: Path) -> None:
    lalm, clips = source.load(None), waves()
    ids, mask = prompts(lalm.frontend, clips)
    frames = lalm.encode_audio(*lalm.frontend.features(clips))
    ours = sample(lalm, lalm.embed(ids, frames), mask, group_size=1, max_new_tokens=12, temperature=0.0)
    outer = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32)
    for clip, answer, kept in zip(clips, ours.answer_ids[:, 0], ours.answer_mask[:, 0], strict=True):
        inputs = outer_inputs(lalm.frontend, [clip])
        out = outer.generate(**inputs, max_new_tokens=12, do_sample=False)
        theirs = out[0, inputs["input_ids"].shape[1] :].tolist()
        assert answer[kept].tolist() == theirs[: int(kept.sum())]


@torch.no_grad()
def test_interleaved_embeddings_are_frames_and_means_of_digits(source: Qwen2_5Omni) -> None:
    lalm, clips = source.load(TimePrompt()), waves((0.12,))
    frontend = lalm.frontend
    ids = frontend.prompt_ids(QUESTION, 3)
    first = frontend.first_timestamp_id
    audio = [frontend.audio_id, first, frontend.audio_id, first + 1, frontend.audio_id, first + 2]
    at = ids.index(frontend.audio_id)
    assert ids[at : at + 6] == audio
    assert frontend.audio_id not in ids[at + 6 :]
    frames = lalm.encode_audio(*frontend.features(clips))
    embeds = lalm.embed(torch.tensor([ids]), frames)[0, at : at + 6]
    torch.testing.assert_close(embeds[0::2], frames)
    table = lalm.language_model.get_input_embeddings()
    for k, text in enumerate(("0.04", "0.08", "0.12")):
        digits = table(torch.tensor(frontend.tokenizer(text, add_special_tokens=False)["input_ids"]))
        assert len(digits) == 4
        torch.testing.assert_close(embeds[2 * k + 1], digits.mean(0))


def test_shared_positions_give_a_timestamp_its_frames_place(source: Qwen2_5Omni) -> None:
    lalm = source.load(TimePrompt(share_positions=True))
    audio, time = lalm.audio_id, lalm.first_timestamp_id
    ids = torch.tensor([[lalm.pad_id, 5, audio, time, audio, time + 1, 7]])
    assert lalm.positions(ids, torch.tensor([[False] + [True] * 6])).tolist() == [[0, 0, 1, 1, 2, 2, 3]]


@torch.no_grad()
@pytest.mark.parametrize("seconds", [0.04, 0.5, 9.99, 10, 17.3, 30])
def test_predicted_frame_counts_are_the_encoders(source: Qwen2_5Omni, seconds: float) -> None:
    lalm, clips = source.load(None), waves((seconds,))
    encoded = lalm.encode_audio(*lalm.frontend.features(clips))
    assert len(encoded) == lalm.frontend.num_frames(len(clips[0]))


def test_features_equal_the_extractors_own_padding_to_30_s(source: Qwen2_5Omni) -> None:
    frontend, clips = source.frontend(None), waves()
    features, mask = frontend.features(clips)
    expected = outer_inputs(frontend, clips)
    num_mel = features.shape[-1]
    torch.testing.assert_close(
        features.masked_fill(~mask[:, None], 0),
        expected["input_features"][..., :num_mel].masked_fill(~mask[:, None], 0),
    )
    assert mask.sum(1).tolist() == expected["feature_attention_mask"].sum(1).tolist()


def test_frames_and_placeholders_must_agree(source: Qwen2_5Omni) -> None:
    lalm = source.load(None)
    ids = torch.tensor([[lalm.audio_id, lalm.audio_id]])
    with pytest.raises(ValueError, match="2 audio placeholders stand against 3"):
        lalm.embed(ids, torch.zeros(3, lalm.hidden_size))


def test_a_prompt_cannot_smuggle_in_audio_tokens(source: Qwen2_5Omni) -> None:
    with pytest.raises(ValueError, match="2 audio tokens"):
        source.frontend(None).prompt_ids("What is <|AUDIO|>?", 3)


def test_a_missing_checkpoint_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model.checkpoint = .*nowhere: no config.json there"):
        Qwen2_5Omni(str(tmp_path / "nowhere")).frontend(None)
