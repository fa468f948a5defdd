"""Settings in a folder name classes of ours and nothing else, whatever stands in them and however deep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from timepro_lit.runs.directory import claimed_run
from timepro_lit.settings.config import settings_of
from timepro_lit.settings.schemas import CONF, register
from timepro_lit.settings.shared import OF_RUN, check_shared
from timepro_lit.settings.stored import read_settings, to_store

OURS: dict[str, Any] = {
    "model": {"_target_": "timepro_lit.lalm.qwen2_5_omni.Qwen2_5Omni", "checkpoint": "a"},
    "time_prompt": None,
    "task": {"ag": {"_target_": "timepro_lit.tasks.grounding.Grounding"}},
    "trainer": {"_target_": "lightning.pytorch.Trainer", "_partial_": True, "precision": "32-true"},
}
SFT: dict[str, Any] = {"_target_": "timepro_lit.lit.stage.Stage", "module": {"_target_": "timepro_lit.lit.sft.SFT"}}
EXPERIMENTS = sorted(path.stem for path in CONF.glob("experiment/*.yaml"))
OTHERS = [
    *([f"model={path.stem}"] for path in sorted(CONF.glob("model/*.yaml"))),
    *([f"trainer={path.stem}"] for path in sorted(CONF.glob("trainer/*.yaml"))),
    *([f"+experiment={name}", "+scale=paper"] for name in ("ablation_adaptive", "zero_shot", "dapo")),
    ["data=prepared", "data.folder=/prepared"],
    *([f"logger={path.stem}"] for path in sorted(CONF.glob("logger/*.yaml"))),
    ["+callbacks.bar={_target_: lightning.pytorch.callbacks.RichProgressBar, _partial_: true}"],
]


@pytest.mark.parametrize("overrides", [[f"+experiment={name}"] for name in EXPERIMENTS] + OTHERS)
def test_what_conf_composes_can_be_shared(overrides: list[str], tmp_path: Path) -> None:
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", overrides)
    with claimed_run(tmp_path / "run", to_store(cfg)):
        read = read_settings(tmp_path / "run")
    wanted = settings_of(cfg)
    assert {key: read[key] for key in ("model", "task", "stage", "trainer", "data")} == {
        key: wanted[key] for key in ("model", "task", "stage", "trainer", "data")
    }


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        (
            {"model": {"_target_": "os.system"}},
            "model._target_ names 'os.system', which is no class of timepro_lit.lalm",
        ),
        # Another module's names are reached through one of ours, but not defined there.
        ({"model": {"_target_": "timepro_lit.lalm.checkpoint.json.loads"}}, "model._target_ names"),
        ({"model": {"_target_": "timepro_lit.lalm.checkpoint.Path"}}, "model._target_ names"),
        ({"model": {"_target_": "timepro_lit.lalm.pretrained.token_counter"}}, "model._target_ names"),
        ({"model": {"_target_": "timepro_lit.lalm/../os.system"}}, "model._target_ names"),
        ({"model": {"_target_": "timepro_lit.lalm.pretrained.Pretrained.load"}}, "model._target_ names"),
        ({"model": {"_target_": ["os", "system"]}}, "model._target_ is ['os', 'system'], which is no name"),
        # Of ours, but of another room.
        ({"time_prompt": {"_target_": "timepro_lit.lalm.lora.LoRA"}}, "no class of timepro_lit.time_prompt"),
        ({"reward": {"_target_": "timepro_lit.metrics.meteor.Meteor", "command": ["touch"]}}, "reward._target_ names"),
        ({"task": {"_target_": "timepro_lit.tasks.grounding.Grounding"}}, "which are no settings"),
        ({"task": {"../../ag": {}}}, "task holds '../../ag', which is no name"),
        ({"stage": {"..": {}}}, "stage holds '..', which is no name"),
        ({"model": None}, "model is None, which are no settings"),
        ({"trainer": [1]}, "trainer is [1], which are no settings"),
        ({"model": {"a": [{"b": {"_target_": "os.system"}}]}}, "model.a[0].b._target_ names 'os.system'"),
        ({"_target_": "os.system"}, "_target_ names 'os.system', which is nothing that the top of a shared folder"),
        ({"extra": {"_target_": "os.system"}}, "nothing that extra of a shared folder may hold"),
        ({"model": {"_args_": ["x"]}}, "model._args_ is a key of Hydra's own"),
        ({"model": {"_recursive_": False}}, "model._recursive_ is a key of Hydra's own"),
        ({"model": {"_convert_": "all"}}, "model._convert_ is a key of Hydra's own"),
        ({"model": {"_partial_": True}}, "model._partial_ is True where nothing is to be completed"),
        ({"trainer": {"_partial_": "yes"}}, "trainer._partial_ is 'yes'"),
        ({"model": {"checkpoint": "${oc.env:HOME}"}}, "may refer to nothing else"),
        ({"model": {"checkpoint": "${model.dtype}"}}, "may refer to nothing else"),
        ({"model": {"_target_": "timepro_lit.lalm.checkpoint.Backbone"}}, "which is abstract"),
        ({"model": {"_target_": "timepro_lit.lalm.pretrained.Pretrained"}}, "which is abstract"),
        ({"task": {"ag": {"_target_": "timepro_lit.tasks.base.ScoredTask"}}}, "which is abstract"),
        ({"stage": {"sft": SFT | {"module": {"_target_": "timepro_lit.lit.training.TrainingModule"}}}}, "is abstract"),
        ({"classes": ["dog", "???"]}, "classes[1] has no value"),
        ({"foo": 1}, "'foo' is no key of a run's settings"),
        ({"paths": {"foo": "/a"}}, "'paths.foo' is no key of a run's settings"),
        ({"seed": "x"}, "seed: Value 'x' of type 'str' could not be converted to Integer"),
        ({"sizes": "x"}, "sizes: "),
        ({"data": None}, "data is None, which are no settings"),
        ({"time_prompt": {}}, "time_prompt has no _target_"),
        ({"callbacks": {"bar": {}}}, "callbacks.bar has no _target_"),
        ({"stage": {"sft": {"_target_": "timepro_lit.lit.stage.Stage"}}}, "stage.sft holds no module"),
        ({"stage": {"sft": SFT | {"module": -1}}}, "stage.sft.module is -1, which are no settings"),
        ({"stage": {"sft": SFT | {"module": []}}}, "stage.sft.module is [], which are no settings"),
        ({"stage": {"sft": SFT | {"module": {"reward": 1}}}}, "stage.sft.module.reward is 1, which are no settings"),
        ({"stage": {"sft": SFT | {"module": {"reward": {"label": 1}}}}}, "stage.sft.module.reward.label is 1"),
        ({"stage": {"sft": SFT | {"fit": True}}}, "stage.sft.fit is True, which are no settings"),
        ({"stage": {"sft": SFT | {"label": []}}}, "stage.sft.label is [], which is no text"),
        ({"stage": {"sft": SFT | {"about": 5}}}, "stage.sft.about is 5, which is no text"),
    ],
)
def test_whatever_else_they_hold_is_named(changed: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError) as refusal:
        check_shared(OURS | changed, Path("a/timepro_lit.json"))
    assert str(refusal.value).startswith("a/timepro_lit.json: ")
    assert fault in str(refusal.value)


def test_a_run_has_all_that_runs_ever_had() -> None:
    check_shared(OURS, Path("a"))
    with pytest.raises(ValueError, match=r"^a: holds no lora$"):
        check_shared(OURS, Path("a"), needed=OF_RUN)


def test_what_a_user_trusts_is_allowed_and_nothing_beside_it() -> None:
    mine = OURS | {"reward": {"_target_": "mine.Reward", "inner": {"_target_": "mine.Inner"}}}
    with pytest.raises(ValueError, match=r"'mine\.Reward'.*allow it: trust=\['mine\.Reward'\]$"):
        check_shared(mine, Path("a"))
    with pytest.raises(ValueError, match=r"reward\.inner\._target_ names 'mine\.Inner'"):
        check_shared(mine, Path("a"), ["mine.Reward"])
    check_shared(mine, Path("a"), ["mine.Reward", "mine.Inner"])
    mine["reward"]["inner"] |= {"_partial_": True, "_convert_": "all"}
    check_shared(mine, Path("a"), ["mine.Reward", "mine.Inner"])
    with pytest.raises(ValueError, match=r"trust: give a list of names, not 'mine\.Reward'"):
        check_shared(mine, Path("a"), "mine.Reward")
