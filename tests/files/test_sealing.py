from __future__ import annotations

from pathlib import Path

import pytest

from timepro_lit.files.sealing import seal


def test_a_folder_takes_its_place_as_a_whole(tmp_path: Path) -> None:
    for text in ("one", "two"):
        (tmp_path / "partial").mkdir()
        (tmp_path / "partial" / text).write_text(text)
        seal(tmp_path / "partial", tmp_path / "final", "seal.json", f'"{text}"')
        assert sorted(path.name for path in (tmp_path / "final").iterdir()) == sorted([text, "seal.json"])
        assert [path.name for path in tmp_path.iterdir()] == ["final"]


def test_killed_in_between_nothing_is_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "final").mkdir()
    (tmp_path / "final" / "old").write_text("")
    rename = Path.rename
    for number_killed in (0, 1):
        (tmp_path / "partial").mkdir(exist_ok=True)
        done: list[Path] = []

        def killed(path: Path, target: Path, n: int = number_killed, done: list[Path] = done) -> Path:
            if len(done) == n:
                raise KeyboardInterrupt
            done.append(path)
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            seal(tmp_path / "partial", tmp_path / "final", "seal.json", "{}")
        assert (tmp_path / "final" / "old").exists() or not (tmp_path / "final").exists()
        assert not (tmp_path / "final" / "seal.json").exists()
        monkeypatch.undo()
    seal(tmp_path / "partial", tmp_path / "final", "seal.json", "{}")
    assert [path.name for path in (tmp_path / "final").iterdir()] == ["seal.json"]
