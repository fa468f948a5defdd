"""The examples in docstrings, as printed."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[1] / "src"
WITH_EXAMPLES = [path for path in sorted(SRC.rglob("*.py")) if "\n    >>> " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.stem)
def test_examples_come_to_what_they_say(path: Path) -> None:
    module = import_module(".".join(path.relative_to(SRC).with_suffix("").parts))
    results = doctest.testmod(module)
    assert results.attempted and not results.failed
