"""The words of a run's tables and pages follow from its settings."""

from __future__ import annotations

from typing import Any

import pytest

from timepro_lit.records import Row
from timepro_lit.settings.description import check_rows, described, last_row, rows_of

ASTP = {"stride": 1, "init": "digits"}
SFT: dict[str, Any] = {"label": "SFT", "about": "teaches by example", "module": {}}
GRPO: dict[str, Any] = {"label": "GRPO", "about": "rewards what is best", "module": {"reward": {"label": "adaptive"}}}


def settings(time_prompt: dict[str, Any] | None = None, **stages: dict[str, Any]) -> dict[str, Any]:
    return {"time_prompt": time_prompt, "stage": stages}


def names(found: dict[str, Any]) -> list[str]:
    return [row.name for row in rows_of(found)]


def test_the_base_model_comes_first() -> None:
    assert rows_of(settings()) == [Row("zero_shot", "Zero-shot", "Zero-shot", "is the base model as it comes")]
    assert last_row(settings()) == "zero_shot"


@pytest.mark.parametrize(
    ("time_prompt", "name", "about"),
    [
        (None, "SFT without timestamps", "it hears the audio without timestamps"),
        (ASTP, "SFT with the time prompt", "timestamps stand between the audio frames that it hears"),
        (
            ASTP | {"init": "random"},
            "SFT with random timestamps",
            "timestamps with random embeddings stand between its frames",
        ),
        (
            ASTP | {"stride": 5},
            "SFT with the time prompt, one to 5 frames",
            "timestamps stand between the audio frames that it hears, one to 5 frames",
        ),
    ],
)
def test_the_first_stage_says_what_the_model_hears(time_prompt: dict[str, Any], name: str, about: str) -> None:
    assert rows_of(settings(time_prompt, sft=SFT))[1] == Row("sft", name, "SFT", f"teaches by example; {about}")


def test_a_stage_that_learns_from_rewards_names_its_reward() -> None:
    found = settings(ASTP, sft=SFT, grpo=GRPO)
    assert names(found) == ["Zero-shot", "SFT with the time prompt", "GRPO with the time prompt, adaptive"]
    assert rows_of(found)[2].about == "rewards what is best; the reward: adaptive"
    assert names(settings(ASTP, grpo=GRPO))[1] == "GRPO with the time prompt, adaptive"
    assert last_row(found) == "grpo"


def test_two_stages_of_one_label_are_told_apart_by_their_keys() -> None:
    found = rows_of(settings(None, warm_up=SFT, polish=SFT, grpo=GRPO))
    assert [row.short for row in found] == ["Zero-shot", "warm_up", "polish", "GRPO"]


def test_older_runs_have_no_labels() -> None:
    old = settings(ASTP, sft={"module": {}}, grpo={"module": {"reward": {"variance_threshold": 1e-6}}})
    assert names(old) == ["Zero-shot", "sft with the time prompt", "grpo with the time prompt"]
    assert rows_of(old)[2].about == "goes on from there"
    assert names(settings(None, grpo={"module": {"reward": None}})) == ["Zero-shot", "grpo without timestamps"]


def test_a_run_is_described() -> None:
    run = settings(None, sft=SFT) | {"name": "demo", "scale": "paper", "seed": 1}
    paper = described(run | {"model": {"checkpoint": "Qwen/Qwen2.5-Omni-7B", "_target_": "x.Y"}})
    assert (paper.name, paper.scale, paper.model, paper.seeds) == ("demo", "paper", "Qwen2.5-Omni-7B", (1,))
    assert [row.key for row in paper.rows] == ["zero_shot", "sft"]
    assert described(run | {"name": None, "model": {"_target_": "timepro_lit.lalm.tiny.Tiny"}}).name == "default"


def test_rows_that_the_run_cannot_have_are_named() -> None:
    model = {"model": {"_target_": "a.B"}, "name": None, "scale": "embedded", "seed": 1}
    found = described(settings(None, sft=SFT) | model)
    check_rows([], found)
    check_rows(["zero_shot", "sft"], found)
    with pytest.raises(ValueError, match="rows: the run has no grpo, all; it has zero_shot, sft"):
        check_rows(["grpo", "sft", "all"], found)
