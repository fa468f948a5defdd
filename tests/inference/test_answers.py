"""What users do with a finished run: export and the Python API give the run's own answers, here and elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from transformers import Qwen2_5OmniThinkerForConditionalGeneration

import timepro_lit
from tests.inference.stored import stored, told
from tests.warm import command
from timepro_lit.inference.exporting import export


@pytest.mark.parametrize("row", ["sft", "zero_shot"])
def test_the_api_gives_the_runs_own_answers(run: Path, row: str) -> None:
    model = timepro_lit.load(run, row=row, device="cpu")
    for answer in stored(run, row):
        ask = {
            "ag": lambda a: model.ground(a["audio"], a["query"]),
            "sed": lambda a: model.detect(a["audio"]),
            "dac": lambda a: model.caption(a["audio"]),
        }[answer["task"]]
        assert ask(answer) == told(answer)


def test_samples_serve_as_well_as_files(run: Path) -> None:
    model = timepro_lit.load(run, device="cpu")
    answer = stored(run)[0]
    samples, rate = soundfile.read(answer["audio"], dtype="float32")
    assert rate == 16_000
    assert model.caption(samples) == model.caption(answer["audio"])
    with pytest.raises(ValueError, match="longer than what is heard at once, and task=ag is answered by one event"):
        model.ground(np.zeros(31 * 16_000, dtype=np.float32), "a dog barks")
    with pytest.raises(ValueError, match="the model answers ag, dac, sed, not moments"):
        model.ground(samples, "a dog barks", occurrences="any")


@pytest.mark.parametrize("kind", ["merged", "adapter"])
def test_an_exported_folder_gives_the_runs_own_answers(run: Path, kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = command("export", f"run={run}", f"output_dir={out}", f"kind={kind}", "row=sft", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{kind} model of sft: {out}"
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"time_prompt.safetensors", "time_prompt.json", "timepro_lit.json", "README.md"} <= files
    card = (tmp_path / "out" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name:") and "| ag | mIoU |" in card and '"rank": 8' in card
    if kind == "merged":
        Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(tmp_path / "out")
    else:
        assert {"adapter_config.json", "adapter_model.safetensors"} <= files
    model = timepro_lit.load(tmp_path / "out", device="cpu")
    for answer in stored(run):
        if answer["task"] == "sed":
            assert model.detect(answer["audio"]) == told(answer)
    if kind == "merged":
        data = ["data=soundscapes", "data.corpus.num_clips={test: 4}", f"paths.data={tmp_path / 'data'}"]
        scored = command("evaluate", f"run={out}", *data, cwd=tmp_path)
        assert scored.returncode == 0, scored.stderr
        [report] = (json.loads(path.read_text()) for path in out.glob("evaluation-test-????????/report.json"))
        assert report["scores"]["exported"] == json.loads((run / "report.json").read_text())["scores"]["sft"]
        assert "whether exported was trained on some of it is not known" in " ".join(scored.stdout.split())
    with pytest.raises(ValueError, match="is not empty, and nothing is overwritten"):
        export(run, out, kind)


def test_the_base_model_has_no_adapter_to_export(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the model of zero_shot has no adapter; export it with kind=merged"):
        export(run, tmp_path / "out", kind="adapter", row="zero_shot")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def moved(run: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the run directory alone, as on another machine: all else that the run wrote is out of reach."""
    copy = Path(shutil.copytree(run, tmp_path / "moved", symlinks=True))
    hidden = run.parent.with_name("hidden")
    run.parent.rename(hidden)
    yield copy
    hidden.rename(run.parent)


def test_a_finished_run_that_was_moved_loads_reports_and_is_evaluated(moved: Path, tmp_path: Path) -> None:
    assert not [path for path in moved.rglob("*") if path.is_symlink()]
    answers = (moved / "evaluation/sft/predictions.jsonl").read_bytes()
    scores = json.loads((moved / "report.json").read_text())["scores"]
    again = command("evaluate", f"run={moved}", f"paths.data={tmp_path / 'data'}", "rows=[zero_shot,sft]", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    [evaluated] = moved.glob("evaluation-test-????????")
    assert json.loads((evaluated / "report.json").read_text())["scores"] == scores
    pooled = command("report", f"runs=[{moved}]", f"output_dir={tmp_path / 'pooled'}", cwd=tmp_path)
    assert pooled.returncode == 0, pooled.stderr
    assert list(json.loads((tmp_path / "pooled/report.json").read_text())["scores"].values()) == list(scores.values())
    model = timepro_lit.load(moved, device="cpu")
    audio = next((tmp_path / "data").rglob("test-000000.flac"))
    (answer,) = [row for row in map(json.loads, answers.splitlines()) if row["id"] == "test-000000-dac"]
    assert model.caption(audio) == told(answer | {"audio": str(audio)})


def test_a_changed_time_prompt_is_refused(run: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "out")
    path = tmp_path / "out" / "timepro_lit.json"
    path.write_text(path.read_text().replace('"stride": 1', '"stride": 2'))
    with pytest.raises(ValueError, match=r"timepro_lit\.json is missing or damaged, or was changed"):
        timepro_lit.load(tmp_path / "out", device="cpu")
    (tmp_path / "out" / "checksums.json").unlink()
    with pytest.raises(ValueError, match=r"time_prompt\.json: stride is 1, but 2 by the folder's settings"):
        timepro_lit.load(tmp_path / "out", device="cpu")


def test_attend_measures_over_the_questions_of_the_run(run: Path, tmp_path: Path) -> None:
    ask = [
        "attend", f"checkpoint={run}", "row=sft", f"against=[{run}]", "task=ag", "split=test", "num_questions=2",
        f"output_dir={tmp_path}",
    ]  # fmt: skip
    done = command(*ask, "device=cpu", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "all timestamps alike; mean over 2 questions" in done.stdout
    assert list(json.loads((tmp_path / "attention.json").read_text())["shares"]) == [f"{run} sft", str(run)]


def test_a_row_that_is_not_there_is_named(run: Path) -> None:
    with pytest.raises(ValueError, match="the run has no grpo; it has zero_shot, sft"):
        timepro_lit.load(run, row="grpo")


@pytest.mark.slow
def test_votes_lie_apart_from_greedy_answers_and_are_the_same_on_two_processes(run: Path, tmp_path: Path) -> None:
    def evaluated(name: str, *arguments: str) -> tuple[str, list[Path]]:
        copied = tmp_path / name
        shutil.copytree(run, copied, dirs_exist_ok=True)
        data = f"paths.data={run.parent / 'data'}"
        done = command("evaluate", f"run={copied}", "rows=[sft]", data, *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout, sorted(copied.glob("evaluation-test-*/evaluation/sft/predictions.jsonl"))

    said, [alone] = evaluated("one", "vote=3")
    assert "SFT, 3 votes" in said
    assert "answers reused" in evaluated("one", "vote=3")[0]
    two = ("trainer=ddp_cpu", "trainer.precision=32-true")
    _, [both] = evaluated("two", "vote=3", *two)
    assert alone.read_bytes() == both.read_bytes() and alone.parts[-4] == both.parts[-4]
    for other in ((), ("vote=4",), ("vote=3", "seed=1"), ("vote=3", "vote_temperature=0.9")):
        assert "answers reused" not in evaluated("one", *other)[0]
    assert len(evaluated("one")[1]) == 5
    assert "voters" not in (tmp_path / "one/evaluation/sft/predictions.jsonl").read_text()
