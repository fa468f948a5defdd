from __future__ import annotations

from pathlib import Path

import pytest

from timepro_lit.files.fingerprint import fingerprint


def test_a_fingerprint_follows_content_and_names_but_not_the_place(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "model.safetensors").write_bytes(b"weights")
    assert fingerprint(tmp_path / "one") == fingerprint(tmp_path / "two")
    (tmp_path / "two" / "sub" / "model.safetensors").write_bytes(b"weightz")
    assert fingerprint(tmp_path / "one") != fingerprint(tmp_path / "two")
    (tmp_path / "two" / "sub" / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "two" / "sub" / "model.safetensors").rename(tmp_path / "two" / "model.safetensors")
    assert fingerprint(tmp_path / "one") != fingerprint(tmp_path / "two")
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        fingerprint(tmp_path / "nowhere")


def test_a_large_file_is_sampled_to_its_very_end(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.truncate(65 * 2**20)
    zeros = fingerprint(tmp_path / "a")
    with (tmp_path / "a").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")
    assert fingerprint(tmp_path / "a") != zeros


def test_a_card_changes_nothing_of_what_it_describes(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    before = fingerprint(tmp_path)
    (tmp_path / "README.md").write_text("a card")
    assert fingerprint(tmp_path) == before


def test_what_a_download_and_git_leave_behind_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / ".hidden" / "base"  # what lies above the folder is its place
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "model.safetensors").write_bytes(b"weights")
    before = fingerprint(folder)
    assert before == "6a54a69e9dc629e9"
    for name in (".gitattributes", ".git/HEAD", ".cache/huggingface/download/config.json.metadata", "sub/.gitignore"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("1769000000.5")
    assert fingerprint(folder) == before
    (folder / "config.json").write_text("{}")
    assert fingerprint(folder) != before
