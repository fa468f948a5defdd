"""Which base it is: by the content of a folder, by the commit of what came from a hub."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest

from timepro_lit.lalm.checkpoint import TRAINED_WITH, ModelSource, base_fingerprint
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lalm.tiny import Tiny

ONE, OTHER = "1" * 40, "2" * 40
SIZES = {
    "seed": 0, "vocab_size": 320, "num_mel_bins": 16, "encoder_size": 32, "encoder_layers": 1, "hidden_size": 32,
    "num_layers": 1, "num_heads": 2, "num_kv_heads": 2, "intermediate_size": 32,
}  # fmt: skip


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub with two commits of one model, of which `main` is the first."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--some--model"
    for commit in (ONE, OTHER):
        (folder / "snapshots" / commit).mkdir(parents=True)
        (folder / "snapshots" / commit / "config.json").write_text("{}")
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(ONE)
    return folder


def test_a_branch_is_the_commit_that_it_stands_for(hub: Path) -> None:
    assert base_fingerprint(Qwen2_5Omni("some/model")) == f"some/model@{ONE}"
    assert base_fingerprint(Qwen2_5Omni("some/model", revision="main", local_files_only=True)) == f"some/model@{ONE}"
    assert base_fingerprint(Qwen2_5Omni("some/model", revision=OTHER)) == f"some/model@{OTHER}"
    (hub / "refs" / "main").write_text(OTHER)
    assert base_fingerprint(Qwen2_5Omni("some/model")) == f"some/model@{OTHER}"


def test_a_model_that_is_not_here_is_named(hub: Path) -> None:
    with pytest.raises(OSError, match=r"model\.checkpoint = some/other: its commit cannot be found out"):
        base_fingerprint(Qwen2_5Omni("some/other"))


@pytest.mark.parametrize(
    ("trained_on", "refused"),
    [
        (f"some/model@{ONE}", False),
        ("some/model@None", False),  # as earlier versions wrote it
        ("some/model@main", False),
        ("0123456789abcdef", False),  # a folder, which may hold the same
        (f"some/model@{OTHER}", True),
        (f"some/other@{ONE}", True),
    ],
)
def test_an_adapter_of_another_base_is_refused(trained_on: str, refused: bool, hub: Path, tmp_path: Path) -> None:
    (tmp_path / TRAINED_WITH).write_text(
        json.dumps({"base": "some/model", "base_fingerprint": trained_on, "time_prompt": None})
    )
    source = ModelSource(Qwen2_5Omni("some/model"), None, None, tmp_path)
    with pytest.raises(ValueError, match="another base" if refused else "no configuration"):  # there are no weights
        source.load()


def test_a_random_base_is_made_for_its_sizes_and_texts(tmp_path: Path) -> None:
    def make(texts: list[str], **sizes: int) -> Path:
        tiny = Tiny(str(tmp_path / "random"), **(SIZES | sizes))
        tiny.make_checkpoint(lambda: texts)
        return Path(tiny.checkpoint)

    first = make(["a dog barks"])
    changed = (first / "model.safetensors").stat().st_mtime_ns
    assert make(["a dog barks"]) == first
    assert (first / "model.safetensors").stat().st_mtime_ns == changed
    assert make(["a dog barks"], seed=1) != first
    with pytest.raises(ValueError, match="made from the texts of other data"):
        make(["a cat meows"])
    shutil.rmtree(first)
    assert make(["a cat meows"]) == first
    assert len(list(tmp_path.iterdir())) == 2
