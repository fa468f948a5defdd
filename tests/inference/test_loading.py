"""Which model of a folder is meant, what is missing of it, and what in it is not what it should be."""

from __future__ import annotations

import json
import re
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import timepro_lit
from timepro_lit.files.holding import held
from timepro_lit.files.sealing import sealed
from timepro_lit.inference.exporting import export
from timepro_lit.inference.loading import CHECKSUMS, EXPORTED, call_of, model_of
from timepro_lit.inference.windowing import windowing_of
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni

SETTINGS: dict[str, Any] = {
    "model": {"_target_": "timepro_lit.lalm.qwen2_audio.Qwen2Audio", "checkpoint": "a"},
    "time_prompt": {"_target_": "timepro_lit.time_prompt.prompt.TimePrompt"}, "lora": None, "task": {}, "trainer": {},
    "data": {"_target_": "timepro_lit.lit.datamodule.ClipDataModule"}, "paths": {}, "name": None, "scale": "paper",
    "stage": {"sft": {"_target_": "timepro_lit.lit.stage.Stage", "module": {}}}, "seed": 1,
}  # fmt: skip


def test_an_exported_folder_holds_one_model(tmp_path: Path) -> None:
    (tmp_path / EXPORTED).write_text(json.dumps(SETTINGS))
    settings, adapter = model_of(tmp_path)
    assert (settings["model"]["checkpoint"], adapter) == (str(tmp_path), None)
    with pytest.raises(ValueError, match=r"base: .* holds all weights of the model, which stands on no other"):
        model_of(tmp_path, base="b")
    with pytest.raises(ValueError, match="is an exported folder, which holds one model and no zero_shot"):
        model_of(tmp_path, "zero_shot")


@pytest.mark.parametrize("longest", ["4.4", True, [4.4], -1.0, float("nan")])
def test_the_longest_recording_of_the_training_is_a_number(longest: Any, tmp_path: Path) -> None:
    (tmp_path / EXPORTED).write_text(json.dumps(SETTINGS | {"longest_s": longest}))
    with pytest.raises(ValueError, match=r"timepro_lit\.json: longest_s is .*, which is no length"):
        model_of(tmp_path)


def test_an_adapter_for_a_whole_omni_model_is_refused_where_there_is_none(shared: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shared / "run", tmp_path / "run"))
    path = folder / "config.yaml"
    path.write_text(path.read_text().replace("qwen2_5_omni.Qwen2_5Omni", "qwen2_audio.Qwen2Audio"))
    with pytest.raises(ValueError, match="kind=full_omni_adapter: Qwen2Audio is no part of a larger Omni model"):
        export(folder, tmp_path / "out", "full_omni_adapter")
    assert not (tmp_path / "out").exists()


def test_what_a_run_lacks_is_named(tmp_path: Path) -> None:
    OmegaConf.save(SETTINGS, tmp_path / "config.yaml")
    assert model_of(tmp_path, "zero_shot") == (SETTINGS | {"time_prompt": None}, None)
    with pytest.raises(ValueError, match="row: the run has no grpo; it has zero_shot, sft"):
        model_of(tmp_path, "grpo")
    with pytest.raises(ValueError, match="has not finished its stage sft"):
        model_of(tmp_path)
    (tmp_path / "sft").mkdir()
    (tmp_path / "sft" / "result").symlink_to("../stages/sft-0")
    with pytest.raises(ValueError, match="which is not there: an older run's stages have to move with it"):
        model_of(tmp_path)


def test_trained_base_weights_take_the_place_of_the_base(tmp_path: Path) -> None:
    OmegaConf.save(SETTINGS, tmp_path / "config.yaml")
    trained = tmp_path / "sft" / "result" / "checkpoint"
    trained.mkdir(parents=True)
    model = SETTINGS["model"] | {"checkpoint": str(trained)}
    assert model_of(tmp_path) == (SETTINGS | {"model": model}, None)
    with pytest.raises(ValueError, match=r"base: .*checkpoint holds all weights of the model, which stands on no"):
        model_of(tmp_path, base="b")
    base, adapter = model_of(tmp_path, "zero_shot", base="b")
    assert (base["model"]["checkpoint"], adapter) == ("b", None)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"scores": [1]}', '{"scores": {"sft": {"ag": {"mIoU": "<b>"}}}, "n_test": 1}']
)
def test_a_card_shows_scores_alone(text: str, shared: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shared / "run", tmp_path / "run"))
    (folder / "report.json").write_text(text)
    with pytest.raises(ValueError, match=r"report\.json"):
        export(folder, tmp_path / "out")


def test_a_card_counts_clips_apart_from_scores(shared: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shared / "run", tmp_path / "run"))
    report = {"scores": {"sft": {"ag": {"mIoU": 12.5}}}, "n_test": {"ag": 4}}
    (folder / "report.json").write_text(json.dumps(report))
    export(folder, tmp_path / "out", "full_omni_adapter", "sft")
    card = (tmp_path / "out" / "README.md").read_text()
    assert re.findall(r"^\| .*", card, re.MULTILINE) == ["| task | metric | % |", "| ag | mIoU | 12.5 |"]
    # It is no folder of ours, and is not said to be.
    assert not (tmp_path / "out" / EXPORTED).exists() and "load(FOLDER)" not in card and "PeftModel" in card


def test_one_export_at_a_time_writes_into_a_folder(shared: Path, tmp_path: Path) -> None:
    with held(tmp_path / "out" / ".export.partial"), pytest.raises(ValueError, match="another process is running"):
        export(shared / "run", tmp_path / "out", "adapter")
    with pytest.raises(ValueError, match="is an exported folder already; name the run that it came from"):
        export(shared / "exported", tmp_path / "out", "adapter")


def test_an_adapter_keeps_the_four_bits_of_its_base(shared: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shared / "run", tmp_path / "run"))
    settings = OmegaConf.load(folder / "config.yaml")
    settings.model.quantization = "nf4"
    OmegaConf.save(settings, folder / "config.yaml")
    kept = {}
    for kind in ("adapter", "merged"):
        export(folder, tmp_path / kind, kind)
        kept[kind] = json.loads((tmp_path / kind / EXPORTED).read_text())["model"]["quantization"]
    assert kept == {"adapter": "nf4", "merged": None}


def test_a_device_that_is_not_there_is_a_sentence(shared: Path) -> None:
    with pytest.raises(ValueError, match="device: gpu cannot be used here: "):
        timepro_lit.load(shared / "exported", device="gpu")


def test_a_call_goes_on_for_the_model_that_it_began_with(tmp_path: Path) -> None:
    source = ModelSource(Qwen2_5Omni(str(tmp_path), local_files_only=True), None, None)
    asked = (["When?"], windowing_of(None, None, None, 30.0), None)
    calls = set()
    for dtype, checkpoint in (("float32", "a"), ("bfloat16", "a"), ("bfloat16", "elsewhere")):
        model = {"_target_": "timepro_lit.lalm.qwen2_5_omni.Qwen2_5Omni", "dtype": dtype, "checkpoint": checkpoint}
        calls.add(call_of(source, {"model": model, "task": {}, "trainer": {"precision": "32-true"}}, *asked))
    assert len(calls) == 2


def reworded(**values: Any) -> Callable[[str], str]:
    return lambda text: json.dumps(json.loads(text) | values)


@pytest.mark.parametrize(
    ("file", "change", "fault"),
    [
        ("timepro_lit.json", lambda text: "{", "timepro_lit.json cannot be read"),
        ("timepro_lit.json", lambda text: "[" * 100_000, "timepro_lit.json cannot be read"),
        ("timepro_lit.json", lambda text: "[]", "timepro_lit.json holds no JSON object"),
        ("timepro_lit.json", lambda text: "{}", "timepro_lit.json: holds no model"),
        ("timepro_lit.json", reworded(trainer="x"), "timepro_lit.json: trainer is 'x', which are no settings"),
        ("timepro_lit.json", reworded(time_prompt=None), "was trained with another time prompt"),
        (
            "timepro_lit.json",
            lambda text: text.replace('"stride": 1', '"stride": "1"'),
            "time_prompt.stride: '1' is not",
        ),
        ("timepro_lit.json", lambda text: text.replace('"stride": 1', '"strde": 1'), "did you mean stride?"),
        ("timepro_lit.json", reworded(model={"_target_": "timepro_lit.lalm.lora.LoRA"}), "LoRA makes no timepro_lit."),
        (
            "timepro_lit.json",
            reworded(time_prompt={"_target_": "timepro_lit.time_prompt.grid.TimeGrid", "frames_per_second": 25.0}),
            "time_prompt._target_: timepro_lit.time_prompt.grid.TimeGrid makes no timepro_lit.",
        ),
        ("time_prompt.json", lambda text: "[]", "time_prompt.json holds no JSON object"),
        ("time_prompt.json", reworded(first_timestamp_id=1), "time_prompt.json: first_timestamp_id is 1, but 576"),
        ("time_prompt.json", reworded(frames_per_second=float("nan")), "time_prompt.json: frames_per_second is nan"),
        ("time_prompt.json", reworded(tokens=["<x>"]), "time_prompt.json: tokens is ['<x>'], but"),
        ("time_prompt.json", reworded(more=1), "time_prompt.json: more is 1, but None"),
        (
            "adapter_config.json",
            reworded(auto_mapping={"parent_library": "os"}),
            "adapter_config.json: auto_mapping is",
        ),
        ("adapter_config.json", reworded(megatron_core="evil"), "adapter_config.json: megatron_core is 'evil'"),
        ("adapter_model.safetensors", lambda text: "x", "adapter_model.safetensors cannot be read"),
        ("time_prompt.safetensors", lambda text: "x", "time_prompt.safetensors cannot be read"),
        ("trained_with.json", reworded(base_fingerprint=1), "trained_with.json: base_fingerprint is 1"),
    ],
)
def test_every_file_of_an_exported_folder_is_looked_through(
    file: str, change: Callable[[str], str], fault: str, shared: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(shared / "exported", tmp_path / "copy"))
    (folder / "checksums.json").unlink()
    text = "" if file.endswith(".safetensors") else (folder / file).read_text()
    (folder / file).write_text(change(text))
    with pytest.raises(ValueError) as refusal:
        timepro_lit.load(folder, device="cpu")
    assert fault in str(refusal.value)


@pytest.mark.parametrize("file", ["adapter_model.safetensors", "trained_with.json", "checksums.json", "README.md"])
def test_a_flipped_bit_in_an_exported_folder_is_noticed(file: str, shared: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shared / "exported", tmp_path / "copy"))
    content = bytearray((folder / file).read_bytes())
    content[-20] ^= 1
    (folder / file).write_bytes(content)
    if file == "README.md":  # a card is there to be written on
        timepro_lit.load(folder, device="cpu")
        return
    with pytest.raises(ValueError, match=rf"{file} is (missing or )?damaged,? or was changed"):
        timepro_lit.load(folder, device="cpu")


def test_an_export_that_was_killed_between_two_of_its_files_is_made_again(shared: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(shared / "run", out, "adapter")
    whole = {path.name: path.read_bytes() for path in out.iterdir()}
    (out / ".export.partial").mkdir()
    (out / ".export.partial" / "moving.json").write_text(sealed({"files": [*whole, "../kept.txt"]}))
    (tmp_path / "kept.txt").write_text("in no export")
    with pytest.raises(ValueError, match="is not empty, and nothing is overwritten"):
        export(shared / "run", out, "adapter")  # the last file is there
    (out / CHECKSUMS).unlink()
    (out / "own.txt").write_text("a user's")
    with pytest.raises(ValueError, match="is not empty, and nothing is overwritten"):
        export(shared / "run", out, "adapter")
    (out / "own.txt").unlink()
    export(shared / "run", out, "adapter")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == whole
    assert (tmp_path / "kept.txt").exists()


def test_an_export_that_ran_out_of_room_leaves_nothing_and_can_be_made_again(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / ".export.partial").mkdir(parents=True)  # of one that was killed
    (tmp_path / "out" / ".export.partial" / "model.safetensors").write_text("half")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError, match=r"adapter_model\.safetensors"):
            export(shared / "run", tmp_path / "out", "full_omni_adapter")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "out").iterdir()) == []
    export(shared / "run", tmp_path / "out", "adapter")
    timepro_lit.load(tmp_path / "out", device="cpu")
