"""The rows of the paper's tables, out of runs on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evaluation.written_runs import (
    hydra_at_conf,  # noqa: F401
    reported,
    write_run,
)


def test_table_3_has_its_rows_in_their_order_with_those_that_are_missing_and_the_papers_own(tmp_path: Path) -> None:
    write_run(tmp_path / "x" / "adaptive", "ablation_adaptive", 1, 4)
    write_run(tmp_path / "x" / "sft", "ablation_sft_baseline", 1, 1)
    write_run(tmp_path / "x" / "f1", "ablation_eb_f1_only", 1, 3)
    write_run(tmp_path / "x" / "zero", "zero_shot", 1, 0)
    table, report = reported(tmp_path, tmp_path / "x", layout="table3")
    ours = {name: row["kind"] for name, row in report["rows"].items() if row["kind"] != "quoted"}
    assert ours == {
        "SFT baseline": "ours",
        "+ ASTP, random init": "missing",
        "+ ASTP": "missing",
        "+ ASTP + RL (Eb-F1 only)": "ours",
        "+ ASTP + RL (adaptive)": "ours",
    }
    assert report["scores"]["+ ASTP + RL (adaptive), quoted"]["ag"]["mIoU"] == 74.4
    assert report["differences"][-1] == ["+ ASTP + RL (adaptive)", "+ ASTP + RL (Eb-F1 only)"]
    assert "no row of table3: Zero-shot" in table
    _, report = reported(tmp_path, tmp_path / "x", layout="table3", quoted=False, baseline="ablation_sft_baseline")
    assert len(report["rows"]) == 5
    assert {earlier for _, earlier in report["differences"]} == {"SFT baseline"}
    with pytest.raises(ValueError, match="baseline: nothing is none of the rows SFT baseline"):
        reported(tmp_path, tmp_path / "x", layout="table3", baseline="nothing")


def test_table_1_has_three_rows_a_model(tmp_path: Path) -> None:
    write_run(tmp_path / "x" / "zero", "zero_shot", 1, 0)
    write_run(tmp_path / "x" / "full", "ablation_adaptive", 1, 4)
    _, report = reported(tmp_path, tmp_path / "x", layout="table1", quoted=False)
    assert {name: row["kind"] for name, row in report["rows"].items()} == {
        "zero-shot tiny_base": "ours", "fine-tuned tiny_base": "missing", "TimePro-RL tiny_base": "ours"
    }  # fmt: skip


def test_each_of_two_models_is_compared_with_its_own_row_above(tmp_path: Path) -> None:
    for name, model in (("a", ()), ("b", ("model.checkpoint=/models/b",))):
        write_run(tmp_path / name / "zero", "zero_shot", 1, 0, *model)
        write_run(tmp_path / name / "full", "ablation_adaptive", 1, 4, *model)
    _, report = reported(tmp_path, tmp_path / "a", tmp_path / "b", layout="table1", quoted=False)
    assert report["differences"] == [[f"TimePro-RL {model}", f"zero-shot {model}"] for model in ("tiny_base", "b")]


def test_no_row_takes_the_place_of_another(tmp_path: Path) -> None:
    write_run(tmp_path / "x" / "one", "ablation_astp", 1, 1)
    write_run(tmp_path / "x" / "two", "ablation_astp", 1, 2)  # by other hands: nobody can say which one counts
    write_run(tmp_path / "x" / "third", "ablation_astp", 2, 4)
    write_run(tmp_path / "x" / "five", "ablation_astp", 1, 3, "time_prompt.stride=5")
    for layout in ("free", "table3"):
        _, report = reported(tmp_path, tmp_path / "x", layout=layout, quoted=False)
        ours = [scores["ag"]["mIoU"] for scores in report["scores"].values() if scores]
        assert sorted(ours) == [25.0, 50.0, 75.0, 100.0]
        assert all(len(row["seeds"]) <= 1 for row in report["rows"].values())


def test_a_row_of_the_paper_says_in_what_it_is_not_the_papers(tmp_path: Path) -> None:
    write_run(tmp_path / "x" / "astp", "ablation_astp", 1, 1, "time_prompt.stride=5")
    write_run(tmp_path / "x" / "base", "ablation_sft_baseline", 1, 1)
    write_run(tmp_path / "x" / "random", "ablation_random_init", 1, 1, "lora.rank=4")
    _, report = reported(tmp_path, tmp_path / "x", layout="table3", quoted=False)
    ours = [name for name, row in report["rows"].items() if row["kind"] == "ours"]
    assert ours == ["SFT baseline", "+ ASTP, random init (rank=4)", "+ ASTP (stride=5)"]


@pytest.mark.parametrize(
    ("experiment", "name"),
    [
        ("ablation_astp", "+ ASTP"),
        ("ablation_ordered", "+ ASTP (init=ordered)"),
        ("ablation_before", "+ ASTP (before=True)"),
        ("ablation_positions", "+ ASTP (share_positions=False)"),
        ("ablation_text", "+ ASTP (stride=5, init=text, share_positions=False)"),
        ("ablation_adaptive", "+ ASTP + RL (adaptive)"),
        ("ablation_rescue", "+ ASTP + RL (adaptive) (rescue=0.1)"),
    ],
)
def test_another_method_in_a_row_of_the_paper_says_so(experiment: str, name: str, tmp_path: Path) -> None:
    write_run(tmp_path / "x" / "random", "ablation_random_init", 1, 1)
    write_run(tmp_path / "x" / "own", experiment, 1, 1, row="grpo" if "RL" in name else "sft")
    _, report = reported(tmp_path, tmp_path / "x", layout="table3", quoted=False)
    ours = [name for name, row in report["rows"].items() if row["kind"] == "ours"]
    assert ours == ["+ ASTP, random init", name]
