"""Folders of weights that anybody may have made: only plain LoRA and plain checkpoints in safetensors are loaded."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from timepro_lit.lalm.checkpoint import ModelSource, adapter_fingerprint
from timepro_lit.lalm.lora import LoRA
from timepro_lit.lalm.shared_folder import check_adapter, check_checkpoint
from timepro_lit.settings.schemas import PACKAGE

TINY_BASE = PACKAGE / "assets" / "tiny_base"


class Trace:
    """Its pickle touches a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.fixture
def source(family_of) -> ModelSource:
    return ModelSource(family_of("qwen2_audio").source(), None, LoRA(rank=2))


@pytest.fixture
def adapter(source: ModelSource, tmp_path: Path) -> Path:
    source.save_adapter(source.load(), tmp_path / "adapter")
    return tmp_path / "adapter"


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_an_adapter_is_known_by_what_it_does_not_by_where_its_base_lay(adapter: Path) -> None:
    before = adapter_fingerprint(adapter)
    change(adapter / "adapter_config.json", base_model_name_or_path="/elsewhere/base", peft_version="9.0")
    change(adapter / "trained_with.json", base="/elsewhere/base")
    (adapter / "README.md").write_text("a card")
    assert adapter_fingerprint(adapter) == before
    keys = {before}
    change(adapter / "trained_with.json", base_fingerprint="0123456789abcdef")
    keys.add(adapter_fingerprint(adapter))
    change(adapter / "adapter_config.json", lora_dropout=0.1)
    keys.add(adapter_fingerprint(adapter))
    weights = load_file(adapter / "adapter_model.safetensors")
    save_file({name: weight + 1 for name, weight in weights.items()}, adapter / "adapter_model.safetensors")
    keys.add(adapter_fingerprint(adapter))
    (adapter / "trained_with.json").unlink()  # of plain peft
    keys.add(adapter_fingerprint(adapter))
    assert len(keys) == 5
    (adapter / "adapter_config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no adapter \(no adapter_config\.json\)"):
        adapter_fingerprint(adapter)


def refusal(source: ModelSource, adapter: Path) -> str:
    with pytest.raises((ValueError, OSError)) as error:
        ModelSource(source.backbone, None, None, adapter).load()
    return str(error.value)


@pytest.mark.parametrize(
    "values",
    [
        {"peft_type": "XLORA"},
        {"peft_type": "PROMPT_TUNING"},
        {"task_type": "SEQ_CLS"},
        {"auto_mapping": {"base_model_class": "system", "parent_library": "os"}},
        {"megatron_config": {"hidden_size": 1}},
        {"megatron_core": "evil"},
        {"runtime_config": {"ephemeral_gpu_offload": True}},
        {"modules_to_save": ["lm_head"]},
        {"target_modules": "(a+)+$"},
        {"target_modules": ["(a+)+$"]},
        {"exclude_modules": "(a+)+$"},
        {"rank_pattern": {"(a+)+$": 8}},
        {"layer_replication": [[0, 1_000_000]]},
        {"init_lora_weights": "pissa"},
        {"r": 10**12},
        {"r": "2"},
        {"r": True},
        {"lora_alpha": float("nan")},
        {"lora_alpha": 1e30},
        {"lora_dropout": 2},
        {"base_model_name_or_path": ["a"]},
        {"of_another_peft": "x"},
    ],
)
def test_what_is_no_plain_lora_is_refused_with_its_key(source, adapter: Path, values: dict[str, Any]) -> None:
    change(adapter / "adapter_config.json", **values)
    assert refusal(source, adapter).startswith(f"{adapter / 'adapter_config.json'}: {next(iter(values))} ")


def test_another_peft_may_say_more_as_long_as_it_says_nothing(adapter: Path) -> None:
    change(adapter / "adapter_config.json", of_another_peft=None, other=False, peft_version="9.0")
    assert len(check_adapter(adapter)) > 0


def test_weights_are_those_that_the_settings_name(source, adapter: Path) -> None:
    path = adapter / "adapter_model.safetensors"
    weights = load_file(path)
    first = next(iter(weights))
    save_file(weights | {"base_model.model.lm_head.weight": torch.zeros(2, 2)}, path)
    assert "holds 'base_model.model.lm_head.weight', which is no weight of a LoRA adapter" in refusal(source, adapter)
    save_file({name: weight for name, weight in weights.items() if name != first}, path)
    assert refusal(source, adapter) == f"{adapter}: its weights and target_modules disagree on {first}"
    save_file(weights | {first: torch.full_like(weights[first], torch.nan)}, path)
    assert refusal(source, adapter) == f"{path}: {first} holds what is no number"
    save_file(weights | {first: torch.zeros(2, 3)}, path)
    assert f"{adapter} holds an adapter of another model" in refusal(source, adapter)
    path.write_bytes(b"\xff" * 100)
    assert f"{path} cannot be read" in refusal(source, adapter)


def test_pickled_weights_are_not_read(source, adapter: Path, tmp_path: Path) -> None:
    (adapter / "adapter_model.safetensors").unlink()
    (adapter / "adapter_model.bin").write_bytes(pickle.dumps(Trace(tmp_path / "touched")))
    assert refusal(source, adapter) == f"{adapter} holds no adapter (no adapter_model.safetensors)"
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(("text", "fault"), [("{", "cannot be read"), ("[]", "holds no JSON"), ("{}", "base is None")])
def test_what_an_adapter_was_trained_with_is_no_riddle(source, adapter: Path, text: str, fault: str) -> None:
    (adapter / "trained_with.json").write_text(text)
    assert fault in refusal(source, adapter)
    assert str(adapter / "trained_with.json") in refusal(source, adapter)


@pytest.mark.parametrize(
    ("file", "values", "fault"),
    [
        ("config.json", {"auto_map": {"AutoConfig": "code.Config"}}, "auto_map names code"),
        ("config.json", {"text_config": {"auto_map": {}}}, "auto_map names code"),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["code.T", None]}}, "auto_map names code"),
        ("preprocessor_config.json", {"auto_map": {"AutoFeatureExtractor": "code.F"}}, "auto_map names code"),
        ("config.json", {"attn_implementation": "someone/kernel"}, "attn_implementation = someone/kernel names code"),
        ("model.safetensors.index.json", {"weight_map": {"a": "../b.safetensors"}}, "weight_map names '../b.safetens"),
        ("model.safetensors.index.json", {"weight_map": {"a": "b.bin"}}, "weight_map names 'b.bin'"),
        ("adapter_config.json", {"base_model_name_or_path": "someone/else"}, "holds an adapter"),
    ],
)
def test_a_checkpoint_that_leads_elsewhere_is_refused(
    tmp_path: Path, file: str, values: dict[str, Any], fault: str
) -> None:
    folder = Path(shutil.copytree(TINY_BASE, tmp_path / "base"))
    check_checkpoint(folder)
    path = folder / file
    path.write_text(path.read_text() if path.exists() else "{}")
    change(path, **values)
    with pytest.raises(ValueError) as error:
        check_checkpoint(folder)
    assert str(folder) in str(error.value) and fault in str(error.value)


def test_a_folder_in_place_of_weights_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(ValueError, match=rf"{tmp_path}/model\.safetensors cannot be read: "):
        check_checkpoint(tmp_path)


def test_a_checkpoint_that_was_cut_off_is_named(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(TINY_BASE, tmp_path / "base"))
    path = next(folder.glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=rf"{path.name} cannot be read: .*incomplete"):
        check_checkpoint(folder)


def test_no_code_of_a_checkpoint_is_trusted() -> None:
    sources = {path: path.read_text() for path in PACKAGE.rglob("*.py")}
    said = [text.split("trust_remote_code")[1:] for text in sources.values() if "trust_remote_code" in text]
    assert said
    assert all(after.startswith("=False") for parts in said for after in parts)
