"""A finished run may be evaluated on other data and another trainer."""

from __future__ import annotations

from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from timepro_lit.runs.determinants import grounds_of_answers
from timepro_lit.runs.naming import override_key
from timepro_lit.settings.config import settings_of, validate
from timepro_lit.settings.evaluation import for_evaluation
from timepro_lit.settings.schemas import CONF, register


def evaluated(*overrides: str, trained_with: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the demo's settings become."""
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        trained = settings_of(compose("train", ["+experiment=demo", *trained_with]))
        cfg = for_evaluation(
            trained, compose("evaluate", ["run=outputs/demo", *overrides]), {override_key(o) for o in overrides}
        )
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


def test_a_key_alone_changes_the_runs_own() -> None:
    own, changed = evaluated(), evaluated("+trainer.precision=64-true", "+data.eval_batch_size=3")
    assert (own["trainer"]["precision"], changed["trainer"]["precision"]) == ("bf16-mixed", "64-true")
    assert changed["data"] == own["data"] | {"eval_batch_size": 3}
    assert changed["trainer"] == own["trainer"] | {"precision": "64-true"}


def test_some_of_the_runs_tasks() -> None:
    for data in ([], ["data=prepared", "data.folder=a"]):
        settings = evaluated("tasks=[sed]", *data)
        assert list(settings["task"]) == list(settings["data"]["tasks"]) == ["sed"]
    with pytest.raises(ValueError, match=r"tasks: the run does not answer tag; it answers ag, sed, dac"):
        evaluated("tasks=[sed,tag]")
    with pytest.raises(ValueError, match=r"tasks: nothing is chosen; it answers ag, sed, dac"):
        evaluated("tasks=[]")


def test_other_classes_than_the_runs_own_are_refused() -> None:
    own = ("data=prepared", "data.folder=a")
    assert "alarm" in evaluated(*own, "class_list=soundscapes")["task"]["sed"]["classes"]
    for other in ("class_list=desed", "classes=[Dog]"):
        with pytest.raises(ValueError, match=r"class_list: the run asks for its own classes, alarm, beep,"):
            evaluated(*own, other)


@pytest.mark.parametrize("trained", ["32-true", "bf16-mixed"])
def test_another_trainer_answers_in_the_runs_precision_unless_it_names_one(trained: str) -> None:
    run = (f"trainer.precision={trained}",)
    own = evaluated(trained_with=run)
    elsewhere = evaluated("trainer=ddp_cpu", trained_with=run)
    assert (elsewhere["trainer"]["precision"], elsewhere["trainer"]["devices"]) == (trained, 2)
    assert grounds_of_answers(elsewhere).settings == grounds_of_answers(own).settings  # so that answers are found again
    for named in ("32-true", "bf16-mixed"):
        of = evaluated("trainer=ddp_cpu", f"trainer.precision={named}", trained_with=run)
        assert of["trainer"]["precision"] == named
    unsaid = evaluated("trainer=gpu", trained_with=("~trainer.precision",))
    assert "precision" not in unsaid["trainer"]


@pytest.mark.parametrize("data", ["soundscapes", "soundscapes_long"])
def test_data_that_are_generated_are_as_many_as_the_runs(data: str) -> None:
    assert evaluated(f"data={data}")["data"]["corpus"]["num_clips"] == {"train": 6000, "val": 60, "test": 200}


def test_what_the_other_data_need_is_said() -> None:
    with pytest.raises(ValueError, match=r"data\.folder: has no value yet"):
        evaluated("data=prepared")
