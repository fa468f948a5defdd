"""A corpus that was prepared beforehand: one manifest a split and the audio it names, under one folder."""

from __future__ import annotations

from pathlib import Path


class Prepared:
    """`<root>/<split>.jsonl` and the audio that it names relative to `root`; nothing is written."""

    def __init__(self, root: str, splits: tuple[str, ...] = ("train", "val", "test")) -> None:
        self.root = Path(root)
        self.splits = tuple(splits)

    def manifest(self, split: str) -> Path:
        """Path of a split's manifest."""
        return self.root / f"{split}.jsonl"

    def prepare(self) -> None:
        """Raise FileNotFoundError where a manifest is missing."""
        for split in self.splits:
            if not self.manifest(split).is_file():
                raise FileNotFoundError(f"{self.manifest(split)} does not exist: prepare the corpus there first")
