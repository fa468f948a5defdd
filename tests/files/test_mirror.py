from __future__ import annotations

import os
from pathlib import Path

import pytest

from timepro_lit.files.mirror import mirror


@pytest.mark.parametrize("links", [True, False])
def test_the_files_are_there_when_the_source_is_gone(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:

        def refused(*paths: object) -> None:
            raise OSError("no hard links here")

        monkeypatch.setattr(os, "link", refused)
    (tmp_path / "a/inner").mkdir(parents=True)
    (tmp_path / "a/inner/weights").write_text("1")
    (tmp_path / "b").symlink_to("nowhere")
    for text in ("1", "2"):
        (tmp_path / "a/inner/weights").unlink()
        (tmp_path / "a/inner/weights").write_text(text)
        mirror(tmp_path / "a", tmp_path / "b")
        assert (tmp_path / "b/inner/weights").read_text() == text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]
    assert (tmp_path / "b/inner/weights").samefile(tmp_path / "a/inner/weights") == links
    (tmp_path / "a/inner/weights").unlink()
    assert (tmp_path / "b/inner/weights").read_text() == "2"
