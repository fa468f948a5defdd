from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest

from timepro_lit.files.atomic import is_left_over, naming, replacing, write_atomically


def test_a_disk_without_room_is_said_with_the_file_and_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomically(path, "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError) as error:
            write_atomically(path, "x" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(error.value) == f"[Errno {errno.EFBIG}] {os.strerror(errno.EFBIG)}: '{path}'"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_an_error_of_something_else_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="other"), replacing(tmp_path / "a"):
        (tmp_path / "other").read_text()
    with pytest.raises(OSError, match=r"a cannot be written: no room"), naming(tmp_path / "a", RuntimeError):
        raise RuntimeError("no room")
    with pytest.raises(KeyError), naming(tmp_path / "a", RuntimeError):
        raise KeyError


@pytest.mark.parametrize(
    ("name", "left_over"),
    [
        (".config.yaml.k3j_x81a.tmp", True),
        (".config.yaml.k3j_x81a", True),
        (".result.partial", True),
        (".sft.old", True),
        (".lock", True),
        ("config.yaml", False),
        ("thesis.old", False),
        (".git", False),
    ],
)
def test_our_own_left_overs_are_known_by_their_names(name: str, left_over: bool) -> None:
    assert is_left_over(Path("run") / name) is left_over
