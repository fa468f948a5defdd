"""What a run is made from, and what of it counts where it is asked for again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from timepro_lit.lit.run import taken_from


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A stage's result with the smallest of adapters."""
    adapter = tmp_path / "sft" / "adapter"
    adapter.mkdir(parents=True)
    name = "base_model.model.model.layers.0.q_proj"
    config = {"peft_type": "LORA", "r": 1, "lora_alpha": 2, "target_modules": ["model.layers.0.q_proj"]}
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "/here/base"}))
    weights = {f"{name}.lora_A.weight": torch.ones(1, 2), f"{name}.lora_B.weight": torch.ones(2, 1)}
    save_file(weights, adapter / "adapter_model.safetensors")
    (adapter / "trained_with.json").write_text('{"base": "/here/base", "base_fingerprint": "1f", "time_prompt": null}')
    (adapter.parent / "metrics.csv").write_text("step,cost/step_s\n0,0.5\n")
    (adapter.parent / "recordings.npy").write_bytes(b"eight bytes for each")
    return adapter.parent


def test_what_is_taken_from_a_stage_is_the_same_wherever_and_whenever_it_was_made(result: Path) -> None:
    elsewhere = Path(shutil.copytree(result, result.with_name("elsewhere")))
    (elsewhere / "metrics.csv").write_text("step,cost/step_s\n0,0.7\n")
    (elsewhere / "result.json").write_text("{}")
    for name in ("adapter_config.json", "trained_with.json"):
        said = (elsewhere / "adapter" / name).read_text()
        (elsewhere / "adapter" / name).write_text(said.replace("/here/base", "/there/base"))
    assert taken_from(elsewhere) == taken_from(result)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("adapter/trained_with.json", '"1f"', '"2f"'),
        ("adapter/adapter_config.json", '"lora_alpha": 2', '"lora_alpha": 3'),
        ("recordings.npy", "for each", "and more"),
    ],
)
def test_another_adapter_base_or_training_set_is_another_beginning(file: str, old: str, new: str, result: Path) -> None:
    before = taken_from(result)
    said = (result / file).read_text()
    assert old in said
    (result / file).write_text(said.replace(old, new))
    assert taken_from(result) != before


def test_a_folder_without_an_adapter_is_no_beginning(result: Path) -> None:
    (result / "recordings.npy").unlink()  # as of an earlier version
    taken_from(result)
    shutil.rmtree(result / "adapter")
    with pytest.raises(FileNotFoundError, match="sft/adapter holds no adapter"):
        taken_from(result)
