"""States of a stage: the newest undamaged one is gone on from, and nothing that is damaged ever is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from timepro_lit.lit.states import States


def write(states: States, step: int) -> Path:
    states.begin(step)
    states.path(step).write_bytes(bytes(100))
    states.seal(step, f"step\n{step - 1}\n", validation_is_due=step == 2)
    return states.folder / f"step-{step}"


@pytest.fixture
def states(tmp_path: Path) -> States:
    states = States(tmp_path / "states", {"processes": 1})
    for step in (1, 2, 8, 12):
        write(states, step)
    states.begin(16)  # killed before it was sealed
    return states


def test_the_last_two_are_kept(states: States, tmp_path: Path) -> None:
    assert States(tmp_path / "none", {}).newest() is None
    assert sorted(path.name for path in states.folder.iterdir()) == ["step-12", "step-16.partial", "step-8"]
    state = states.newest()
    assert state is not None
    assert (state.step, state.curves, state.validation_is_due) == (12, "step\n11\n", False)


@pytest.mark.parametrize("name", ["state.ckpt", "metrics.csv", "state.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "delete"])
def test_a_damaged_one_gives_way_to_the_one_before(
    states: States, capsys: pytest.CaptureFixture[str], name: str, damage: str
) -> None:
    path = states.folder / "step-12" / name
    content = path.read_bytes()
    half = len(content) // 2
    damaged = {"flip": content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :], "cut": content[:half]}
    path.unlink()
    if damage in damaged:
        path.write_bytes(damaged[damage])
    state = states.newest()
    assert state is not None
    assert state.step == 8
    assert capsys.readouterr().out == f"{states.folder / 'step-12'} is damaged; going on from step-8\n"
    assert write(states, 12) == states.folder / "step-12"
    assert states.newest().step == 12  # type: ignore[union-attr]


def test_what_cannot_be_gone_on_from_is_named(states: States) -> None:
    with pytest.raises(ValueError, match=r"was written with \{'processes': 1\}, .* run it as before, or delete"):
        States(states.folder, {"processes": 2}).newest()
    for step in (8, 12):
        (states.folder / f"step-{step}" / "state.ckpt").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"state\.ckpt is missing or damaged; no undamaged state is left: delete"):
        states.newest()


def test_a_record_of_somebody_else_is_no_state(states: States) -> None:
    record = states.folder / "step-12" / "state.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"validation_is_due": True}))
    assert states.newest().step == 8  # type: ignore[union-attr]
