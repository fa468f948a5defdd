from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.types import RunMode

from timepro_lit.settings.door import check_grammar, check_order, check_sweep, door, sentence_of
from timepro_lit.settings.schemas import ROOT, free_texts


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["seed=1", "+experiment=a", "trainer=gpu", "+scale=b", "+debug=c"],
        ["+scale=b", "+debug=c"],
        ["+experiment=[a,b]"],
    ],
)
def test_layers_in_their_order(overrides: list[str]) -> None:
    check_order(overrides)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["+scale=b", "+experiment=a"], r"\+scale stands before \+experiment, .* write \+experiment=... \+scale=...$"),
        (["+debug=c", "x=1", "++scale=b"], r"\+debug stands before \+scale"),
        (["+experiment=a", "+debug=c", "+scale=b"], r"\+debug stands before \+scale"),
        (["+experiment=a", "+experiment=b"], r"\+experiment is given twice: write \+experiment=\[a,b\]"),
    ],
)
def test_layers_that_would_undo_each_other(overrides: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_order(overrides)


def test_a_sweep_is_not_started_again_by_each_process_of_a_job() -> None:
    with pytest.raises(ValueError, match="trainer=ddp starts processes by itself"):
        check_sweep(RunMode.MULTIRUN, "ddp", "basic")
    check_sweep(RunMode.RUN, "ddp", "basic")
    check_sweep(RunMode.MULTIRUN, "gpu", "basic")
    with pytest.raises(ValueError, match="sweep with trainer=cpu or gpu, or with hydra/launcher=slurm"):
        check_sweep(RunMode.MULTIRUN, "ddp_cpu", "submitit_local")
    check_sweep(RunMode.MULTIRUN, "gpu", "submitit_local")
    check_sweep(RunMode.MULTIRUN, "ddp", "slurm")


def test_a_launcher_without_a_sweep_would_do_nothing() -> None:
    with pytest.raises(ValueError, match=r"hydra/launcher=slurm launches the jobs of a sweep, .* write -m"):
        check_sweep(RunMode.RUN, "gpu", "slurm")


PROGRAM = """
import sys
from pathlib import Path
import hydra
from timepro_lit.settings.schemas import register
from timepro_lit.settings.door import guarded
from timepro_lit.settings.schemas import CONF
register()

@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
@guarded
def main(cfg):
    if cfg.seed == 2:
        raise ValueError("data.root = now\\x1b[2Jhere:\\n   no such folder")
    if cfg.seed == 3:
        raise TypeError("a bug")
    print("ran with seed", cfg.seed)

main()
"""


def program(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "program.py").write_text(PROGRAM)
    arguments = (*arguments, f"paths.outputs={tmp_path / 'outputs'}")
    env = {k: v for k, v in os.environ.items() if k != "HYDRA_FULL_ERROR"} | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(
        [sys.executable, "program.py", *arguments],
        cwd=tmp_path, env=env | environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_an_error_is_one_line_and_writes_nothing(tmp_path: Path) -> None:
    done = program(tmp_path, "seed=2")
    assert (done.returncode, done.stderr) == (1, "error: data.root = now\\x1b[2Jhere: no such folder\n")
    assert [p.name for p in tmp_path.iterdir()] == ["program.py"]


def test_a_lost_worker_has_a_sentence_and_a_bug_has_none() -> None:
    for said in ("DataLoader worker (pid 7) is killed by signal: Killed. ", "DataLoader worker (pid(s) 7) exited"):
        sentence = sentence_of(RuntimeError(said))
        assert sentence is not None and "most often for want of memory" in sentence and said.strip() in sentence
    assert sentence_of(RuntimeError("a bug")) is None


def test_a_connection_lost_between_processes_is_a_lost_worker_and_one_to_a_server_is_not() -> None:
    ours, theirs = multiprocessing.Pipe()
    theirs.close()
    with pytest.raises(BrokenPipeError) as between:
        ours.send(b"x" * 1_000_000)
    assert "most often for want of memory" in str(sentence_of(between.value))
    assert sentence_of(ConnectionResetError("the hub hung up")) == "the hub hung up"


def test_the_order_is_checked_before_the_program_runs(tmp_path: Path) -> None:
    done = program(tmp_path, "+scale=paper", "+experiment=zero_shot")
    assert done.returncode == 1
    assert done.stderr.startswith("error: +scale stands before +experiment")
    assert "ran" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "environment"), [(["seed=2"], {"HYDRA_FULL_ERROR": "1"}), (["seed=2", "+debug=smoke"], {}),
    (["seed=3"], {})],
)  # fmt: skip
def test_the_traceback_shows_on_demand_and_for_bugs(
    arguments: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    done = program(tmp_path, *arguments, **environment)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "program.py" in done.stderr


def test_a_failed_job_does_not_end_its_sweep(tmp_path: Path) -> None:
    done = program(tmp_path, "-m", "+experiment=glob(ablation_a*)", "seed=1,2")
    assert done.returncode == 1
    assert done.stdout.count("ran with seed 1") == 2
    assert "error in job 1 (+experiment=ablation_adaptive seed=2" in done.stderr
    assert "error in job 3 (+experiment=ablation_astp seed=2" in done.stderr
    assert "Traceback" not in done.stderr


def test_names_and_paths_of_every_door_are_free_texts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert free_texts("score") == ["predictions", "references", "output_dir", "system", "protocol"]
    called = door("score")(lambda cfg: None)
    monkeypatch.setattr(sys, "argv", ["score", "predictions=a, b.tsv", "output_dir=20240506_123456"])
    with pytest.raises(SystemExit):
        called()
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == """python -m timepro_lit.score 'predictions="a, b.tsv"' 'output_dir="20240506_123456"'"""


@pytest.mark.parametrize(
    ("argument", "written"),
    [
        ("query=the dog's bark", """query="the dog's bark\""""),
        ("query=a, b", 'query="a, b"'),
        ('query=say "hi"', r'query="say \"hi\""'),
        ("query=[x]", 'query="[x]"'),
        ("query=2024_05_06", 'query="2024_05_06"'),
        ("query=pred_th=0.5.tsv", 'query="pred_th=0.5.tsv"'),
        ("query=预测.tsv", 'query="预测.tsv"'),
    ],
)
def test_a_misread_query_is_answered_with_the_command_as_it_should_be(
    argument: str, written: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["predict", "task=ag", argument])
    with pytest.raises(SystemExit):
        check_grammar("timepro_lit.predict", ("query",))
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("python -m timepro_lit.predict task=ag ")
    monkeypatch.setattr(sys, "argv", ["predict", "task=ag", written])
    check_grammar("timepro_lit.predict", ("query",))


@pytest.mark.parametrize(
    "argument",
    [
        "query=a dog barks",
        "query=null",
        """query="the dog's bark\"""",
        "task=[ag,sed]",
        "audio=a b.wav",
        "output_dir=2024_05_06",
    ],
)
def test_what_hydra_reads_rightly_is_left_alone(argument: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["predict", argument])
    check_grammar("timepro_lit.predict", ("query", "audio"))
