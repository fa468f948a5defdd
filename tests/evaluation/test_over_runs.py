"""Runs on disk, with the settings that the command line makes, into one table."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.evaluation.written_runs import (
    EXAMPLES,
    RIGHT,
    WRONG,
    hydra_at_conf,  # noqa: F401
    reported,
    settings,
    write_run,
)
from timepro_lit.data.manifest import write_manifest
from timepro_lit.evaluation.over_runs import report_over_runs
from timepro_lit.evaluation.reporting import Wish
from timepro_lit.evaluation.scoring import outcome_of, read_predictions, read_references, write_outcome
from timepro_lit.files.sealing import sealed
from timepro_lit.runs.config_file import write_config
from timepro_lit.runs.determinants import grounds_of_scores
from timepro_lit.settings.config import tasks_of
from timepro_lit.settings.methods import variants_of


def test_seeds_of_one_method_are_one_row_and_other_settings_another(tmp_path: Path) -> None:
    runs = tmp_path / "outputs"
    for seed, right in ((1, 1), (2, 3)):
        write_run(runs / f"one{seed}", "ablation_random_init", seed, right)  # whose time prompt has the seed as well
        write_run(runs / f"five{seed}", "ablation_random_init", seed, 4, "time_prompt.stride=5")
    table, report = reported(tmp_path, runs)
    assert {name: row["seeds"] for name, row in report["rows"].items()} == {
        "SFT (stride=5)": [1, 2],
        "SFT (stride=1)": [1, 2],
    }
    assert report["scores"]["SFT (stride=1)"]["ag"]["mIoU"] == 50.0
    assert report["differences"] == [["SFT (stride=1)", "SFT (stride=5)"]]
    low, high = report["intervals"]["SFT (stride=1) - SFT (stride=5)"]["ag"]["mIoU"]
    assert low == -100.0 and high >= -25.0
    assert "and up to 2 seeds" in " ".join(table.split())


def test_paths_and_who_logs_make_no_other_method(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "ablation_astp", 1, 1, "paths.data=/here", "paths.assets=/here", "logger=none")
    write_run(tmp_path / "b", "ablation_astp", 2, 3, "paths.data=/there", "paths.assets=/there", "data.num_workers=3")
    _, report = reported(tmp_path, tmp_path / "a", tmp_path / "b")
    assert [row["seeds"] for row in report["rows"].values()] == [[1, 2]]


def test_other_training_data_are_another_method(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "ablation_astp", 1, 1)
    write_run(tmp_path / "b", "ablation_astp", 2, 3, "data.corpus.recordings=/sounds", "classes=[dog]")
    write_run(tmp_path / "c", "ablation_astp", 3, 3, "+init_from=/elsewhere/sft")
    _, report = reported(tmp_path, tmp_path / "a", tmp_path / "b", tmp_path / "c")
    assert sorted(row["seeds"] for row in report["rows"].values()) == [[1], [2], [3]]


def test_one_result_in_two_runs_counts_once_and_another_by_the_same_seed_has_its_own_row(tmp_path: Path) -> None:
    write_run(tmp_path / "astp", "ablation_astp", 1, 2)
    write_run(tmp_path / "adaptive", "ablation_adaptive", 1, 2, row="sft")
    write_run(tmp_path / "adaptive", "ablation_adaptive", 1, 4)
    shutil.copytree(tmp_path / "astp", tmp_path / "copy")
    _, report = reported(tmp_path, tmp_path / "*")
    assert [row["seeds"] for row in report["rows"].values()] == [[1], [1]]
    write_run(tmp_path / "other", "ablation_astp", 1, 3)
    _, report = reported(tmp_path, tmp_path / "astp", tmp_path / "other")
    assert sorted(scores["ag"]["mIoU"] for scores in report["scores"].values()) == [50.0, 75.0]
    assert any(str(tmp_path / "other") in name for name in report["rows"])


def test_the_base_model_has_no_seed(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_run(tmp_path / f"zero{seed}", "zero_shot", seed, 1)
    write_run(tmp_path / "astp", "ablation_astp", 1, 3)
    _, report = reported(tmp_path, tmp_path / "zero1", tmp_path / "zero2", tmp_path / "astp")
    assert [row["seeds"] for row in report["rows"].values()] == [[], [1]]
    assert report["scores"]["Zero-shot"]["ag"]["mIoU"] == 25.0


def test_what_is_not_to_be_compared_has_tables_of_its_own(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "ablation_astp", 1, 1)
    write_run(tmp_path / "b", "ablation_astp", 2, 1, examples=EXAMPLES[:3])
    write_run(tmp_path / "c", "ablation_astp", 3, 1, examples=[replace(EXAMPLES[0], events=()), *EXAMPLES[1:]])
    write_config(write_run(tmp_path / "d", "ablation_astp", 1, 1), settings("ablation_astp", 1) | {"scale": "other"})
    table = report_over_runs([str(tmp_path / name) for name in "abcd"], tmp_path / "report", Wish())
    assert table.startswith("4 tables, since these are not to be compared: embedded-ag-1, embedded-ag-2, embedded-ag-3")
    assert sorted(p.name for p in (tmp_path / "report").iterdir()) == [
        "embedded-ag-1", "embedded-ag-2", "embedded-ag-3", "other-ag"
    ]  # fmt: skip


def test_seeds_that_were_trained_on_other_data_are_apart_wherever_these_lie(tmp_path: Path) -> None:
    for seed, data in ((1, "a"), (2, "a"), (3, "b")):
        result = write_run(tmp_path / str(seed), "ablation_astp", seed, seed) / "sft" / "result" / "result.json"
        result.parent.mkdir(parents=True)
        result.write_text(sealed({"determinants": {"data": {"train": data}, "base": "c", "settings": {"seed": seed}}}))
    _, report = reported(tmp_path, tmp_path / "[123]")
    assert sorted(row["seeds"] for row in report["rows"].values()) == [[1, 2], [3]]


def test_a_report_is_not_written_into_a_run(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", "ablation_astp", 1, 1)
    for place in (run, run / "evaluation"):
        with pytest.raises(ValueError, match=r"output_dir: .* lies in the run"):
            report_over_runs([str(run)], place, Wish())


def test_scores_of_another_system_stand_in_the_same_table(tmp_path: Path) -> None:
    joined = [replace(example, audio=f"ftar/{example.audio}") for example in EXAMPLES]  # as a run of several corpora
    write_run(tmp_path / "x" / "astp", "ablation_astp", 1, 2, examples=joined)
    write_manifest(tmp_path / "test.jsonl", EXAMPLES)
    lines = [{"id": "q0", "text": RIGHT}, {"id": "q1", "events": [[1.0, 2.0, "a dog"]]}, {"id": "q2", "text": RIGHT}]
    (tmp_path / "answers.jsonl").write_text("\n".join(map(json.dumps, lines)))
    node = settings("ablation_astp", 1)["task"]
    task = tasks_of({"task": node})["ag"]
    given = read_predictions(tmp_path / "answers.jsonl", task)
    outcome = outcome_of(given, read_references(tmp_path / "test.jsonl", "ag"), task.metrics())
    other = tmp_path / "x" / "others" / "kimi" / "ag"
    write_outcome(other, outcome, task, "kimi", grounds_of_scores(node), variants_of(node)["ag"])
    write_outcome(
        tmp_path / "x" / "same" / "kimi", outcome, task, None, grounds_of_scores(node), variants_of(node)["ag"]
    )
    write_outcome(tmp_path / "x" / "ours", outcome, task, "SFT", grounds_of_scores(node), variants_of(node)["ag"])
    shutil.copytree(other, tmp_path / "evaluation" / "kimi")  # called as a run's own folder, which it is not
    _, report = reported(tmp_path, tmp_path / "x" / "astp", tmp_path / "evaluation" / "kimi")
    assert list(report["rows"]) == ["SFT", "kimi"]
    with pytest.raises(ValueError, match="astp/evaluation holds no run and no scores"):
        reported(tmp_path, tmp_path / "x" / "astp" / "evaluation")
    _, report = reported(tmp_path, tmp_path / "x")
    assert len(report["rows"]) == 4 and report["scores"]["SFT"]["ag"]["mIoU"] == 50.0  # ours, not theirs
    shutil.rmtree(tmp_path / "x" / "same"), shutil.rmtree(tmp_path / "x" / "ours")
    table, report = reported(tmp_path, tmp_path / "x", baseline="kimi")
    assert report["rows"]["kimi"]["kind"] == "other"
    assert report["scores"]["kimi"]["ag"]["mIoU"] == 75.0
    assert report["differences"] == [["SFT", "kimi"]]
    assert "kimi \u2020" in table
    said = json.loads((other / "scores.json").read_text())
    (other / "scores.json").write_text(json.dumps(said | {"variant": "another"}))
    with pytest.raises(ValueError, match="kimi/ag was scored in 'ag' in another way than any of the runs"):
        reported(tmp_path, tmp_path / "x")
    (other / "scores.json").write_text(json.dumps(said))
    (other / "predictions.jsonl").write_text("{}\n")
    with pytest.raises(ValueError, match="kimi/ag was scored by other code, or changed since"):
        reported(tmp_path, tmp_path / "x")


def test_sums_that_are_gone_or_damaged_are_made_again(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", "ablation_astp", 1, 3)
    sums = run / "evaluation" / "sft" / "sums.safetensors"
    table, before = reported(tmp_path, run)
    assert "scored again" not in table
    whole = sums.read_bytes()
    for damaged in (whole[:-8], whole[:-1] + bytes([whole[-1] ^ 1]), b"no sums"):
        sums.write_bytes(damaged)
        table, after = reported(tmp_path, run)
        assert "1 evaluations were scored again" in table
        assert after["scores"] == before["scores"]


def test_the_page_shows_answers_as_the_table_counts_them(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", "ablation_astp", 1, 4) / "evaluation" / "sft"
    lines = folder / "predictions.jsonl"
    stored = [json.loads(line) for line in lines.read_text().splitlines()]
    earlier = {"readable": False, "events": [], "scores": {"mIoU": 0.0}}  # as a reader of before read them
    lines.write_text("".join(json.dumps(line | earlier) + "\n" for line in stored))
    whole = lines.read_bytes()
    table, report = reported(tmp_path, tmp_path / "a")
    assert "scored again" in table and report["scores"]["SFT"]["ag"]["mIoU"] == 100.0
    page = (tmp_path / "report" / "report.html").read_text()
    assert "no events could be read from this answer" not in page and lines.read_bytes() == whole


def test_sums_do_not_depend_on_where_the_recordings_lie_but_on_each_answer(tmp_path: Path) -> None:
    files = [write_run(tmp_path / name, "ablation_astp", 1, 3) / "evaluation" / "sft" for name in ("a", "b")]
    lines = files[0] / "predictions.jsonl"
    moved = json.dumps('/mnt/a "b" /0.flac')
    lines.write_text(lines.read_text().replace('"audio": "0.flac"', f'"audio": {moved}'))
    table, _ = reported(tmp_path, tmp_path / "a")
    assert "scored again" not in table
    assert (files[0] / "sums.safetensors").read_bytes() == (files[1] / "sums.safetensors").read_bytes()
    lines.write_text(lines.read_text().replace(WRONG, RIGHT))
    with pytest.raises(ValueError, match="evaluation/sft is damaged or was changed"):
        reported(tmp_path, tmp_path / "a")


def test_names_of_others_are_shown_as_they_are(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script> & \\input{x} | `y`"
    for place, experiment in (("a", "ablation_astp"), ("b", "ablation_sft_baseline")):
        write_run(tmp_path / place, experiment, 1, 2)
        write_config(tmp_path / place, settings(experiment, 1) | {"name": f"{evil} {place}"})
    reported(tmp_path, tmp_path / "a", tmp_path / "b")
    page, latex, markdown = (
        (tmp_path / "report" / name).read_text() for name in ("report.html", "table.tex", "table.md")
    )
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
    assert r"\textbackslash{}input\{x\}" in latex and r"\input" not in latex
    assert r"\<script\>alert" in markdown and r"\| \`y\`" in markdown


def test_what_names_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"runs: .*empty holds no run and no scores"):
        reported(tmp_path, tmp_path / "empty")
    with pytest.raises(ValueError, match=r"runs: .*nowhere\* does not exist"):
        reported(tmp_path, tmp_path / "nowhere*")
    write_config(tmp_path / "silent", settings("ablation_astp", 1))
    with pytest.raises(ValueError, match="none of them has an evaluation"):
        reported(tmp_path, tmp_path / "silent")
    write_run(tmp_path / "loud", "ablation_astp", 1, 1)
    table, _ = reported(tmp_path, tmp_path / "silent", tmp_path / "loud")
    assert table.startswith(f"no evaluation yet: {tmp_path / 'silent'}\n")


def test_the_table_is_there_for_other_programs(tmp_path: Path) -> None:
    write_run(tmp_path / "x" / "a", "ablation_sft_baseline", 1, 1)
    write_run(tmp_path / "x" / "b", "ablation_astp", 1, 4)
    reported(tmp_path, tmp_path / "x", layout="table3")
    with (tmp_path / "report" / "table.csv").open(newline="") as file:
        rows = {row["row"]: row for row in csv.DictReader(file)}
    assert (rows["+ ASTP"]["AG mIoU"], rows["+ ASTP"]["kind"], rows["+ ASTP"]["seeds"]) == ("100.0", "ours", "1")
    assert rows["+ ASTP, quoted"]["AG mIoU low"] == "" and rows["+ ASTP, quoted"]["AG mIoU"] == "71.7"
    latex = (tmp_path / "report" / "table.tex").read_text()
    assert r"+ ASTP & \textbf{100.0} {\scriptsize (100.0--100.0)}" in latex and r"\toprule" in latex
    assert "| + ASTP | 1 | **100.0** (100.0\u2013100.0) |" in (tmp_path / "report" / "table.md").read_text()
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Changed most" in page and "+ ASTP, quoted" in page
