from __future__ import annotations

import copy
import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest

from timepro_lit.runs.stages import StageStore, determinants, key_of, unnamed

SETTINGS: dict[str, Any] = {
    "model": {"checkpoint": "<assets>/tiny_base"},
    "lora": {"rank": 8},
    "time_prompt": {"stride": 1},
    "task": {"ag": {}},
    "data": {"corpus": {"seed": 7, "num_workers": 2}, "num_workers": 0},
    "stage": {
        "sft": {"label": "SFT", "about": "teaches", "module": {"learning_rate": 1e-5}},
        "grpo": {
            "label": "GRPO",
            "module": {"learning_rate": 1e-6, "reward": {"label": "adaptive", "threshold": 1e-6}},
        },
    },
    "reward": {"label": "adaptive", "threshold": 1e-6},
    "trainer": {"precision": "bf16-mixed", "devices": 1, "accelerator": "cpu"},
    "logger": {"csv": {}},
    "paths": {"outputs": "/scratch"},
    "seed": 1,
}


def changed(path: str, value: Any) -> dict[str, Any]:
    settings = copy.deepcopy(SETTINGS)
    *parents, leaf = path.split(".")
    node = settings
    for parent in parents:
        node = node[parent]
    node[leaf] = value
    return settings


def keys(settings: dict[str, Any]) -> dict[str, str]:
    return {stage: key_of(determining) for stage, determining in determinants(settings).items()}


@pytest.mark.parametrize(
    ("path", "value", "changes"),
    [
        ("seed", 2, {"sft", "grpo"}),
        ("time_prompt", None, {"sft", "grpo"}),
        ("lora.rank", 16, {"sft", "grpo"}),
        ("data.corpus.seed", 8, {"sft", "grpo"}),
        ("trainer.precision", "32-true", {"sft", "grpo"}),
        ("stage.sft.module.learning_rate", 1e-4, {"sft"}),
        ("stage.grpo.module.reward.threshold", 0.1, {"grpo"}),
        ("reward.threshold", 0.1, set()),
        ("stage.sft.label", "Fine-tuning", set()),
        ("stage.sft.label", None, set()),
        ("stage.sft.about", "trains", set()),
        ("stage.grpo.about", "trains", set()),
        ("stage.grpo.module.reward.label", "eq. (2)", set()),
        ("data.num_workers", 4, set()),
        ("data.corpus.num_workers", 4, set()),
        ("data.corpus.audio", "s3://bucket/clips", set()),
        ("data.max_skipped_share", 0.05, set()),
        ("trainer.devices", 8, set()),
        ("trainer.accelerator", "gpu", set()),
        ("logger", {}, set()),
        ("paths.outputs", "/elsewhere", set()),
    ],
)
def test_what_changes_a_key(path: str, value: Any, changes: set[str]) -> None:
    before, after = keys(SETTINGS), keys(changed(path, value))
    assert {stage for stage in before if before[stage] != after[stage]} == changes


def test_only_data_have_recordings_that_lie_somewhere() -> None:
    assert keys(changed("model.audio", "s3://bucket/clips")) != keys(SETTINGS)


def test_only_what_a_stage_and_its_reward_are_called_is_left_out() -> None:
    model = {"label": "counts", "reward": {"about": "does not", "main": {"label": "counts"}}}
    named = {"label": "does not", "about": "does not", "module": model, "fit": {"about": "counts"}}
    kept = {"module": {"label": "counts", "reward": {"main": {"label": "counts"}}}, "fit": {"about": "counts"}}
    assert unnamed(named) == kept
    assert determinants({**SETTINGS, "stage": {"sft": kept}})["sft"]["stage"] == kept


def test_a_new_trainer_setting_counts() -> None:
    assert keys(changed("trainer.limit_train_batches", 3)) != keys(SETTINGS)


def test_the_order_of_keys_does_not_count() -> None:
    assert key_of({"a": 1, "b": {"c": 2, "d": 3}}) == key_of({"b": {"d": 3, "c": 2}, "a": 1})


def test_a_missing_result_is_made_once_and_then_reused(tmp_path: Path) -> None:
    store = StageStore(tmp_path / "stages", owner=tmp_path / "run")
    with store.claim("sft", {"seed": 1}) as claim:
        assert not claim.complete
        (claim.folder / "adapter.safetensors").write_bytes(b"weights")
        claim.publish({"val/ag/mIoU": 70.0})
        assert claim.complete
    with StageStore(tmp_path / "stages", owner=tmp_path / "other").claim("sft", {"seed": 1}) as claim:
        assert claim.complete
        assert (claim.folder / "adapter.safetensors").read_bytes() == b"weights"
        assert claim.result == {"val/ag/mIoU": 70.0}
    with store.claim("sft", {"seed": 2}) as claim:
        assert not claim.complete
    with store.claim("grpo", {"seed": 1}) as claim:
        assert not claim.complete


def test_an_interrupted_result_is_taken_up_again(tmp_path: Path) -> None:
    store = StageStore(tmp_path / "stages", owner=tmp_path / "run")
    with pytest.raises(RuntimeError), store.claim("sft", {"seed": 1}) as claim:
        (claim.folder / "last.ckpt").write_text("step 10")
        raise RuntimeError("power cut")
    with store.claim("sft", {"seed": 1}) as claim:
        assert not claim.complete
        assert (claim.folder / "last.ckpt").read_text() == "step 10"


def test_a_damaged_result_is_refused(tmp_path: Path) -> None:
    store = StageStore(tmp_path / "stages", owner=tmp_path / "run")
    with store.claim("sft", {"seed": 1}) as claim:
        (claim.folder / "adapter.safetensors").write_bytes(b"weights")
        claim.publish({})
    (claim.final / "adapter.safetensors").write_bytes(b"weightz")
    with pytest.raises(ValueError, match="damaged; delete"), store.claim("sft", {"seed": 1}):
        pass


def test_a_result_under_the_key_of_other_settings_is_refused(tmp_path: Path) -> None:
    store = StageStore(tmp_path / "stages", owner=tmp_path / "run")
    with store.claim("sft", {"seed": 1}) as claim:
        claim.publish({})
    record = json.loads((claim.final / "result.json").read_text())
    record["determinants"]["seed"] = 2
    (claim.final / "result.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"other settings: seed \(2 there, 1 now\)"), store.claim("sft", {"seed": 1}):
        pass


def _make(folder: Path, journal: Path, seconds: float) -> None:
    with StageStore(folder, owner=journal.parent).claim("sft", {"seed": 1}) as claim:
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
    with StageStore(folder, owner).claim("sft", {"seed": 1}) as claim:
        said.put("train" if not claim.complete else "reuse")
        if not claim.complete:
            claim.publish({})  # waits for rank zero
            said.put((claim.folder / "adapter").read_text())


@pytest.mark.parametrize("finished_before", [False, True])
def test_the_other_ranks_do_as_rank_zero_does(
    finished_before: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = multiprocessing.get_context("fork")
    said = context.Queue()
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
