"""Keys of stages that are not made yet, and stored results that would be taken."""

from __future__ import annotations

import json
from pathlib import Path

from timepro_lit.runs.foreseen import foreseen
from timepro_lit.runs.origin import Grounds

SFT, GRPO = Grounds({"a": 1}, {"x.py": "1"}), Grounds({"b": [1, 2]}, {"x.py": "1"})
LENGTHS = {"sft": {"max_steps": 3, "batch_size": 2}, "grpo": {"max_steps": 4, "batch_size": 2}}


def store(folder: Path, name: str, grounds: Grounds, parent: str) -> None:
    stage = name.split("-")[0]
    (folder / name).mkdir(parents=True)
    origin = grounds.on(base="base", parent=parent, data={}, lengths=LENGTHS[stage])
    (folder / name / "result.json").write_text(json.dumps(origin.record()))


def test_a_key_is_that_of_a_stage_and_of_those_before_it(tmp_path: Path) -> None:
    both = foreseen(tmp_path, {"sft": SFT, "grpo": GRPO}, LENGTHS, None)
    alone = foreseen(tmp_path, {"sft": SFT}, LENGTHS, None)
    other = foreseen(tmp_path, {"sft": Grounds({"a": 2}, SFT.code), "grpo": GRPO}, LENGTHS, None)
    assert both["sft"] == alone["sft"]
    assert other["grpo"].key != both["grpo"].key != both["sft"].key
    assert both["sft"].said == "not stored: to be made"
    longer = {**LENGTHS, "sft": {"max_steps": 6, "batch_size": 2}}
    assert foreseen(tmp_path, {"sft": SFT}, longer, None)["sft"].key != alone["sft"].key


def test_what_is_stored_is_found_behind_its_parent_alone(tmp_path: Path) -> None:
    store(tmp_path, "sft-0123456789ab", SFT, "base")
    store(tmp_path, "grpo-aaaaaaaaaaaa", GRPO, "0123456789ab")
    store(tmp_path, "grpo-bbbbbbbbbbbb", GRPO, "cccccccccccc")
    found = foreseen(tmp_path, {"sft": SFT, "grpo": GRPO}, LENGTHS, None)
    assert found["sft"].said == "stored: sft-0123456789ab"
    assert found["grpo"].said == "stored: grpo-aaaaaaaaaaaa"
    newer = foreseen(tmp_path, {"sft": Grounds(SFT.settings, {"x.py": "2"}), "grpo": GRPO}, LENGTHS, None)
    assert newer["sft"].said == "made anew: other code (x.py)"
    assert not newer["grpo"].stored
