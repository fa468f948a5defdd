"""Votes that lie in runs, and which of them are one row."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.written_runs import (
    EXAMPLES,
    RIGHT,
    WRONG,
    hydra_at_conf,  # noqa: F401
    reported,
    write_run,
)
from timepro_lit.evaluation.answers import write_evaluation
from timepro_lit.evaluation.numbers import scores_by_task
from timepro_lit.events.voting import Voting
from timepro_lit.events.windows import Cut
from timepro_lit.files.sealing import sealed
from timepro_lit.inference.windowing import Windowing
from timepro_lit.records import Voter
from timepro_lit.runs.determinants import VOTING, grounds_of_scores
from timepro_lit.runs.origin import Origin
from timepro_lit.settings.stored import settings_as_data
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.voted import voted


def write_votes(
    run: Path,
    num_answers: int,
    right: int,
    seed: int = 0,
    place: str = "",
    data: Any = None,
    row: str = "sft",
    **how: Any,
) -> None:
    """What `evaluate` leaves in a run: all voters say the same."""
    task = Grounding()
    answers = []
    for n, example in enumerate(EXAMPLES):
        text = RIGHT if n < right else WRONG
        voters = (Voter(text, task.parse(text), truncated=False),) * num_answers
        answers.append(voted(example, task, "When?", voters))
    stored, said = settings_as_data(run), asdict(Voting(num_answers, seed=seed))
    origin = Origin({"settings": {VOTING: said, **how}, "data": data}, {})
    folder = run / f"evaluation-test-{num_answers}{seed}{place}" / "evaluation" / row
    folder.parent.mkdir(parents=True, exist_ok=True)
    scores = scores_by_task(answers, {"ag": task})
    write_evaluation(folder, answers, scores, str, {}, origin, grounds_of_scores(stored["task"]))


def test_votes_of_a_run_are_rows_of_their_own(tmp_path: Path) -> None:
    for seed, right in ((1, 1), (2, 3)):
        run = write_run(tmp_path / f"astp{seed}", "ablation_astp", seed, right)
        write_votes(run, 8, right + 1)
    write_votes(tmp_path / "astp1", 4, 1)
    again = tmp_path / "astp1/evaluation-val-0" / "evaluation"  # which is no vote
    shutil.copytree(tmp_path / "astp1/evaluation", again)
    _, report = reported(tmp_path, tmp_path / "astp1", tmp_path / "astp2")
    assert {name: row["seeds"] for name, row in report["rows"].items()} == {
        "SFT": [1, 2], "SFT, 4 votes": [1], "SFT, 8 votes": [1, 2],
    }  # fmt: skip
    assert report["scores"]["SFT"]["ag"]["mIoU"] == 50.0
    assert report["scores"]["SFT, 8 votes"]["ag"]["mIoU"] == 75.0
    assert "8 votes at temperature 1, seed 0" in report["rows"]["SFT, 8 votes"]["about"]
    table, _ = reported(tmp_path, tmp_path / "astp1", layout="table3", quoted=False)
    assert "no row of table3: SFT, 4 votes, SFT, 8 votes" in table
    write_votes(tmp_path / "astp1", 8, 3, seed=5)
    _, report = reported(tmp_path, tmp_path / "astp1")
    assert "SFT, 8 votes (seed=5)" in report["rows"]


def test_votes_of_other_windows_or_precision_are_other_rows(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / f"astp{seed}", "ablation_astp", seed, 2) for seed in (1, 2)]
    for run in runs:
        write_votes(run, 8, 4, trainer={"precision": "bf16-mixed"})
    windows = asdict(Windowing(Cut(2.0, 1.0), whole_s=2.0))
    write_votes(runs[0], 8, 0, place="w", trainer={"precision": "bf16-mixed"}, windows=windows)
    write_votes(runs[1], 8, 1, place="p", trainer={"precision": "64-true"})
    _, report = reported(tmp_path, *runs)
    assert {name: (row["seeds"], report["scores"][name]["ag"]["mIoU"]) for name, row in report["rows"].items()} == {
        "SFT": ([1, 2], 50.0),
        "SFT, 8 votes (precision=bf16-mixed)": ([1, 2], 100.0),
        "SFT, 8 votes, in windows of 2 s": ([1], 0.0),
        "SFT, 8 votes (precision=64-true)": ([2], 25.0),
    }


def test_votes_on_other_data_than_the_rows_own_are_not_among_its_rows(tmp_path: Path) -> None:
    run = write_run(tmp_path / "astp", "ablation_astp", 1, 2)
    record = run / "evaluation" / "sft" / "result.json"
    said = {key: value for key, value in json.loads(record.read_text()).items() if key != "sha256"}
    record.write_text(sealed(said | {"determinants": {"data": {"recordings": ["a"]}}}))
    write_votes(run, 8, 4, data={"recordings": ["noisy"]})
    write_votes(run, 4, 3, data={"recordings": ["a"]})
    _, report = reported(tmp_path, run)
    assert list(report["rows"]) == ["SFT", "SFT, 4 votes"]
    write_votes(run, 4, 3, data={"recordings": ["noisy"]}, row="zero_shot")  # which has no answers of its own
    write_votes(run, 8, 2, data={"recordings": ["a"]}, row="zero_shot")
    _, report = reported(tmp_path, run)
    assert list(report["rows"]) == ["Zero-shot, 8 votes", "SFT", "SFT, 4 votes"]
    shutil.rmtree(run / "evaluation-test-40" / "evaluation" / "zero_shot")
    shutil.rmtree(run / "evaluation-test-80" / "evaluation" / "zero_shot")
    record.write_text(sealed(said | {"determinants": {}}))  # it does not say on which
    write_votes(run, 4, 1, place="again", data={"recordings": ["noisy"]})
    _, report = reported(tmp_path, run)
    assert len(report["rows"]) == 4 and sum(name.startswith("SFT, 4 votes (data=") for name in report["rows"]) == 2


def test_a_way_to_vote_that_is_none_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "astp", "ablation_astp", 1, 1)
    write_votes(run, 4, 1)
    [record] = run.glob("evaluation-test-*/evaluation/sft/result.json")
    said = json.loads(record.read_text())
    said["determinants"]["settings"][VOTING]["num_answers"] = 1
    del said["sha256"]
    record.write_text(sealed(said))
    with pytest.raises(ValueError, match=r"result\.json says no way to vote: vote: needs at least 2 answers"):
        reported(tmp_path, run)
