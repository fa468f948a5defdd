"""The scripts of `experiments` for the paper's tables: every command can be run, and the chain goes through."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from hydra import compose, initialize_config_dir

from timepro_lit.settings.config import validate
from timepro_lit.settings.door import with_plain
from timepro_lit.settings.schemas import CONF, ROOT, register

ANSWERS = '{"id": "q", "task": "ag"}\n'


@pytest.fixture(autouse=True, scope="module")
def hydra_at_conf() -> Iterator[None]:
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def commands(tmp_path: Path, script: str, *arguments: str, **environment: str) -> list[list[str]]:
    """What a script would run: the door and its arguments of each command, with a Python that only says them."""
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\nif [ "$1" = -c ]; then exec {sys.executable} "$@"; fi\n'
        f"exec {sys.executable} -c 'import shlex, sys; print(shlex.join(sys.argv[1:]))' \"$@\"\n"
    )
    python.chmod(0o755)
    out = tmp_path / "out"
    made = out.with_name("out-smoke") if "smoke" in arguments else out
    answers = made / "ablation_adaptive/seed1/evaluation/grpo"
    answers.mkdir(parents=True, exist_ok=True)
    (answers / "predictions.jsonl").write_text(ANSWERS)
    given = os.environ | {"PYTHON": str(python), "OUT": str(out)} | environment
    script = str(ROOT / "experiments" / script)
    done = subprocess.run(["bash", script, *arguments], capture_output=True, text=True, env=given, timeout=60)
    assert done.returncode == 0, done.stderr
    said = map(shlex.split, done.stdout.splitlines())
    return [arguments for option, *arguments in said if option == "-m"]


def loaded(name: str) -> ModuleType:
    """A Python file of `experiments`, whose folders are no packages."""
    spec = importlib.util.spec_from_file_location(name.replace("/", "_"), ROOT / "experiments" / f"{name}.py")
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("script", "arguments", "doors"),
    [
        ("table3/run.sh", ["smoke"], ["train"] * 10 + ["report", "attend", "attend"]),
        ("table3/run.sh", ["+scale=paper"], ["train"] * 50 + ["report", "attend", "attend"]),
        ("table3/run.sh", [], ["train"] * 53 + ["report", "attend", "attend"]),
        ("ablations/run.sh", ["smoke"], ["train"] * 11 + ["report"] * 2),
        ("long/run.sh", ["smoke"], ["train"] * 5 + ["evaluate"] * 12 + ["report"]),
        ("moments/run.sh", ["smoke"], ["train"] * 2 + ["evaluate", "report"]),
        ("minutes/run.sh", ["smoke"], ["train"]),
        ("table1/run.sh", ["trainer=deepspeed_zero2"], ["train"] * 6 + ["report"]),
        ("table1/run.sh", ["+debug=plan"], ["train"] * 6),
    ],
)
def test_every_command_of_a_script_can_be_run(
    tmp_path: Path, script: str, arguments: list[str], doors: list[str]
) -> None:
    said = commands(tmp_path, script, *arguments)
    assert [door.removeprefix("timepro_lit.") for door, *_ in said] == doors
    for door, *rest in said:
        name = door.removeprefix("timepro_lit.")
        if name == "train" and {"seed=2", "seed=3", "seed=4", "seed=5"} & set(rest):
            continue
        cfg = compose(name, with_plain(rest, "runs") if name == "report" else rest)
        if name == "train":
            validate(cfg)
    models = {rest[2] for door, *rest in said if "table1" in script and "train" in door}
    assert models == ({"model=qwen2_audio_7b", "model=qwen2_5_omni_7b"} if "table1" in script else set())


@pytest.mark.parametrize(
    ("side", "intervals", "said"),
    [
        ("above", [(0.2, 1.0), (0.1, 3.0), (-1.0, 2.0)], "holds"),
        ("above", [(0.2, 1.0), (0.1, 3.0), (-2.0, -0.1)], "does not hold"),
        ("above", [(0.2, 1.0), (-2.0, 3.0), (-1.0, 2.0)], "cannot be told at this scale"),
        ("above", [(-0.2, 0.9), (0.1, 0.3), (-0.5, 0.5)], "does not hold"),
        ("below", [(-3.0, -1.0), (-0.2, -0.1), (-1.0, 2.0)], "holds"),
        ("below", [(0.2, 1.0), (-3.0, -1.0), (-1.0, 2.0)], "does not hold"),
        ("not below", [(-0.9, 2.0)], "holds"),
        ("not below", [(-1.1, 2.0)], "cannot be told at this scale"),
        ("not below", [(-1.1, -0.1)], "does not hold"),
        ("not below", [(-0.8, -0.2)], "does not hold"),
        ("above", [(0.1, 0.6), (0.2, 0.9), (0.05, 0.7)], "holds"),
    ],
)
def test_a_claim_is_judged_by_the_rule_in_the_readme(
    side: str, intervals: list[tuple[float, float]], said: str
) -> None:
    assert loaded("table3/results").verdict(side, intervals) == said


def test_attention_is_found_again_where_the_runs_were_moved(tmp_path: Path) -> None:
    stored = {"chance": 21.5, "shares": {"/old/table3/ablation_astp/seed1": [23.6, 20.8], "/old/x/seed1": [1.0, 1.0]}}
    (tmp_path / "attention.json").write_text(json.dumps(stored))
    trained = SimpleNamespace(scores={"ag": [SimpleNamespace(values={"mIoU": n}) for n in (80.0, 81.3)]})
    runs = [SimpleNamespace(run=tmp_path / "ablation_astp" / f"seed{seed}") for seed in (2, 1)]
    systems = {"+ ASTP": SimpleNamespace(trainings=runs, seeds=(2, 1), trained=trained)}
    attention_of = loaded("table3/results").attention_of
    row = {"seed": 1, "shares": [23.6, 20.8], "ag/mIoU": 81.3}
    assert attention_of(tmp_path / "attention.json", systems) == {"chance": 21.5, "rows": {"+ ASTP": row}}
    assert attention_of(tmp_path / "attention.json", {}) is attention_of(tmp_path / "nothing.json", systems) is None


@pytest.mark.parametrize("name", ["table3/tables", "ablations/results", "long/results"])
def test_the_tables_of_a_readme_are_those_of_its_results(name: str) -> None:
    place = ROOT / "experiments" / name
    if not (found := place.with_name("results.json")).exists():
        assert "No figures yet" in place.with_name("README.md").read_text()
        return
    printed = list(loaded(name).lines_of(json.loads(found.read_text())))
    assert set(printed) <= set(place.with_name("README.md").read_text().splitlines())


def test_table_3_of_the_readme_is_that_of_its_results() -> None:
    rows = json.loads((ROOT / "experiments/table3/results.json").read_text())["rows"]
    lines = (ROOT / "README.md").read_text().splitlines()
    for name, row in rows.items():
        figures = [
            f"{number:.1f}"
            for task in ("ag", "sed", "dac")
            for metric, score in row["scores"][task].items()
            for number in (score, *row["intervals"][task][metric])
        ]
        [line] = [line for line in lines if line.startswith(f"| {name} | ") and "quoted" not in line and "(" in line]
        assert re.findall(r"\d+\.\d", line.removeprefix(f"| {name} |")) == figures


@pytest.mark.slow
def test_a_sweep_ends_with_its_table_although_a_job_has_failed(tmp_path: Path) -> None:
    """The third job's folder holds somebody's notes."""
    sweep = ["-m", "+experiment=ablation_astp", "task=ag", "sizes=smoke", "seed=1,2,3", "logger=none"]
    paths = [f"paths.outputs={tmp_path / 'outputs'}", f"paths.data={tmp_path / 'data'}"]
    (notes := tmp_path / "outputs/ablation_astp/sizes-smoke-task-ag-seed3/notes.txt").parent.mkdir(parents=True)
    notes.write_text("mine")
    command = [sys.executable, "-m", "timepro_lit.train", *sweep, *paths]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert "seed3 is no run directory: it holds notes.txt" in done.stderr
    [report] = (tmp_path / "outputs" / "reports").iterdir()
    rows = json.loads((report / "report.json").read_text())["rows"]
    assert [row["seeds"] for row in rows.values()] == [[1, 2]]
    assert f"page: {report}/report.html" in done.stdout
    assert [path.name for path in (tmp_path / "outputs" / ".sweep").rglob("*")] == ["multirun.yaml"]  # Hydra's own


@pytest.mark.slow
def test_table_3_and_figure_2_come_out_of_one_command(tmp_path: Path) -> None:
    given = os.environ | {"PYTHON": sys.executable, "OUT": str(tmp_path / "t3")}
    script = str(ROOT / "experiments/table3/run.sh")
    done = subprocess.run(["bash", script, "smoke", f"paths.data={tmp_path / 'data'}"], env=given, timeout=1200)
    assert done.returncode == 0
    made = tmp_path / "t3-smoke"
    report = json.loads((made / "report/report.json").read_text())
    ours = [name for name, row in report["rows"].items() if row["kind"] == "ours"]
    assert ours == [
        "SFT baseline", "+ ASTP, random init", "+ ASTP", "+ ASTP + RL (Eb-F1 only)", "+ ASTP + RL (adaptive)"
    ]  # fmt: skip
    assert {"report.html", "table.md", "table.tex", "table.csv"} <= {path.name for path in (made / "report").iterdir()}
    found = json.loads((made / "results.json").read_text())
    assert (list(found["rows"]), len(found["claims"])) == (ours, 5)
    assert list(found["attention"]["rows"]) == [name for name in ours[1:] if "only" not in name]
    assert (made / "curves.png").stat().st_size > 10_000
    assert list((made / "attention/picture").glob("*.png")) and (made / "attention/share/attention.json").exists()


@pytest.mark.slow
def test_votes_are_compared_with_greedy_answers(tmp_path: Path) -> None:
    small = [
        "+experiment=ablation_astp", "rows=[]", "task=[ag,sed]", "sizes.data.num_clips={train: 4, val: 2, test: 2}",
        "sizes.sft.max_steps=1", "sizes.sft.max_epochs=-1", "sizes.sft.batch_size=2", "sizes.sft.micro_batch_size=2",
        "sizes.sft.val_check_interval=1", f"paths.outputs={tmp_path / 'outputs'}", f"paths.data={tmp_path / 'data'}",
    ]  # fmt: skip
    command = [sys.executable, "-m", "timepro_lit.train", *small, f"output_dir={tmp_path / 'run'}"]
    assert subprocess.run(command, timeout=600).returncode == 0
    given = os.environ | {"PYTHON": sys.executable, "OUT": str(tmp_path / "voting")}
    script = str(ROOT / "experiments/voting/run.sh")
    assert subprocess.run(["bash", script, str(tmp_path / "run"), "smoke"], env=given, timeout=600).returncode == 0
    made = tmp_path / "voting-smoke"
    found = json.loads((made / "results.json").read_text())["tasks"]
    assert {"greedy", "greedy, log-probability", "2 votes", "3 votes", "3 votes, share 0.5"} <= {
        *found["ag"]["systems"]
    }
    assert found["sed"]["systems"]["3 votes"] == found["sed"]["systems"]["3 votes, share 0.5"]
    assert (made / "reliability.png").stat().st_size > 10_000
    assert "| 3 votes |" in (made / "table.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "results", "rows"),
    [
        ("moments", "results.json", [
            "seeds", "rows", "sft_asked_only_for_what_occurs", "intervals", "votes", "votes_minus_greedy_mAP_95%",
            "code",
        ]),
        ("minutes", "grpo-seed1/results.json", [
            "run", "row", "recordings", "window_s", "device", "code", "ways"
        ]),
        ("long", "results.json", ["code", "lengths"]),
        ("ablations", "ablations/results.json", ["adaptive", "astp"]),
    ],
)  # fmt: skip
def test_an_experiment_goes_through(tmp_path: Path, name: str, results: str, rows: list[str]) -> None:
    given = os.environ | {"PYTHON": sys.executable, "OUT": str(tmp_path / "out"), "MODELS": str(tmp_path / "models")}
    script = str(ROOT / "experiments" / name / "run.sh")
    assert subprocess.run(["bash", script, "smoke"], env=given, timeout=1800).returncode == 0
    found = json.loads((tmp_path / "out-smoke" / results).read_text())
    assert list(found) == rows
