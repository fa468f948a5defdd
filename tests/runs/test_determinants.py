from __future__ import annotations

import copy
from typing import Any

import pytest

from timepro_lit.runs.code import code_of
from timepro_lit.runs.determinants import (
    READING,
    determinants,
    grounds_of_answers,
    grounds_of_stages,
    method_of,
    on_processes,
    unnamed,
)

SETTINGS: dict[str, Any] = {
    "model": {"checkpoint": "<assets>/tiny_base"},
    "lora": {"rank": 8},
    "time_prompt": {"stride": 1},
    "task": {"ag": {}},
    "data": {
        "_target_": "timepro_lit.lit.datamodule.ClipDataModule",
        "corpus": {"_target_": "a.Soundscapes", "folder": "<data>", "seed": 7, "num_workers": 2},
        "weights": None,
        "num_workers": 0,
    },
    "stage": {
        "sft": {
            "label": "SFT",
            "about": "teaches",
            "module": {"learning_rate": 1e-5},
            "batch_size": 8,
            "micro_batch_size": 2,
            "fit": {"max_epochs": 1, "val_check_interval": 10},
        },
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


def changed(path: str, value: Any, of: dict[str, Any] = SETTINGS) -> dict[str, Any]:
    settings = copy.deepcopy(of)
    *parents, leaf = path.split(".")
    node = settings
    for parent in parents:
        node = node[parent]
    node[leaf] = value
    return settings


def keys(settings: dict[str, Any]) -> dict[str, str]:
    return {stage: grounds.on().key for stage, grounds in grounds_of_stages(settings).items()}


@pytest.mark.parametrize(
    ("path", "value", "changes"),
    [
        ("seed", 2, {"sft", "grpo"}),
        ("time_prompt", None, {"sft", "grpo"}),
        ("lora.rank", 16, {"sft", "grpo"}),
        ("data.weights", {"ag": 1.0}, {"sft", "grpo"}),
        ("data.max_validation_examples", 8, {"sft", "grpo"}),
        ("callbacks", {"mine": {"_target_": "mine.Freezing"}}, {"sft", "grpo"}),
        ("trainer.strategy", {"_target_": "lightning.pytorch.strategies.DeepSpeedStrategy"}, {"sft", "grpo"}),
        ("stage.sft.fit.val_check_interval", 5, {"sft"}),
        ("trainer.precision", "32-true", {"sft", "grpo"}),
        ("stage.sft.module.learning_rate", 1e-4, {"sft"}),
        ("stage.grpo.module.reward.threshold", 0.1, {"grpo"}),
        ("reward.threshold", 0.1, set()),
        ("stage.sft.label", "Fine-tuning", set()),
        ("stage.sft.label", None, set()),
        ("stage.sft.about", "trains", set()),
        ("stage.grpo.about", "trains", set()),
        ("stage.grpo.module.reward.label", "eq. (2)", set()),
        ("stage.sft.micro_batch_size", 4, set()),
        ("stage.sft.micro_batch_tokens", 4096, set()),
        ("stage.sft.fit.log_every_n_steps", 1, set()),
        # What these come to is looked at itself: the run's steps and rows, the base, the manifests and recordings.
        ("stage.sft.fit.max_epochs", 2, set()),
        ("stage.sft.batch_size", 4, set()),
        ("model.max_duration_s", None, set()),
        ("model.max_duration_s", 60.0, {"sft", "grpo"}),
        ("stage.sft.max_duration_s", None, set()),
        ("stage.sft.max_duration_s", 10.0, {"sft"}),
        ("model.checkpoint", "/elsewhere/base", set()),
        ("data.corpus.seed", 8, set()),
        ("data.corpus.folder", "/elsewhere", set()),
        ("data.folder", "/elsewhere", set()),
        ("data.absent_share", 0.2, set()),
        ("data.eval_batch_size", 4, set()),
        ("model.capture_steps", False, set()),
        ("model.local_files_only", True, set()),
        ("model.gradient_checkpointing", True, set()),
        ("callbacks", {"rate": {"_target_": "lightning.pytorch.callbacks.LearningRateMonitor"}}, set()),
        ("trainer.strategy", "ddp", set()),
        ("trainer.strategy", {"_target_": "lightning.pytorch.strategies.DDPStrategy"}, set()),
        ("trainer.detect_anomaly", True, set()),
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


def test_methods_differ_by_their_share_of_absent_queries_and_none_is_as_if_not_said() -> None:
    none, some = (method_of(changed("data.absent_share", share), ["sft"]) for share in (0.0, 0.2))
    assert none == method_of(SETTINGS, ["sft"]) != some


def test_methods_differ_by_how_long_prompts_and_clips_may_be() -> None:
    for path in ("model.max_duration_s", "stage.sft.max_duration_s"):
        none, some = (method_of(changed(path, longest), ["sft"]) for longest in (None, 60.0))
        assert none == method_of(SETTINGS, ["sft"]) != some
    longer = changed("model.max_duration_s", 60.0)
    assert grounds_of_answers(longer).on().key != grounds_of_answers(SETTINGS).on().key


def test_a_new_trainer_setting_counts() -> None:
    assert keys(changed("trainer.limit_train_batches", 3)) != keys(SETTINGS)


@pytest.mark.parametrize("change", [("data.eval_batch_size", 4), ("trainer.devices", 2), ("trainer.num_nodes", 2)])
@pytest.mark.parametrize("limit", [None, 1.0, 0, 1, 2, 0.5])
def test_a_limit_counts_batches_of_one_process(limit: float | None, change: tuple[str, int]) -> None:
    """So with one, it counts how much a batch and how many processes there are; without one it does not."""
    counts = (limit not in (None, 0) and not isinstance(limit, float)) or limit == 0.5
    for where, found in (("test", lambda of: grounds_of_answers(of).on().key), ("val", keys)):
        limited = SETTINGS | {"trainer": SETTINGS["trainer"] | {f"limit_{where}_batches": limit}}
        assert (found(changed(*change, of=limited)) != found(limited)) is counts
    in_fit = changed("stage.sft.fit.limit_val_batches", limit)
    after = keys(changed(*change, of=in_fit))
    assert {stage for stage, key in keys(in_fit).items() if after[stage] != key} == ({"sft"} if counts else set())


def test_devices_are_counted_as_they_are_named() -> None:
    limited = changed("trainer.limit_val_batches", 2)
    assert keys(changed("trainer.devices", [0], of=limited)) == keys(limited)
    assert keys(changed("trainer.devices", [0, 1], of=limited)) == keys(changed("trainer.devices", 2, of=limited))
    assert keys(changed("trainer.devices", -1, of=limited)) != keys(limited)


def test_every_line_of_deepspeeds_config_counts() -> None:
    deepspeed = {"_target_": "lightning.pytorch.strategies.DeepSpeedStrategy", "config": {"bf16": {"enabled": False}}}
    one = keys(changed("trainer.strategy", deepspeed))
    assert keys(changed("trainer.strategy", deepspeed | {"config": {"bf16": {"enabled": True}}})) != one
    assert keys(changed("trainer.strategy", "deepspeed_stage_2")) != keys(SETTINGS)


@pytest.mark.parametrize(
    ("path", "value", "counts"),
    [
        ("task.ag", {"classes": ["dog"]}, True),
        ("trainer.precision", "32-true", True),
        ("trainer.limit_test_batches", 2, True),
        ("model.dtype", "float32", True),
        ("model.checkpoint", "/elsewhere/base", False),
        ("stage.sft.module.learning_rate", 1e-4, False),
        ("data.eval_batch_size", 4, False),
        ("seed", 2, False),
        ("trainer.devices", 8, False),
    ],
)
def test_what_answers_depend_on(path: str, value: Any, counts: bool) -> None:
    assert (grounds_of_answers(changed(path, value)).on().key != grounds_of_answers(SETTINGS).on().key) == counts


def test_a_limit_on_batches_is_one_of_as_many_processes_as_there_are() -> None:
    for where, of in (("val", lambda s: grounds_of_stages(s)["sft"]), ("test", grounds_of_answers)):
        limited = changed(f"trainer.limit_{where}_batches", 2)
        all_devices, four = (of(changed("trainer.devices", devices, of=limited)) for devices in (-1, 4))
        assert on_processes(all_devices, lambda: 4).on().key == four.on().key
        assert on_processes(all_devices, lambda: 8).on().key != four.on().key
        for known in (four, of(SETTINGS)):
            assert on_processes(known, lambda: 1 // 0) == known


def test_what_reads_answers_is_no_ground_of_them() -> None:
    code = [name for name in code_of(["timepro_lit.tasks.reading"]) if name.startswith("tasks/")]
    assert [name for name in code if not name.startswith(READING)] == ["tasks/__init__.py"]
