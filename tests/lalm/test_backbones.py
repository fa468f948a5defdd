"""Every backbone against the library's own forward, and the time prompt in each of them."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.nn import Linear4bit
from transformers import Qwen2_5OmniForConditionalGeneration, Qwen2AudioProcessor

from timepro_lit.grpo.logprobs import answer_logprobs
from timepro_lit.grpo.prefix import prefill
from timepro_lit.grpo.rollout import sample
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lalm.lora import LoRA
from timepro_lit.lalm.pretrained import Pretrained
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lalm.qwen2_audio import Qwen2Audio
from timepro_lit.time_prompt.prompt import TimePrompt

QUESTION = "When does a dog bark?"


@torch.no_grad()
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("seconds", [(2.5, 4.0, 0.5), (2.5,)])
def test_without_a_time_prompt_logits_equal_the_outer_forward(family, attention: str, seconds: tuple) -> None:
    lalm, clips = family.source(attention).load(None), family.waves(seconds)
    ids, mask = family.prompts(lalm.frontend, clips)
    expected = family.outer()(**family.outer_inputs(lalm.frontend, clips)).logits
    logits = lalm.logits(family.hidden_states(lalm, ids, mask, clips))
    torch.testing.assert_close(logits[mask], expected[mask], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["qwen2_5_omni", "qwen3_omni"])
def test_the_vision_tower_is_left_out_unless_the_model_is_to_be_stored(family_of, name: str, caplog, capfd) -> None:
    source = family_of(name).source()
    blind, whole = source.load(None), source.load(None, whole=True)
    assert "UNEXPECTED" not in caplog.text + capfd.readouterr().err
    kept, all_of_it = ({n for n, _ in lalm.model.named_parameters()} for lalm in (blind, whole))
    assert all_of_it - kept == {n for n in all_of_it if ".visual." in n} != set()
    assert type(blind.model).__name__ == type(whole.model).__name__
    with pytest.raises(AssertionError, match="without its vision tower"):
        blind.save_base(Path("never"), torch.float32)


@torch.no_grad()
def test_greedy_answers_equal_generate(family) -> None:
    lalm, clips = family.source().load(None), family.waves()
    ids, mask = family.prompts(lalm.frontend, clips)
    frames = lalm.encode_audio(*lalm.frontend.features(clips))
    prefix = prefill(lalm, lalm.embed(ids, frames), mask)
    ours = sample(lalm, prefix, group_size=1, max_new_tokens=12, warp=None)
    inputs = family.outer_inputs(lalm.frontend, clips)
    theirs = family.outer().generate(**inputs, max_new_tokens=12, do_sample=False)[:, ids.shape[1] :]
    for answer, kept, expected in zip(ours.answer_ids[:, 0], ours.answer_mask[:, 0], theirs, strict=True):
        assert answer[kept].tolist() == expected[: int(kept.sum())].tolist()


@torch.no_grad()
@pytest.mark.parametrize("time_prompt", [None, TimePrompt(), TimePrompt(stride=5, share_positions=True)])
def test_a_clip_does_not_feel_its_neighbours(family, time_prompt: TimePrompt | None) -> None:
    lalm, clips = family.source().load(time_prompt), family.waves()
    ids, mask = family.prompts(lalm.frontend, clips)
    together = family.hidden_states(lalm, ids, mask, clips)
    for row, row_ids, row_mask, clip in zip(together, ids, mask, clips, strict=True):
        own = row_ids[row_mask][None]
        alone = family.hidden_states(lalm, own, torch.ones_like(own, dtype=torch.bool), [clip])
        torch.testing.assert_close(row[row_mask], alone[0], atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("seconds", [0.04, 0.5, 9.99, 10, 17.3, 30])
def test_predicted_frame_counts_are_the_encoders(family, seconds: float) -> None:
    lalm, clips = family.source().load(None), family.waves((seconds,))
    encoded = lalm.encode_audio(*lalm.frontend.features(clips))
    assert len(encoded) == lalm.frontend.num_frames(len(clips[0]))


@torch.no_grad()
def test_the_sequence_is_frames_and_means_of_digits(family) -> None:
    lalm, clips = family.source().load(TimePrompt()), family.waves((0.3,))
    frontend = lalm.frontend
    num_frames, first = frontend.num_frames(len(clips[0])), frontend.first_timestamp_id
    ids = frontend.prompt_ids(QUESTION, num_frames)
    at = ids.index(frontend.audio_id)
    expected = [id_ for n in range(num_frames) for id_ in (frontend.audio_id, first + n)]
    assert ids[at : at + 2 * num_frames] == expected
    assert frontend.audio_id not in ids[at + 2 * num_frames :]
    assert first == lalm.language_model.get_input_embeddings().num_embeddings
    frames = lalm.encode_audio(*frontend.features(clips))
    embeds = lalm.embed(torch.tensor([ids]), frames)[0, at : at + 2 * num_frames]
    torch.testing.assert_close(embeds[0::2], frames)
    table = lalm.language_model.get_input_embeddings()
    step_s = 1 / frontend.frames_per_second
    for n in range(3):
        digits = table(torch.tensor(frontend.tokens(f"{(n + 1) * step_s:.2f}")))
        assert len(digits) == 4
        torch.testing.assert_close(embeds[2 * n + 1], digits.mean(0))


def test_only_lora_on_the_language_model_is_trained(family) -> None:
    torch.manual_seed(0)
    lalm = ModelSource(family.source(), TimePrompt(), LoRA(rank=2, alpha=4)).load().train()
    before = lalm.timestamps.clone()
    linear = {
        f"model.base_model.model.model.language_model.{name}"
        for name, module in lalm.language_model.named_modules()
        if name.endswith(("_proj",)) and hasattr(module, "lora_A")
    }
    trained = {name: weight for name, weight in lalm.named_parameters() if weight.requires_grad}
    assert linear
    assert {name.rpartition(".lora_")[0] for name in trained} == linear
    clips = family.waves((0.5,))
    ids, mask = family.prompts(lalm.frontend, clips)
    with torch.no_grad():
        embeds = lalm.embed(ids, lalm.encode_audio(*lalm.frontend.features(clips)))
    optimizer = torch.optim.SGD(trained.values(), lr=1.0)
    for _ in range(2):
        answers = torch.tensor([[[20, 21, 22]]])
        logp = answer_logprobs(lalm, embeds, mask, answers, answers > 0)
        optimizer.zero_grad()
        (-logp.sum()).backward()
        optimizer.step()
    assert {name for name, weight in lalm.named_parameters() if weight.grad is not None} == set(trained)
    assert all(float(weight.grad.abs().sum()) > 0 for weight in trained.values())
    assert torch.equal(lalm.timestamps, before)


def test_gradient_checkpointing_changes_no_gradient(family) -> None:
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        source = family.source(gradient_checkpointing=checkpointing)
        lalm = ModelSource(source, TimePrompt(), LoRA(rank=2, alpha=4)).load().train()
        assert lalm.language_model.is_activation_checkpointing == checkpointing
        clips = family.waves((0.5,))
        ids, mask = family.prompts(lalm.frontend, clips)
        with torch.no_grad():
            embeds = lalm.embed(ids, lalm.encode_audio(*lalm.frontend.features(clips)))
        answers = torch.tensor([[[20, 21, 22]]])
        (-answer_logprobs(lalm, embeds, mask, answers, answers > 0).sum()).backward()
        gradients.append({n: w.grad for n, w in lalm.named_parameters() if w.requires_grad})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], atol=1e-7, rtol=1e-5)


def test_four_bits_hold_the_language_models_linear_layers_alone(family) -> None:
    source = family.source(quantization="nf4")
    source.dtype = "bfloat16"
    lalm = ModelSource(source, TimePrompt(), LoRA(rank=2, alpha=4)).load()
    quantised = {name for name, module in lalm.outer.named_modules() if isinstance(module, Linear4bit)}
    assert quantised
    assert all(name.startswith("model.language_model.layers.") for name in quantised)
    trained = [weight for weight in lalm.parameters() if weight.requires_grad]
    assert {weight.dtype for weight in trained} == {torch.float32}
    clips = family.waves((0.5,))
    ids, mask = family.prompts(lalm.frontend, clips)
    features = lalm.frontend.features(clips)
    answers = torch.tensor([[[20, 21, 22]]])
    with torch.autocast("cpu", torch.bfloat16):
        embeds = lalm.embed(ids, lalm.encode_audio(*features))
        (-answer_logprobs(lalm, embeds, mask, answers, answers > 0).sum()).backward()
    assert sum(float(weight.grad.abs().sum()) for weight in trained) > 0


def test_whatever_ids_a_model_answers_read_as_text(family) -> None:
    frontend = family.source().frontend(TimePrompt())
    ids = [i for i in range(frontend.first_timestamp_id + 3) if i not in frontend.end_ids]
    assert frontend.text(ids)
    assert frontend.text([frontend.end_ids[0], *ids]) == ""


def test_frontends_go_to_worker_processes(family) -> None:
    frontend = pickle.loads(pickle.dumps(family.source().frontend(TimePrompt())))
    assert frontend.text(frontend.answer_ids("a dog 1.20 ")) == "a dog 1.20 "


def test_qwen3_omni_timestamps_are_true_frame_ends(family_of) -> None:
    grid = family_of("qwen3_omni").source().frontend(TimePrompt()).grid
    assert [grid.token(k) for k in (1, 12, 13, 14, 26, 390)] == [
        "<0.08>", "<0.96>", "<1.00>", "<1.08>", "<2.00>", "<30.00>",
    ]  # fmt: skip
    assert grid.num_timestamps == 390


def test_a_full_omni_folder_gives_its_thinker(full_omni: Path) -> None:
    lalm = Qwen2_5Omni(str(full_omni), "float32", local_files_only=True).load(None, whole=True)
    full = Qwen2_5OmniForConditionalGeneration.from_pretrained(full_omni, dtype=torch.float32)
    expected = full.thinker.state_dict()
    found = lalm.model.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)


def test_features_equal_the_extractors_own_padding_to_30_s(family_of) -> None:
    family = family_of("qwen2_5_omni")
    clips = family.waves()
    frontend = family.source().frontend(None)
    features, mask = frontend.features(clips)
    expected = family.outer_inputs(frontend, clips)
    torch.testing.assert_close(
        features.masked_fill(~mask[:, None], 0),
        expected["input_features"][..., : features.shape[-1]].masked_fill(~mask[:, None], 0),
    )
    assert mask.sum(1).tolist() == expected["feature_attention_mask"].sum(1).tolist()


def test_shared_positions_give_a_timestamp_its_frames_place(family_of) -> None:
    lalm = family_of("qwen2_5_omni").source().load(TimePrompt(share_positions=True))
    audio, time = lalm.audio_id, lalm.first_timestamp_id
    ids = torch.tensor([[lalm.pad_id, 5, audio, time, audio, time + 1, 7]])
    assert lalm.positions(ids, torch.tensor([[False] + [True] * 6])).tolist() == [[0, 0, 1, 1, 2, 2, 3]]

    before = family_of("qwen2_5_omni").source().load(TimePrompt(share_positions=True, before=True))
    ids = torch.tensor([[lalm.pad_id, 5, time, audio, time + 1, audio, 7]])
    assert before.positions(ids, torch.tensor([[False] + [True] * 6])).tolist() == [[0, 0, 1, 1, 2, 2, 3]]


def test_time_as_text_is_ordinary_tokens_between_the_frames(family_of) -> None:
    source = family_of("qwen2_5_omni").source()
    lalm = source.load(TimePrompt(stride=5, init="text"))
    plain, told = (source.frontend(prompt).prompt_ids("When?", 7) for prompt in (None, TimePrompt(5, "text")))
    start = plain.index(lalm.audio_id) + 5
    assert told == plain[:start] + lalm.frontend.tokens("0.20") + plain[start:]
    assert lalm.timestamps is None


def test_frames_and_placeholders_must_agree(family_of) -> None:
    lalm = family_of("qwen2_5_omni").source().load(None)
    ids = torch.tensor([[lalm.audio_id, lalm.audio_id]])
    with pytest.raises(ValueError, match="2 audio placeholders stand against 3"):
        lalm.embed(ids, torch.zeros(3, lalm.hidden_size))


@pytest.mark.parametrize("name", ["qwen2_5_omni", "qwen2_audio", "audio_flamingo3", "qwen3_omni"])
def test_a_prompt_cannot_smuggle_in_audio_tokens(family_of, name: str) -> None:
    with pytest.raises(ValueError, match="2 audio tokens"):
        family_of(name).source().frontend(None).prompt_ids("What is <|AUDIO|>?", 3)


def test_voxtral_reads_audio_tokens_in_a_prompt_as_text(family_of) -> None:
    frontend = family_of("voxtral").source().frontend(None)
    assert frontend.prompt_ids("What is [AUDIO]?", 375).count(frontend.audio_id) == 375


# Bad input: one sentence, before any weight is read.


def damaged(family, tmp_path: Path, change: Any) -> Pretrained:
    """The family's loader on a copy of its checkpoint without weights, changed by `change`."""
    shutil.copytree(family.folder, tmp_path / "copy", ignore=shutil.ignore_patterns("*.safetensors"))
    change(tmp_path / "copy")
    return family.backbone(str(tmp_path / "copy"), local_files_only=True)


def without_chat_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


def without_end_of_turn(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        path = folder / name
        path.write_text(path.read_text().replace("<|im_end|>", "<|over|>"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no config.json there"),
        (lambda folder: (folder / "preprocessor_config.json").unlink(), r"no feature extractor \(preprocessor_config"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer can be loaded"),
        (without_end_of_turn, r"does not know <\|im_end\|>"),
        (lambda folder: (folder / "pytorch_model.bin").write_bytes(b""), "holds no \\*.safetensors"),
    ],
)
def test_a_broken_folder_is_one_sentence(family_of, tmp_path: Path, change: Any, sentence: str) -> None:
    with pytest.raises((ValueError, OSError), match=sentence) as caught:
        damaged(family_of("qwen2_audio"), tmp_path, change).load(None)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_chat_template_is_no_instruction_model(family_of, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no chat template: is it an instruction model"):
        damaged(family_of("audio_flamingo3"), tmp_path, without_chat_template).frontend(None)


def test_a_folder_of_another_model_is_named(family_of) -> None:
    with pytest.raises(ValueError, match="is of type audioflamingo3, not qwen2_audio"):
        Qwen2Audio(str(family_of("audio_flamingo3").folder)).frontend(None)


def test_the_processors_chat_template_serves_where_the_tokenizer_has_none(family_of, tmp_path: Path) -> None:
    def move(folder: Path) -> None:
        template = (folder / "chat_template.jinja").read_text()
        (folder / "chat_template.json").write_text(json.dumps({"chat_template": template}))
        (folder / "chat_template.jinja").unlink()

    family = family_of("qwen2_audio")
    found = damaged(family, tmp_path, move).frontend(None).prompt_ids(QUESTION, 3)
    assert found == family.source().frontend(None).prompt_ids(QUESTION, 3)


@pytest.mark.parametrize("template", [None, "{% for m in messages %}{{ '<|im_start|>' + m['content'] }}{% endfor %}"])
def test_qwen2_audio_is_asked_as_by_its_processor_where_its_files_say_nothing_of_audio(
    family_of, tmp_path: Path, template: str | None
) -> None:
    def say_nothing(folder: Path) -> None:
        (folder / "chat_template.jinja").unlink()
        if template is not None:
            (folder / "chat_template.jinja").write_text(template)

    frontend = damaged(family_of("qwen2_audio"), tmp_path, say_nothing).frontend(None)
    processor = Qwen2AudioProcessor(frontend.feature_extractor, frontend.tokenizer, chat_template=None)
    content = [{"type": "audio", "audio": ""}, {"type": "text", "text": QUESTION}]
    chat = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    assert frontend.tokenizer.decode(frontend.prompt_ids(QUESTION, 1)) == chat


def test_a_missing_checkpoint_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model.checkpoint = .*nowhere: no config.json there"):
        Qwen2_5Omni(str(tmp_path / "nowhere")).frontend(None)


def test_attention_that_cannot_take_packed_masks_is_refused() -> None:
    with pytest.raises(ValueError, match="sdpa or eager"):
        Qwen2_5Omni("folder", attn_implementation="flash_attention_2")


def test_an_unknown_dtype_is_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"dtype must name a type of torch, .* got 'bf16'"):
        Qwen2_5Omni("folder", dtype="bf16")
