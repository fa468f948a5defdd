"""Every yaml composes and fits the code; what is mistyped or out of order is said in one sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf

from timepro_lit.planning.work import Placement
from timepro_lit.runs.determinants import grounds_of_stages
from timepro_lit.settings.config import (
    anchor,
    build,
    build_preparation,
    placement_of,
    portable,
    settings_of,
    tasks_of,
    validate,
)
from timepro_lit.settings.door import LAYERS
from timepro_lit.settings.schemas import CONF, ROOT, register

GROUPS = sorted(p for p in CONF.iterdir() if p.is_dir())
EXPERIMENTS = sorted(p.stem for p in CONF.rglob("experiment/*.yaml"))
SCALES = sorted(p.stem for p in CONF.rglob("scale/*.yaml"))
EMBEDDED_ONLY = {
    "ablation_group4", "ablation_group16", "ablation_positions", "curriculum", "demo", "demo_long", "long_base",
    "moments", "moments_present", "tiny_base",
}  # fmt: skip
OF_RECORDINGS = {"castella", "castella_native"}
"""Experiments that the scale of the paper, whose clips are short, does not have."""
OPTIONS = sorted(
    (p.parent.relative_to(CONF).as_posix(), p.stem)
    for g in GROUPS
    if g.name not in (*LAYERS, "corpus")
    for p in g.rglob("*.yaml")
)


@pytest.fixture(autouse=True, scope="module")
def hydra_at_conf() -> Iterator[None]:
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def train(*overrides: str) -> DictConfig:
    return compose("train", list(overrides))


def faults_of(*overrides: str) -> str:
    with pytest.raises(ValueError) as refusal:
        validate(train(*overrides))
    return str(refusal.value)


def test_the_experiments_that_the_readme_names_exist() -> None:
    assert EMBEDDED_ONLY | {"zero_shot"} | {
        "ablation_sft_baseline", "ablation_random_init", "ablation_astp", "ablation_eb_f1_only", "ablation_adaptive"
    } <= set(EXPERIMENTS)  # fmt: skip


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_fits_the_code_on_the_embedded_default(experiment: str) -> None:
    cfg = train(f"+experiment={experiment}")
    validate(cfg)
    settings_of(cfg)


@pytest.mark.parametrize(
    ("experiment", "scale"),
    [
        (experiment, scale)
        for experiment in EXPERIMENTS
        for scale in SCALES
        if experiment not in EMBEDDED_ONLY and not (experiment in OF_RECORDINGS and scale == "paper")
    ],
)
def test_every_experiment_fits_every_scale(experiment: str, scale: str) -> None:
    cfg = train(f"+experiment={experiment}", f"+scale={scale}")
    validate(cfg)
    assert settings_of(cfg)["scale"] == scale


@pytest.mark.parametrize("experiment", sorted(OF_RECORDINGS))
def test_recordings_of_minutes_are_not_the_papers(experiment: str) -> None:
    assert faults_of(f"+experiment={experiment}", "+scale=paper") == (
        "this experiment is made for the scales embedded and castella alone and refuses paper"
    )


def test_recordings_of_minutes_are_heard_in_windows_or_whole() -> None:
    whole = settings_of(train("+experiment=castella_native", "+scale=castella"))
    cut = settings_of(train("+experiment=castella", "+scale=castella"))
    assert (cut["model"]["max_duration_s"], whole["model"]["max_duration_s"]) == (None, 300.0)
    assert (cut["time_prompt"]["stride"], whole["time_prompt"]["stride"]) == (1, 5)
    assert {name: stage["max_duration_s"] for name, stage in whole["stage"].items()} == {
        "sft": 61.0, "sft_long": None, "grpo": None,
    }  # fmt: skip
    folders = [one["folder"].split("/")[-1] for one in whole["data"]["corpus"]["corpora"].values()]
    assert folders == ["clotho_moment_native", "castella_native"]
    assert list(whole["task"]) == list(cut["task"]) == ["moments"]
    assert whole["model"]["checkpoint"] == cut["model"]["checkpoint"] == "Qwen/Qwen2.5-Omni-7B"


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("experiment", sorted(EMBEDDED_ONLY))
def test_an_embedded_experiment_refuses_other_scales(experiment: str, scale: str) -> None:
    assert faults_of(f"+experiment={experiment}", f"+scale={scale}") == (
        f"this experiment is made for the scale embedded alone and refuses {scale}"
    )


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_of_every_group_fits_the_code(group: str, option: str) -> None:
    chosen = {"stage": f"[{option}]", "task": f"[{option}]"}.get(group, option)
    overrides = [f"{group}={chosen}"]
    sizes = {
        p.stem: set(OmegaConf.load(p)) - {"data", "defaults", "time_prompt"} for p in sorted(CONF.glob("sizes/*.yaml"))
    }
    if group == "sizes":  # fits the stages that it has numbers for
        overrides += [f"stage=[{','.join(sorted(map(str, sizes[option])))}]"]
        overrides += [f"data={option}"] if option in ("castella", "paper") else []
        overrides += ["time_prompt=none"] if option == "tiny_base" else []
    if group == "stage":  # fits sizes that have numbers for it
        numbers = "sft" if option == "sft_long" else option
        overrides += [
            f"sizes={next(name for name in sorted(set(sizes) - {'castella', 'paper'}) if numbers in sizes[name])}"
        ]
        overrides += ["time_prompt=none"] if option == "pretrain" else []
    if (group, option) == ("data", "prepared"):  # fits whoever says which folder and, of sound events, which classes
        overrides += ["data.folder=/prepared", "class_list=desed"]
    validate(train(*overrides))


def test_a_prepared_folder_is_given_with_the_classes_of_its_sound_events() -> None:
    assert faults_of("data=prepared") == "1 fault in the settings: data.folder: has no value yet (???)"
    settings = settings_of(train("data=prepared", "data.folder=/prepared", "classes=[Dog,Cat]"))
    assert settings["task"]["sed"]["classes"] == settings["data"]["tasks"]["sed"]["classes"] == ["Dog", "Cat"]
    with pytest.raises(ValueError, match=r"^task\.sed: classes must name at least one .* or class_list=NAME"):
        tasks_of(settings_of(train("data=prepared", "data.folder=/prepared")))


def test_soundscapes_of_recordings_have_the_classes_of_their_folders(tmp_path: Path) -> None:
    for name in ("owl", "bell", ".cache"):
        (tmp_path / "foreground" / name).mkdir(parents=True)
    settings = settings_of(train(f"data.corpus.recordings={tmp_path}"))
    assert settings["task"]["sed"]["classes"] == ["bell", "owl"]
    prepared = compose("prepare", ["corpus=soundscapes", f"corpus.recordings={tmp_path}", "root=a", "out=b"])
    assert prepared.task.sed.classes == ["bell", "owl"]
    assert settings_of(train())["classes"][:2] == ["alarm", "beep"]
    cfg = train("data.corpus.recordings=sounds")
    anchor(cfg)
    assert cfg.data.corpus.recordings == str(Path.cwd() / "sounds")
    assert f"No such file or directory: '{tmp_path}/no/foreground'" in faults_of(
        f"data.corpus.recordings={tmp_path}/no"
    )
    assert settings_of(train("classes=[owl]", f"data.corpus.recordings={tmp_path}"))["classes"] == ["owl"]


@pytest.mark.parametrize("corpus", sorted(p.stem for p in CONF.glob("corpus/*.yaml")))
def test_every_corpus_can_be_prepared(corpus: str) -> None:
    reader, tasks = build_preparation(compose("prepare", [f"corpus={corpus}", "root=a", "out=b"]))
    assert reader.name == corpus
    assert set(tasks) <= {"ag", "sed", "dac", "moments"}


def test_a_mistake_about_a_corpus_is_named() -> None:
    with pytest.raises(ValueError, match=r"1 fault in the settings: corpus\.prefix: .*Ftar takes no such argument"):
        build_preparation(compose("prepare", ["corpus=ftar", "root=a", "out=b", "+corpus.prefix=x"]))


@pytest.mark.parametrize("debug", sorted(p.stem for p in CONF.rglob("debug/*.yaml")))
@pytest.mark.parametrize("scale", SCALES)
def test_debug_goes_on_top(debug: str, scale: str) -> None:
    validate(train("+experiment=ablation_adaptive", f"+scale={scale}", f"+debug={debug}"))


def test_the_scale_of_the_paper_carries_its_numbers() -> None:
    settings = settings_of(train("+experiment=ablation_adaptive", "+scale=paper"))
    sft, grpo = settings["stage"]["sft"], settings["stage"]["grpo"]
    assert list(settings["stage"]) == ["sft", "grpo"]
    assert settings["model"]["checkpoint"] == "Qwen/Qwen2.5-Omni-7B"
    assert (settings["lora"]["rank"], settings["lora"]["alpha"], settings["lora"]["dropout"]) == (8, 32, 0.0)
    assert (sft["module"]["learning_rate"], sft["fit"]["max_epochs"], sft["batch_size"]) == (1e-5, 3, 64)
    assert (grpo["module"]["learning_rate"], grpo["fit"]["max_epochs"], grpo["batch_size"]) == (1e-6, 1, 16)
    assert grpo["examples_per_task"] * len(settings["task"]) == 10_200
    assert grpo["module"]["group_size"] == 4
    assert grpo["module"]["temperature"] == 1.0
    assert grpo["module"]["kl_coefficient"] == 0.04
    assert grpo["module"]["reward"]["variance_threshold"] == 1e-6
    assert settings["trainer"]["strategy"]["config"]["zero_optimization"]["stage"] == 2
    assert settings["trainer"]["precision"] == "bf16-mixed"


@pytest.mark.parametrize(
    ("experiment", "time_prompt", "stages", "auxiliary"),
    [
        ("zero_shot", None, [], True),
        ("ablation_sft_baseline", None, ["sft"], True),
        ("ablation_random_init", "random", ["sft"], True),
        ("ablation_astp", "digits", ["sft"], True),
        ("ablation_eb_f1_only", "digits", ["sft", "grpo"], False),
        ("ablation_adaptive", "digits", ["sft", "grpo"], True),
    ],
)
@pytest.mark.parametrize("scale", [[], ["+scale=paper"]])
def test_what_each_row_of_the_ablation_changes(
    experiment: str, time_prompt: str | None, stages: list[str], auxiliary: bool, scale: list[str]
) -> None:
    cfg = train(f"+experiment={experiment}", *scale)
    assert (cfg.time_prompt and cfg.time_prompt.init) == time_prompt
    assert list(cfg.stage) == stages
    assert (cfg.reward.auxiliary is not None) == auxiliary


@pytest.mark.parametrize("scale", [[], ["+scale=paper"]])
def test_the_rows_of_the_ablation_share_what_they_can(scale: list[str]) -> None:
    def keys(experiment: str, *overrides: str) -> dict[str, str]:
        settings = portable(train(f"+experiment={experiment}", *scale, *overrides))
        return {stage: grounds.on().key for stage, grounds in grounds_of_stages(settings).items()}

    astp, eb_f1_only, adaptive = keys("ablation_astp"), keys("ablation_eb_f1_only"), keys("ablation_adaptive")
    assert astp["sft"] == eb_f1_only["sft"] == adaptive["sft"]
    assert eb_f1_only["grpo"] != adaptive["grpo"]
    assert astp == keys("ablation_astp", "paths.root=/elsewhere", "logger=none")
    others = [keys("ablation_sft_baseline"), keys("ablation_random_init"), keys("ablation_astp", "seed=2")]
    assert len({row["sft"] for row in [astp, *others]}) == 4


def test_an_experiments_own_number_survives_the_scale(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "hot.yaml").write_text(
        "# @package _global_\nstage:\n  sft:\n    module:\n      learning_rate: 5.0e-5\n"
    )
    path = f"hydra.searchpath=[file://{tmp_path}]"
    assert train(path, "+experiment=hot", "+scale=paper").stage.sft.module.learning_rate == 5e-5


TYPOS = """# @package _global_
time_prompt:
  strid: 2
reward:
  auxiliary:
    rewards:
      format: {weight: 0.3}
stage:
  sft:
    module: {warmup_fraction: fast}
    fit: {max_stepz: 3}
sizes:
  grpo: {learning_ratee: 1.0}
trainer:
  max_stepz: 3
"""


def test_typos_in_a_yaml_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "typos.yaml").write_text(TYPOS)
    faults = faults_of(f"hydra.searchpath=[file://{tmp_path}]", "+experiment=typos")
    assert faults.startswith("6 faults in the settings: ")
    for fault in (
        "time_prompt.strid: timepro_lit.time_prompt.prompt.TimePrompt takes no such argument; did you mean stride?",
        "reward.auxiliary.rewards.format: has ['weight'] but no _target_",
        "stage.sft.module.warmup_fraction: 'fast' is not float",
        "stage.sft.fit.max_stepz: lightning.pytorch.Trainer takes no such argument; did you mean max_steps?",
        "sizes.grpo.learning_ratee: no setting refers to it",
        "trainer.max_stepz: lightning.pytorch.Trainer takes no such argument; did you mean max_steps?",
    ):
        assert fault in faults
    assert "\n" not in faults


def test_a_top_level_typo_in_a_yaml_does_not_compose(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "typo.yaml").write_text("# @package _global_\ntime_promt: null\n")
    with pytest.raises(Exception, match="time_promt"):
        train(f"hydra.searchpath=[file://{tmp_path}]", "+experiment=typo")


@pytest.mark.parametrize("override", ["seed=abc", "sed=3", "trainer.max_stepz=3", "paths.output=x"])
def test_a_typo_on_the_command_line_does_not_compose(override: str) -> None:
    with pytest.raises(HydraException) as refusal:
        train(override)
    assert re.search(r"not in|could not be converted", str(refusal.value.__cause__))


@pytest.mark.parametrize(
    ("override", "valid"), [("model=qwen9", "qwen2_5_omni_7b"), ("+experiment=ablation", "ablation_astp")]
)
def test_an_unknown_option_lists_the_valid_ones(override: str, valid: str) -> None:
    with pytest.raises(MissingConfigException, match=valid):
        train(override)


def test_a_needed_group_without_a_choice() -> None:
    assert faults_of("~model") == "1 fault in the settings: model: nothing is chosen"


def test_states_are_written_after_whole_steps() -> None:
    fault = "checkpoint_every: must be at least 1, or null for never, not 0"
    assert faults_of("checkpoint_every=0") == f"1 fault in the settings: {fault}"


def test_a_missing_argument_and_a_value_without_one_are_named_by_path() -> None:
    faults = faults_of("data.corpus.folder=???", "~reward.main")
    assert "data.corpus.folder: has no value yet (???)" in faults
    assert "reward.main: timepro_lit.rewards.adaptive.AdaptiveReward needs this argument" in faults


def test_a_refusing_constructor_is_named_by_key(tmp_path: Path) -> None:
    cfg = train("time_prompt.stride=0", "model.checkpoint=.", "stage=[]", f"paths.data={tmp_path}")
    with pytest.raises(ValueError, match=r"^time_prompt: time_prompt\.stride must be at least 1"):
        build(cfg)


def test_no_two_trainers_share_a_strategy(tmp_path: Path) -> None:
    made = build(train("trainer=deepspeed_zero2", "stage=[]", "model.checkpoint=.", f"paths.data={tmp_path}"))
    trainers = [made["trainer"](accelerator="cpu", devices=1, logger=False) for _ in range(2)]
    assert trainers[0].strategy is not trainers[1].strategy


@pytest.mark.parametrize(
    ("overrides", "placement"),
    [
        (["trainer=cpu"], Placement(False, 1, False, True, "auto")),
        (["trainer=ddp", "trainer.devices=4"], Placement(True, 4, False, True, "ddp")),
        (
            ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.precision=32-true"],
            Placement(False, 2, False, False, "ddp"),
        ),
        (
            ["+scale=paper", "++trainer.limit_train_batches=20"],
            Placement(True, None, True, True, "lightning.pytorch.strategies.DeepSpeedStrategy", 20),
        ),
    ],
)
def test_where_a_run_is_to_take_place(overrides: list[str], placement: Placement) -> None:
    assert placement_of(settings_of(train(*overrides))) == placement


def test_a_run_can_only_be_planned_or_tried() -> None:
    assert faults_of("only=plans") == "1 fault in the settings: only: must be plan or preflight, or null, not plans"


def test_cfg_job_answers_without_heavy_imports() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "timepro_lit.train", "+experiment=demo", "--cfg", "job"]
    before = getrusage(RUSAGE_CHILDREN)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert OmegaConf.create(done.stdout).scales == ["embedded"]
    assert not any(f" {library}\n" in done.stderr for library in ("torch", "lightning", "transformers", "numpy"))
    after = getrusage(RUSAGE_CHILDREN)  # CPU time, which other work on the machine does not stretch: about 0.5 s
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3
