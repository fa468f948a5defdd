from __future__ import annotations

import pytest

from timepro_lit.runs.naming import LOOKING, experiment_name, run_path


@pytest.mark.parametrize(
    ("overrides", "scale", "path"),
    [
        (["+experiment=zero_shot", "+scale=paper", "seed=2"], "paper", "a/paper-seed2"),
        (["seed=2"], "embedded", "a/seed2"),
        (["time_prompt.stride=5", "trainer=gpu"], "embedded", "a/stride5-trainer-gpu-seed2"),
        (["trainer=gpu", "time_prompt.stride=5"], "embedded", "a/stride5-trainer-gpu-seed2"),
        (["sizes.sft.max_steps=20", "sizes.grpo.max_steps=20"], "embedded", "a/grpo.max_steps20-sft.max_steps20-seed2"),
        (["+debug=smoke"], "embedded", "a/debug-smoke-seed2"),
    ],
)
def test_the_path_can_be_read(overrides: list[str], scale: str, path: str) -> None:
    assert run_path("a", overrides, scale, 2) == path


@pytest.mark.parametrize("override", ["logger=wandb", "logger.wandb.project=p", "~logger.csv", "data.num_workers=4",
                                      "paths.outputs=/big", "output_dir=x", "reuse=anyway", "checkpoint_every=100",
                                      "data.audio=/clips", "hydra/launcher=slurm", "rows=[sft]", *LOOKING])  # fmt: skip
def test_what_changes_no_result_changes_no_path(override: str) -> None:
    asked = ["+experiment=a", "time_prompt.stride=5"]
    assert run_path("a", [*asked, override], "paper", 2) == run_path("a", asked, "paper", 2)


def test_what_a_word_leaves_out_stands_in_a_hash() -> None:
    one, two, long = (run_path("a", [o], "embedded", 1) for o in ("task=[ag,sed]", "task=[ag-sed]", "x.y=" + "z" * 200))
    assert one.startswith("a/task-ag-sed-") and one.endswith("-seed1") and one != two
    assert len(long) < 120
    assert run_path("a", ["x=1", "x=2"], "e", 1) != run_path("a", ["x=2", "x=1"], "e", 1)  # the last one counts


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], "default"),
        (["seed=1", "+experiment=zero_shot"], "zero_shot"),
        (["+experiment=[ablation_astp,mine]"], "ablation_astp-mine"),
    ],
)
def test_the_experiment_names_the_run(overrides: list[str], name: str) -> None:
    assert experiment_name(overrides) == name
