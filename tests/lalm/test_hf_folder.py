"""Exported folders as others read them: plain transformers, plain peft, a whole Omni model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoProcessor, Qwen2_5OmniForConditionalGeneration

from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lalm.hf_folder import check_time_prompt, write_adapter, write_merged, write_time_prompt
from timepro_lit.lalm.lora import LoRA
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.time_prompt.prompt import TimePrompt


def trained(family, folder: Path) -> tuple[ModelSource, LALM]:
    """A model whose adapter has an effect, stored in `folder`, and its source; no time prompt."""
    source = ModelSource(family.source(), None, LoRA(rank=2, alpha=4))
    lalm = source.load_whole()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in lalm.named_parameters():
            if "lora_B" in name:
                weight.copy_(0.2 * torch.randn(weight.shape, generator=generator))
    source.save_adapter(lalm, folder)
    return source, lalm


@torch.no_grad()
def test_a_merged_folder_answers_alike_in_plain_transformers(family, tmp_path: Path) -> None:
    source, lalm = trained(family, tmp_path / "adapter")
    clips = family.waves()
    ids, mask = family.prompts(lalm.frontend, clips)
    expected = lalm.logits(family.hidden_states(lalm, ids, mask, clips))
    plain = family.outer()(**family.outer_inputs(lalm.frontend, clips)).logits
    assert float((expected - plain)[mask].abs().max()) > 1e-2  # the adapter matters
    write_merged(lalm, tmp_path / "merged", source.backbone)
    frontend = family.backbone(str(tmp_path / "merged"), local_files_only=True).frontend(None)
    merged = family.outer(tmp_path / "merged")(**family.outer_inputs(frontend, clips)).logits
    torch.testing.assert_close(merged[mask], expected[mask], atol=1e-4, rtol=0)


@torch.no_grad()
def test_auto_processor_of_a_merged_folder_gives_what_the_model_takes(family_of, tmp_path: Path) -> None:
    family = family_of("qwen2_5_omni")
    source, lalm = trained(family, tmp_path / "adapter")
    write_merged(lalm, tmp_path / "merged", source.backbone)
    processor = AutoProcessor.from_pretrained(tmp_path / "merged")
    clips = family.waves()
    turn = [{"role": "user", "content": [{"type": "audio", "audio": "a.wav"}, {"type": "text", "text": "What?"}]}]
    text = processor.apply_chat_template([turn] * len(clips), add_generation_prompt=True, tokenize=False)
    inputs = processor(text=text, audio=clips, return_tensors="pt", padding=True, sampling_rate=16_000)
    frames = [lalm.frontend.num_frames(len(clip)) for clip in clips]
    assert (inputs["input_ids"] == lalm.audio_id).sum(1).tolist() == frames
    assert family.outer(tmp_path / "merged")(**inputs).logits.isfinite().all()


def test_the_bases_own_processor_comes_along(family_of, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(family_of("qwen2_5_omni").folder, base)
    described = json.loads((base / "preprocessor_config.json").read_text()) | {
        "processor_class": "Qwen2_5OmniProcessor"
    }
    (base / "preprocessor_config.json").write_text(json.dumps(described))
    source = ModelSource(Qwen2_5Omni(str(base), "float32"), None, None)
    write_merged(source.load_whole(), tmp_path / "merged", source.backbone)
    assert json.loads((tmp_path / "merged" / "preprocessor_config.json").read_text()) == described
    assert not (tmp_path / "merged" / "processor_config.json").exists()


@torch.no_grad()
def test_an_adapter_folder_answers_alike_in_plain_peft(family, tmp_path: Path) -> None:
    _, lalm = trained(family, tmp_path / "adapter")
    clips = family.waves()
    ids, mask = family.prompts(lalm.frontend, clips)
    expected = lalm.logits(family.hidden_states(lalm, ids, mask, clips))
    write_adapter(tmp_path / "adapter", tmp_path / "out")
    plain = PeftModel.from_pretrained(family.outer(), tmp_path / "out").eval()
    found = plain(**family.outer_inputs(lalm.frontend, clips)).logits
    torch.testing.assert_close(found[mask], expected[mask], atol=1e-5, rtol=0)


def test_an_adapter_loads_on_a_whole_omni_model(family_of, full_omni: Path, tmp_path: Path) -> None:
    _, lalm = trained(family_of("qwen2_5_omni"), tmp_path / "adapter")
    write_adapter(tmp_path / "adapter", tmp_path / "out", outer_prefix="thinker.")
    full = Qwen2_5OmniForConditionalGeneration.from_pretrained(full_omni, dtype=torch.float32)
    plain = PeftModel.from_pretrained(full, tmp_path / "out")
    ours = {n.removeprefix("base_model.model."): w for n, w in lalm.model.named_parameters() if "lora_" in n}
    theirs = {n.removeprefix("base_model.model.thinker."): w for n, w in plain.named_parameters() if "lora_" in n}
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_time_prompt_is_a_table_and_what_its_rows_say(family, tmp_path: Path) -> None:
    time_prompt = TimePrompt(stride=2)
    lalm = family.source().load(time_prompt)
    write_time_prompt(lalm, time_prompt, tmp_path)
    assert torch.equal(load_file(tmp_path / "time_prompt.safetensors")["timestamps"], lalm.timestamps)
    described = json.loads((tmp_path / "time_prompt.json").read_text())
    assert len(described["tokens"]) == len(lalm.timestamps)
    assert described["tokens"][-1] == lalm.frontend.grid.token(len(lalm.timestamps))
    assert (described["stride"], described["first_timestamp_id"]) == (2, lalm.first_timestamp_id)
    check_time_prompt(lalm, time_prompt, tmp_path)
    other = TimePrompt(stride=2, init="random")
    with pytest.raises(ValueError, match=r"time_prompt\.json: init is 'digits', but 'random' by the folder's settings"):
        check_time_prompt(family.source().load(other), other, tmp_path)
    save_file({"timestamps": torch.full_like(lalm.timestamps, torch.nan)}, tmp_path / "time_prompt.safetensors")
    with pytest.raises(ValueError, match="does not hold the timestamps"):
        check_time_prompt(lalm, time_prompt, tmp_path)
    with pytest.raises(ValueError, match="disagree on whether there is a time prompt"):
        check_time_prompt(family.source().load(None), None, tmp_path)


def test_an_adapter_of_another_base_or_time_prompt_is_refused_before_weights(
    family_of, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = family_of("qwen2_audio")
    source, _ = trained(family, tmp_path / "adapter")
    other = family_of("audio_flamingo3").source()
    for loader in (other, source.backbone):
        monkeypatch.setattr(loader, "load", lambda _: pytest.fail("weights were read"))
    with pytest.raises(ValueError, match=r"was trained on another base, .*qwen2_audio0"):
        ModelSource(other, None, None, tmp_path / "adapter").load()
    with pytest.raises(ValueError, match=r"another time prompt: .*stride = None, now 4"):
        ModelSource(source.backbone, TimePrompt(stride=4), None, tmp_path / "adapter").load()
