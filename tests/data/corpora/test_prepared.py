from __future__ import annotations

from pathlib import Path

import pytest

from timepro_lit.data.corpora.prepared import Prepared


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / f"{split}.jsonl").write_text("")
    Prepared(str(tmp_path), splits=("train", "val")).prepare()
    with pytest.raises(FileNotFoundError, match=r"test\.jsonl does not exist: prepare the corpus"):
        Prepared(str(tmp_path)).prepare()
