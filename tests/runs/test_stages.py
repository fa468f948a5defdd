from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest

from timepro_lit.files.sealing import read_sealed, sealed
from timepro_lit.runs import stages
from timepro_lit.runs.origin import Origin
from timepro_lit.runs.stages import StageStore, check_result

CODE = {"lalm/base.py": "11", "lit/sft.py": "22"}
ONE, OTHER = Origin({"seed": 1}, CODE), Origin({"seed": 2}, CODE)
NEWER = Origin({"seed": 1}, {"lalm/base.py": "12", "lit/sft.py": "22", "lit/new.py": "33"})


def test_a_missing_result_is_made_once_and_then_reused(tmp_path: Path) -> None:
    store = StageStore(tmp_path / "stages", owner=tmp_path / "run")
    with store.claim("sft", ONE) as claim:
        assert not claim.complete
        (claim.folder / "adapter.safetensors").write_bytes(b"weights")
        claim.publish({"val/ag/mIoU": 70.0})
        assert claim.complete
    with StageStore(tmp_path / "stages", owner=tmp_path / "other").claim("sft", ONE) as claim:
        assert claim.complete
        assert (claim.folder / "adapter.safetensors").read_bytes() == b"weights"
        assert claim.result == {"val/ag/mIoU": 70.0}
        assert not claim.is_own
    with store.claim("sft", ONE) as claim:
        assert claim.complete and claim.is_own
    with store.claim("sft", OTHER) as claim:
        assert not claim.complete
    with store.claim("grpo", ONE) as claim:
        assert not claim.complete


def test_an_interrupted_result_is_taken_up_again(tmp_path: Path) -> None:
    store = StageStore(tmp_path / "stages", owner=tmp_path / "run")
    with pytest.raises(RuntimeError), store.claim("sft", ONE) as claim:
        (claim.folder / "last.ckpt").write_text("step 10")
        raise RuntimeError("power cut")
    with store.claim("sft", ONE) as claim:
        assert not claim.complete
        assert (claim.folder / "last.ckpt").read_text() == "step 10"


def test_killed_before_its_folder_takes_its_place_a_result_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = StageStore(tmp_path, owner=tmp_path / "run")
    monkeypatch.setattr(Path, "rename", lambda path, target: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt), store.claim("sft", ONE) as claim:
        (claim.folder / "adapter").write_text("weights")
        claim.publish({})
    assert (claim.folder / "result.json").exists()
    (claim.folder / "card").mkdir()
    for place in (claim.folder, claim.folder / "card"):
        (place / ".recordings.npy.k3j_x81a.tmp").write_text("half")
    monkeypatch.undo()
    _make(tmp_path, tmp_path / "journal", 0.0)
    with store.claim("sft", ONE) as claim:
        assert claim.complete
    assert {path.name for path in claim.final.rglob("*")} == {"adapter", "result.json", "card"}


def test_a_damaged_result_is_refused(tmp_path: Path) -> None:
    store = StageStore(tmp_path / "stages", owner=tmp_path / "run")
    with store.claim("sft", ONE) as claim:
        (claim.folder / "adapter.safetensors").write_bytes(b"weights")
        claim.publish({})
    (claim.final / "adapter.safetensors").write_bytes(b"weightz")
    with pytest.raises(ValueError, match="damaged; delete"), store.claim("sft", ONE):
        pass
    with pytest.raises(ValueError, match=r"adapter\.safetensors is missing or damaged"):
        check_result(claim.final)
    (claim.final / "adapter.safetensors").write_bytes(b"weights")
    check_result(claim.final)
    record = claim.final / "result.json"
    record.write_text(record.read_text().replace('"result": {}', '"result": {"validation": 0.9}'))
    with pytest.raises(ValueError, match=r"result\.json is missing or damaged; delete"), store.claim("sft", ONE):
        pass


def test_a_result_under_the_key_of_other_settings_is_refused(tmp_path: Path) -> None:
    store = StageStore(tmp_path / "stages", owner=tmp_path / "run")
    with store.claim("sft", ONE) as claim:
        claim.publish({})
    record = read_sealed(claim.final / "result.json")
    record["determinants"]["seed"] = 2
    (claim.final / "result.json").write_text(sealed(record))
    with pytest.raises(ValueError, match=r"other settings: seed \(2 there, 1 now\)"), store.claim("sft", ONE):
        pass


def publish(store: StageStore, stage: str, origin: Origin) -> Path:
    with store.claim(stage, origin) as claim:
        assert not claim.complete
        claim.publish({"validation": 0.5})
    return claim.final


def test_other_code_makes_a_stage_anew_and_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = StageStore(tmp_path, owner=tmp_path / "run")
    first = publish(store, "sft", ONE)
    publish(store, "sft", OTHER)
    assert capsys.readouterr().out == ""
    second = publish(store, "sft", NEWER)
    assert first != second
    assert capsys.readouterr().out == (
        f"sft: made anew; {first} was made by other code (lalm/base.py, lit/new.py): "
        "reuse=anyway takes it all the same\n"
    )
    with store.claim("sft", ONE) as claim:
        assert claim.final == first and claim.note is None


def test_code_may_be_overlooked(tmp_path: Path) -> None:
    store = StageStore(tmp_path, tmp_path / "run", reuse_anyway=True)
    first = publish(store, "sft", ONE)
    with store.claim("sft", NEWER) as claim:
        assert claim.complete and claim.final == first and claim.key == ONE.key
        assert claim.note == "made by other code (lalm/base.py, lit/new.py)" and claim.code == CODE
        assert claim.told == f"{first} ({claim.note})"
    publish(store, "sft", OTHER)  # other settings are no other code
    publish(store, "grpo", NEWER)


def test_the_other_ranks_overlook_it_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = StageStore(tmp_path, tmp_path / "run", reuse_anyway=True)
    first = publish(store, "sft", ONE)
    monkeypatch.setenv("RANK", "1")
    with store.claim("sft", NEWER) as claim:
        assert claim.final == first


def test_other_libraries_are_said(tmp_path: Path) -> None:
    store = StageStore(tmp_path, tmp_path / "run")
    path = publish(store, "sft", ONE) / "result.json"
    record = read_sealed(path)
    now = record["versions"]["torch"]
    path.write_text(sealed(record | {"versions": record["versions"] | {"torch": "1.0"}}))
    with store.claim("sft", ONE) as claim:
        assert claim.complete
        assert claim.told.endswith(f" (made with torch 1.0, now {now})")


@pytest.mark.parametrize("record", [None, "", "[]", '{"determinants": {"seed": 1}, "result": {}, "files": {}}'])
def test_what_earlier_versions_and_accidents_left_is_passed_over(record: str | None, tmp_path: Path) -> None:
    (tmp_path / "sft-0123456789ab").mkdir()
    if record is not None:
        (tmp_path / "sft-0123456789ab" / "result.json").write_text(record)
    publish(StageStore(tmp_path, tmp_path / "run", reuse_anyway=True), "sft", ONE)


def test_a_result_without_a_readable_record_is_refused(tmp_path: Path) -> None:
    store = StageStore(tmp_path, owner=tmp_path / "run")
    (publish(store, "sft", ONE) / "result.json").write_text('{"determ')
    with pytest.raises(ValueError, match=r"result.json is missing or damaged; delete"), store.claim("sft", ONE):
        pass


def _make(folder: Path, journal: Path, seconds: float) -> None:
    with StageStore(folder, owner=journal.parent).claim("sft", ONE) as claim:
        if not claim.complete:
            with journal.open("a") as file:
                file.write("trained\n")
            time.sleep(seconds)
            (claim.folder / "adapter").write_text("weights")
            claim.publish({})
        assert (claim.folder / "adapter").read_text() == "weights"


def test_of_parallel_processes_one_makes_and_the_others_wait(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    arguments = (tmp_path / "stages", tmp_path / "journal", 0.5)
    processes = [context.Process(target=_make, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert (tmp_path / "journal").read_text() == "trained\n"


def test_a_killed_process_leaves_the_stage_to_the_next(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_make, args=(tmp_path / "stages", tmp_path / "journal", 60.0))
    process.start()
    while not (tmp_path / "journal").exists():
        time.sleep(0.01)
    process.kill()
    process.join()
    _make(tmp_path / "stages", tmp_path / "journal", 0.0)
    assert (tmp_path / "journal").read_text() == "trained\ntrained\n"


def _follow(folder: Path, owner: Path, said: Any) -> None:
    with StageStore(folder, owner).claim("sft", ONE) as claim:
        said.put("train" if not claim.complete else "reuse")
        if not claim.complete:
            claim.publish({})  # waits for rank zero
            said.put((claim.folder / "adapter").read_text())


@pytest.mark.parametrize(("finished_before", "killed_before"), [(False, False), (True, False), (False, True)])
def test_the_other_ranks_do_as_rank_zero_does(
    finished_before: bool, killed_before: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = multiprocessing.get_context("fork")
    said = context.Queue()
    if killed_before:  # what it left says that the same run is making the result, as it now does not yet
        (tmp_path / "stages").mkdir()
        (tmp_path / "stages" / f"sft-{ONE.key}.owner").write_text(f"{tmp_path}\n1")
        monkeypatch.setattr(stages, "this_launch", lambda: "2")
    if finished_before:
        _make(tmp_path / "stages", tmp_path / "journal", 0.0)
    monkeypatch.setenv("RANK", "1")
    follower = context.Process(target=_follow, args=(tmp_path / "stages", tmp_path, said))
    follower.start()
    monkeypatch.delenv("RANK")
    if not finished_before:
        time.sleep(0.3)
        assert said.empty()  # rank zero has not decided yet
        _make(tmp_path / "stages", tmp_path / "journal", 0.5)
    expected = ["reuse"] if finished_before else ["train", "weights"]
    assert [said.get(timeout=30) for _ in expected] == expected
    follower.join(30)
    assert follower.exitcode == 0
