"""Real runs: what is found again, on how many processes it was made, and what is not."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from tests.warm import command
from timepro_lit.settings.schemas import CONF, PACKAGE

SMALL = (
    "+experiment=ablation_astp", "task=[ag,sed]", "sizes.data.num_clips={train: 8, val: 2, test: 2}",
    "sizes.sft.max_steps=2", "sizes.sft.max_epochs=-1", "sizes.sft.batch_size=4", "sizes.sft.micro_batch_size=2",
    "sizes.sft.val_check_interval=2",
)  # fmt: skip
TWO = ("trainer=ddp_cpu",)


def door(name: str, *arguments: str, folder: Path, source: Path = PACKAGE.parent) -> str:
    """What `python -m timepro_lit.<door>` prints."""
    asked = (*arguments, f"paths.data={folder / 'data'}")
    if source == PACKAGE.parent:
        done = command(name, *asked, cwd=folder)
    else:
        program = [sys.executable, "-m", f"timepro_lit.{name}", *asked]
        where = os.environ | {"PYTHONPATH": str(source)}
        done = subprocess.run(program, env=where, capture_output=True, text=True, cwd=folder, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def train(folder: Path, run: str, *arguments: str, outputs: str = "outputs", source: Path = PACKAGE.parent) -> str:
    places = (f"paths.outputs={folder / outputs}", f"output_dir={folder / run}")
    return door("train", *SMALL, *places, *arguments, folder=folder, source=source)


def said(text: str, about: str = "sft") -> list[str]:
    """What a run says of its stage and its row."""
    return [line for line in text.splitlines() if line.startswith(f"{about}: ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on one process."""
    folder = tmp_path_factory.mktemp("runs")
    assert said(train(folder, "one")) == []
    return folder


@pytest.fixture(scope="module")
def stage(folder: Path) -> Path:
    [stage] = (folder / "outputs" / "stages").glob("sft-????????????")
    return stage


@pytest.mark.slow
def test_settings_of_speed_and_place_find_the_stage(folder: Path, stage: Path) -> None:
    other = (
        "data.eval_batch_size=1", "data.num_workers=1", "logger=none", "+model.capture_steps=false",
        "sizes.sft.micro_batch_size=4", "stage.sft.label=Tuned", "checkpoint_every=1",
    )  # fmt: skip
    shutil.copytree(folder / "data", folder / "moved" / "data", copy_function=shutil.copyfile)
    places = (f"paths.outputs={folder / 'outputs'}", f"output_dir={folder / 'two'}")
    assert said(door("train", *SMALL, *other, *places, folder=folder / "moved")) == [f"sft: reused from {stage}"]
    assert (folder / "two/sft/metrics.csv").read_bytes() == (folder / "one/sft/metrics.csv").read_bytes()


def test_two_processes_find_what_one_made(folder: Path, stage: Path) -> None:
    printed = train(folder, "by_two", *TWO)
    assert said(printed) == [f"sft: reused from {stage}"]
    assert printed.count("page: ") == 1
    assert said(train(folder, "by_two", *TWO)) == []
    (folder / "by_two" / "report.html").unlink()
    again = train(folder, "by_two", *TWO)
    assert said(again)[1:] == [f"sft: answers reused from {folder / 'by_two' / 'evaluation' / 'sft'}"]
    assert again.count("page: ") == 1
    assert (folder / "by_two" / "report.html").exists()


@pytest.mark.slow
def test_what_goes_on_from_a_stage_is_found_from_its_copy(folder: Path) -> None:
    first = folder / "one" / "sft" / "result"
    copy = Path(shutil.copytree(first, folder / "copy"))
    (copy / "metrics.csv").unlink()
    assert said(train(folder, "going_on", f"init_from={first}")) == []
    [reused] = said(train(folder, "going_on_from_copy", f"init_from={copy}"))
    assert reused.startswith(f"sft: reused from {folder / 'outputs' / 'stages' / 'sft-'}")
    (copy / "recordings.npy").unlink()
    assert said(train(folder, "going_on_from_less", f"init_from={copy}")) == []


@pytest.mark.slow
def test_rows_are_added_to_a_finished_run(folder: Path, stage: Path) -> None:
    """So that a test split is opened when all is trained."""
    assert "page: " not in train(folder, "later", "rows=[]")
    assert not (folder / "later" / "evaluation").exists()
    printed = train(folder, "later")
    assert (said(printed), printed.count("page: ")) == ([f"sft: reused from {stage}"], 1)
    assert "testing zero_shot" in train(folder, "later", "rows=[zero_shot,sft]")
    finished = (folder / "later/finished.json").read_bytes()
    for fewer in ("rows=[zero_shot]", "rows=[]"):
        printed = train(folder, "later", fewer)
        assert "is finished" in printed and said(printed) == []
    assert (folder / "later/finished.json").read_bytes() == finished
    assert list(json.loads((folder / "later/report.json").read_text())["rows"]) == ["zero_shot", "sft"]


@pytest.mark.slow
def test_a_row_that_is_added_stands_where_it_belongs_and_takes_no_other_away(folder: Path) -> None:
    shutil.copytree(folder / "one", folder / "added")
    printed = train(folder, "added", "rows=[zero_shot]")
    assert said(printed)[1:] == [f"sft: answers reused from {folder / 'added' / 'evaluation' / 'sft'}"]
    assert list(json.loads((folder / "added/report.json").read_text())["rows"]) == ["zero_shot", "sft"]
    for rows in ("rows=[sft]", "rows=[sft,zero_shot]", "rows=null"):
        again = train(folder, "added", rows)
        assert "is finished" in again and again.partition("is finished.\n")[2] in printed
    report = door("report", str(folder / "one"), str(folder / "added"), f"output_dir={folder / 'both'}", folder=folder)
    assert "Zero-shot" in report
    rows = json.loads((folder / "both/report.json").read_text())["rows"].values()
    assert [row["short"].partition(" ")[0] for row in rows] == ["Zero-shot", "SFT"]


@pytest.mark.slow
def test_one_process_finds_what_two_made(folder: Path, stage: Path) -> None:
    assert said(train(folder, "first", *TWO, outputs="others")) == []
    [found] = said(train(folder, "second", outputs="others"))
    assert found == f"sft: reused from {folder / 'others' / 'stages' / stage.name}"


def test_other_data_are_evaluated_into_a_folder_of_their_own(folder: Path) -> None:
    def evaluate(*arguments: str) -> tuple[str, Path]:
        printed = door("evaluate", f"run={folder / 'one'}", "rows=[sft]", *arguments, folder=folder)
        return printed, Path(re.findall("^evaluation directory: (.*)$", printed, re.MULTILINE)[0])

    def num_test(directory: Path) -> dict[str, int]:
        return json.loads((directory / "report.json").read_text())["n_test"]

    (_, own), (printed, other) = evaluate(), evaluate("data=soundscapes", "data.corpus.num_clips={test: 3}")
    assert own != other
    assert (num_test(own), num_test(other)) == ({"ag": 2, "sed": 2}, {"ag": 3, "sed": 3})
    assert "bootstrap over 3 test examples" in printed
    files = {path: path.read_bytes() for path in own.rglob("*") if path.is_file()}
    printed, again = evaluate("data=soundscapes", "data.corpus.num_clips={test: 2}", "data.eval_batch_size=1")
    assert again == own
    assert said(printed) == [f"sft: answers reused from {own / 'evaluation' / 'sft'}"]
    assert {path: path.read_bytes() for path in own.rglob("*") if path.is_file()} == files


def test_a_run_that_was_ended_is_evaluated_as_far_as_it_came(folder: Path, tmp_path: Path) -> None:
    half = Path(shutil.copytree(folder / "one", tmp_path / "half"))
    shutil.rmtree(half / "sft" / "result")
    before = set(half.glob("evaluation-*"))
    for rows in ("null", "[sft]"):
        done = command("evaluate", f"run={half}", f"rows={rows}", f"paths.data={folder / 'data'}", cwd=folder)
        assert done.returncode == 1
        assert f"{half} has not finished its stage sft: rows=[zero_shot] are those that it has" in done.stderr
    assert set(half.glob("evaluation-*")) == before
    door("evaluate", f"run={half}", "rows=[zero_shot]", folder=folder)


@pytest.fixture
def installed(folder: Path, tmp_path: Path) -> Callable[[str, str], Path]:
    """The package as a wheel installs it, with a line more in one of its files."""

    def install(file: str, line: str) -> Path:
        source = Path(shutil.copytree(PACKAGE, tmp_path / "timepro_lit", ignore=shutil.ignore_patterns("__pycache__")))
        shutil.copytree(CONF, source / "conf", dirs_exist_ok=True)
        with (source / file).open("a") as text:
            text.write(line)
        return source.parent

    return install


@pytest.mark.slow
def test_a_wheel_and_comments_find_the_stage(folder: Path, stage: Path, installed: Callable[[str, str], Path]) -> None:
    source = installed("lit/sft.py", "\n# A comment.\n")
    assert said(train(folder, "by_wheel", source=source)) == [f"sft: reused from {stage}"]


def test_other_code_is_named_and_taken_anyway_with_a_note(
    folder: Path, stage: Path, installed: Callable[[str, str], Path]
) -> None:
    source = installed("lit/sft.py", "\n_MORE = 1\n")
    changed = "made by other code (lit/sft.py)"
    printed = train(folder, "anyway", "reuse=anyway", source=source)
    assert said(printed) == [f"sft: reused from {stage} ({changed})"]
    assert json.loads((folder / "anyway" / "report.json").read_text())["run"]["reused"] == [f"sft: {changed}"]
    assert f"sft: {changed}" in " ".join(printed.split())
    assert f"sft: {changed}" in (folder / "anyway" / "report.html").read_text()
    again = train(folder, "anyway", "reuse=anyway", source=source)
    assert "anyway was made by other code, and is taken all the same: stages.sft.code.lit/sft.py" in again
    assert said(again) == [] and again.partition("is finished.\n")[2] in printed
    anew = train(folder, "anyway", source=source)
    assert "was finished, and would come to something else today: stages.sft.code.lit/sft.py" in anew
    assert said(anew)[0] == f"sft: made anew; {stage} was {changed}: reuse=anyway takes it all the same"
    assert "reused" not in json.loads((folder / "anyway" / "report.json").read_text())["run"]


@pytest.mark.slow
def test_answers_of_other_code_are_taken_anyway_and_made_anew_by_a_plain_command(
    folder: Path, stage: Path, installed: Callable[[str, str], Path]
) -> None:
    source = installed("lit/base.py", "\n_MORE = 1\n")
    shutil.copytree(folder / "one", folder / "lost")
    (folder / "lost" / "report.html").unlink()
    changed, evaluation = "made by other code (lit/base.py)", folder / "lost" / "evaluation" / "sft"
    printed = train(folder, "lost", "reuse=anyway", source=source)
    taken = [f"sft: reused from {stage} ({changed})", f"sft: answers reused from {evaluation} (answers {changed})"]
    assert said(printed)[:2] == taken
    assert said(train(folder, "lost", "reuse=anyway", source=source)) == []
    stage_said, answers_said = said(train(folder, "lost", source=source))
    assert stage_said.startswith("sft: made anew;") and answers_said.startswith("sft: answers made anew;")
    assert "is finished" in train(folder, "lost", source=source)


@pytest.mark.slow
def test_a_recording_that_changed_makes_everything_anew(folder: Path, stage: Path) -> None:
    shutil.copytree(folder / "data", folder / "changed" / "data")
    for split in ("train", "test"):
        [audio] = (folder / "changed" / "data").rglob(f"{split}-000000.flac")
        waveform, rate = soundfile.read(audio, dtype="float32")
        soundfile.write(audio, waveform[::-1], rate)
    places = (f"paths.outputs={folder / 'outputs'}", f"output_dir={folder / 'one'}")
    printed = door("train", *SMALL, *places, folder=folder / "changed")
    assert "was finished, and would come to something else today: data.train.recordings" in printed
    evaluation = folder / "one" / "evaluation" / "sft"
    assert said(printed) == [f"sft: answers made anew; those in {evaluation} were made from something else"]
    assert len(list((folder / "outputs" / "stages").glob("sft-????????????"))) >= 2
