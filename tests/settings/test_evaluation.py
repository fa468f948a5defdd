"""A finished run may be evaluated on other data and another trainer."""

from __future__ import annotations

from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from timepro_lit.settings.config import for_evaluation, settings_of, validate
from timepro_lit.settings.schemas import CONF, register


def evaluated(*overrides: str) -> dict[str, Any]:
    """What the demo's settings become."""
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        trained = settings_of(compose("train", ["+experiment=demo"]))
        cfg = for_evaluation(trained, compose("evaluate", ["run=outputs/demo", *overrides]))
    validate(cfg)
    return settings_of(cfg)


def test_by_default_on_its_own() -> None:
    settings = evaluated()
    assert settings["data"]["corpus"]["num_clips"] == {"train": 6000, "val": 60, "test": 200}
    assert settings["trainer"]["accelerator"] == "cpu"


@pytest.mark.parametrize(
    "other",
    [["data=paper"], ["data=prepared", "data.folder=a"], ["data=soundscapes", "data.corpus.num_clips={test: 2}"]],
)
def test_other_data_are_asked_the_runs_questions(other: list[str]) -> None:
    settings = evaluated(*other, "trainer=gpu")
    assert settings["data"]["tasks"] == settings["task"]
    assert "alarm" in settings["task"]["sed"]["classes"]
    assert settings["trainer"]["accelerator"] == "gpu"


def test_what_the_other_data_need_is_said() -> None:
    with pytest.raises(ValueError, match=r"data\.folder: has no value yet"):
        evaluated("data=prepared")
