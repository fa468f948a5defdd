from __future__ import annotations

from pathlib import Path

import pytest

from timepro_lit.files.fingerprint import file_digest
from timepro_lit.files.sealing import damaged_in, digests_of, files_in, read_sealed, seal, sealed


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
    assert [path.name for path in tmp_path.iterdir()] == ["final"]


def test_a_file_is_checked_to_its_last_byte(tmp_path: Path) -> None:
    with (tmp_path / "weights").open("wb") as file:
        file.truncate(65 * 2**20)
    digests = digests_of(tmp_path, files_in(tmp_path))
    assert damaged_in(tmp_path, digests) is None
    assert damaged_in(tmp_path, {"weights": file_digest(tmp_path / "weights")}) is None  # of an earlier version
    with (tmp_path / "weights").open("r+b") as file:
        file.seek(3 * 2**19)  # between two samples
        file.write(b"x")
    assert damaged_in(tmp_path, digests) == tmp_path / "weights"
    assert damaged_in(tmp_path, {"gone": ""}) == tmp_path / "gone"
    for elsewhere in ("../weights", "/dev/zero"):
        assert damaged_in(tmp_path / "sub", {elsewhere: ""}) == tmp_path / "sub" / elsewhere


def test_an_object_says_whether_it_is_what_was_stored(tmp_path: Path) -> None:
    path, record = tmp_path / "a.json", {"table": "mIoU 74.4", "counts": {2: [1.5, None]}, "b": ("x", float("nan"))}
    path.write_text(sealed(record))
    assert repr(read_sealed(path)) == "{'table': 'mIoU 74.4', 'counts': {'2': [1.5, None]}, 'b': ['x', nan]}"
    path.write_text(sealed(record).replace("74.4", "75.4"))
    with pytest.raises(ValueError, match=r"a\.json is damaged or was changed: it is not what was stored"):
        read_sealed(path)
    path.write_text('{"table": "by hand"}')
    assert read_sealed(path) == {"table": "by hand"}
