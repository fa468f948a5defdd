"""Bounds, stages beside the trainer, sizes beside what refers to them, and folders wherever one looks from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from timepro_lit.settings.config import anchor, build, validate
from timepro_lit.settings.schemas import CONF, register

ASTP = "+experiment=ablation_adaptive"


def composed(*overrides: str) -> DictConfig:
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", [*overrides, "output_dir=/run"])


@pytest.mark.parametrize(
    ("override", "fault"),
    {
        "sizes.grpo.group_size=1": "stage.grpo.module.group_size: must be at least 2, not 1",
        "sizes.grpo.max_new_tokens=0": "stage.grpo.module.max_new_tokens: must be at least 1, not 0",
        "sizes.grpo.examples_per_task=-1": "stage.grpo.examples_per_task: must be at least 1, not -1",
        "sizes.sft.micro_batch_size=0": "stage.sft.micro_batch_size: must be at least 1, not 0",
        "sizes.sft.max_steps=-5": "stage.sft.fit.max_steps: must be at least 1, not -5",
        "stage.grpo.module.kl_coefficient=-0.04": "stage.grpo.module.kl_coefficient: must be at least 0, not -0.04",
        "stage.sft.module.warmup_fraction=5": "stage.sft.module.warmup_fraction: must be at most 1, not 5",
        "trainer.precision=bf16": "trainer.precision: bf16 is short for bf16-mixed; write that",
        "trainer.precision=16": "trainer.precision: 16 is short for 16-mixed; write that",
        "lora.alpha=0": "lora.alpha: must be at least 1, not 0",
        "+data.max_validation_examples=0": "data.max_validation_examples: must be at least 1, not 0",
        "seed=-1": "seed: must be at least 0, not -1",
        "+trainer.max_steps=10": "trainer.max_steps: is said by each stage: set stage.<name>.fit.max_steps",
        "+trainer.accumulate_grad_batches=4": "trainer.accumulate_grad_batches: comes of a stage's batch_size",
    }.items(),
)
def test_what_would_fail_later_or_do_nothing_is_refused(override: str, fault: str) -> None:
    with pytest.raises(ValueError, match="1 fault in the settings") as refused:
        validate(composed(ASTP, override))
    assert fault in str(refused.value)


@pytest.mark.parametrize(
    "override",
    [
        "stage.sft.module.learning_rate=1e-3", "stage.grpo.fit.max_steps=7", "stage.grpo.module.group_size=4",
        "data.corpus.num_clips={train: 8, val: 2, test: 2}", "time_prompt.stride=5", "sizes.sft.max_steps=-1",
    ],
)  # fmt: skip
def test_a_setting_may_be_given_in_place_of_its_size(override: str) -> None:
    validate(composed(ASTP, override))


def test_a_size_that_nothing_refers_to_is_a_typo() -> None:
    with pytest.raises(ValueError, match=r"sizes\.sft\.lr: no setting refers to it"):
        validate(composed(ASTP, "+sizes.sft.lr=1e-3"))


def test_folders_are_meant_from_where_they_were_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "qwen").mkdir()
    cfg = composed("data=prepared", "data.folder=mine", "data.audio=s3://bucket/wav", "init_from=o/x")
    cfg.model.checkpoint = "qwen"
    anchor(cfg)
    assert (cfg.data.folder, cfg.data.audio) == (str(tmp_path / "mine"), "s3://bucket/wav")
    assert (cfg.init_from, cfg.model.checkpoint) == (str(tmp_path / "o/x"), str(tmp_path / "qwen"))
    cfg = composed("data=prepared", "data.folder=mine", "model.checkpoint=Qwen/Qwen2.5-Omni-7B")
    anchor(cfg)
    assert cfg.model.checkpoint == "Qwen/Qwen2.5-Omni-7B"
    assert anchored_data_of_soundscapes() == "${paths.data}"


def anchored_data_of_soundscapes() -> str:
    """What refers to other settings goes on doing so, or a run's key would hold where it lies."""
    cfg = composed(ASTP)
    anchor(cfg)
    folder = cfg.data.corpus._get_node("folder")._value()
    return str(folder)[: len("${paths.data}")]


@pytest.mark.parametrize("override", ["trainer.devices=0", "trainer.devices=two"])
def test_what_lightning_refuses_is_a_sentence(override: str) -> None:
    with pytest.raises(ValueError, match=r"^trainer: "):
        build(composed(ASTP, override))["trainer"](logger=False)
