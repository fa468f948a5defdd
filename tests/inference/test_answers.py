"""What users do with a finished run: predict, export, and the Python API give the run's own answers."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from transformers import Qwen2_5OmniThinkerForConditionalGeneration

import timepro_lit
from tests.warm import command
from timepro_lit.events.delivery import delivered
from timepro_lit.inference.exporting import export
from timepro_lit.inference.prediction import asked_task, queries_of, recordings
from timepro_lit.records import Event
from timepro_lit.settings.door import check_grammar
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.pretraining import Tagging
from timepro_lit.tasks.sound_events import SoundEventDetection


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One step of SFT, evaluated beside its base model, all in float32."""
    folder = tmp_path_factory.mktemp("runs")
    small = [
        "sizes.data.num_clips={train: 30, val: 2, test: 4}", "sizes.sft.max_steps=1", "sizes.sft.batch_size=2",
        "sizes.sft.micro_batch_size=2", "sizes.sft.val_check_interval=1", "trainer.precision=32-true",
        "model.dtype=float32",
        "sizes.sft.learning_rate=0.01", f"paths.outputs={folder / 'outputs'}", f"paths.data={folder / 'data'}",
        f"output_dir={folder / 'run'}",
    ]  # fmt: skip
    done = command("train", "+experiment=ablation_astp", "rows=[zero_shot,sft]", *small, cwd=folder)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder / "run"


def stored(run: Path, row: str = "sft") -> list[dict]:
    """The answers of the run's own evaluation."""
    lines = (run / "evaluation" / row / "predictions.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def told(answer: dict) -> tuple[Event, ...]:
    """What a user gets of a stored answer."""
    return delivered([Event(*event) for event in answer["events"]], soundfile.info(answer["audio"]).duration)


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


def test_predict_asks_the_model_of_a_row(run: Path, tmp_path: Path) -> None:
    base, trained = ([a for a in stored(run, name) if a["task"] == "dac"] for name in ("zero_shot", "sft"))
    asked = next(n for n, (one, other) in enumerate(zip(base, trained, strict=True)) if one["text"] != other["text"])
    ask = [f"checkpoint={run}", f"audio={base[asked]['audio']}", "task=dac", f"output_dir={tmp_path}", "device=cpu"]
    done = command("predict", *ask, "row=zero_shot", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    [answer] = (json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines())
    assert answer["text"] == base[asked]["text"]


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


def test_predict_writes_answers_a_table_and_pictures(run: Path, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    samples, rate = soundfile.read(stored(run)[0]["audio"])
    for name, sampling_rate in (("a.wav", 44_100), ("b.flac", 8_000), ("c.ogg", 16_000), ("d.mp3", 22_050)):
        length = round(len(samples) * sampling_rate / rate)
        resampled = np.interp(np.linspace(0, len(samples) - 1, length), np.arange(len(samples)), samples)
        soundfile.write(tmp_path / "clips" / name, np.stack([resampled, resampled], axis=1), sampling_rate)
    odd = {"e.wav": b"<html>not found</html>", "empty.wav": b""}
    for name, content in odd.items():
        (tmp_path / "clips" / name).write_bytes(content)
    for name, values in (("nan.wav", [float("nan")] * 9000), ("one.wav", [0.5]), ("few.wav", [0.5] * 300)):
        soundfile.write(tmp_path / "clips" / name, np.array(values, np.float32), 16_000, subtype="FLOAT")
    (tmp_path / "clips" / "folder.wav").mkdir()
    (tmp_path / "clips" / "link\x1b[2J.wav").symlink_to("nowhere")
    shutil.copy(tmp_path / "clips" / "a.wav", os.fsencode(tmp_path / "clips") + b"/z\xff\x1b[0m.wav")
    (tmp_path / "queries.txt").write_text("a dog barks\nit's a bell, far away\n")
    ask = ("predict", f"checkpoint={run}", f"audio={tmp_path / 'clips'}", "task=ag", "queries=queries.txt",
           f"output_dir={tmp_path / 'answers'}", "figures=true", "batch_size=3", "device=cpu")  # fmt: skip
    done = command(*ask, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "answers" / "predictions.jsonl").read_text().splitlines()]
    assert [(row["audio"], row["query"]) for row in rows[:3]] == [
        ("a.wav", "a dog barks"), ("a.wav", "it's a bell, far away"), ("b.flac", "a dog barks"),
    ]  # fmt: skip
    assert len(rows) == 10
    assert os.fsencode(rows[-1]["audio"]) == b"z\xff\x1b[0m.wav"
    assert "d.mp3" in done.stdout and "z\\udcff\\x1b[0m.wav" in done.stdout and "\x1b" not in done.stdout + done.stderr
    left_out = [json.loads(line) for line in (tmp_path / "answers" / "left_out.jsonl").read_text().splitlines()]
    assert [one["audio"] for one in left_out] == [
        "e.wav", "empty.wav", "few.wav", "folder.wav", "link\x1b[2J.wav", "nan.wav", "one.wav"
    ]  # fmt: skip
    assert "left out: " in done.stdout and f"7 of 12 recordings were left out: {tmp_path}" in done.stdout
    pictures = sorted((tmp_path / "answers" / "figures").iterdir())
    assert [p.name for p in pictures[:4]] == ["a.wav.png", "b.flac.png", "c.ogg.png", "d.mp3.png"]
    assert os.fsencode(pictures[4].name) == b"z\xff\x1b[0m.wav.png"
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in pictures)
    again = command(*ask, cwd=tmp_path)
    assert again.returncode == 1
    assert "predictions.jsonl holds earlier answers" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["checkpoint=nowhere", "audio=.", "task=dac"], "audio: no file below"),
        (["checkpoint=nowhere", "audio=x.wav", "task=dac"], "audio: x.wav does not exist"),
        (["checkpoint=nowhere", "task=ag"], "nothing was given for audio"),
        (["checkpoint=nowhere", "audio=x.wav"], "one task is asked at a time, not none"),
        (["checkpoint=nowhere", "audio=x.wav", "task=ag", "query=a dog, barking"], """'query="a dog, barking"'"""),
        (["checkpoint=nowhere", "audio=empty.wav", "task=sed"], "neither a run directory"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    (tmp_path / "empty.wav").touch()
    if "audio=." in arguments:
        (tmp_path / "empty.wav").unlink()
    done = command("predict", *arguments, "output_dir=answers", cwd=tmp_path)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


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


def test_a_question_that_the_model_cannot_be_asked_is_refused_before_it_is_loaded(run: Path, tmp_path: Path) -> None:
    ask = [f"checkpoint={run}", f"audio={stored(run)[0]['audio']}", "base=/nowhere", f"output_dir={tmp_path}"]
    done = command("predict", *ask, "task=ag", cwd=tmp_path)
    assert done.stderr == 'error: task=ag needs a query: give either query="..." or queries=FILE, one query a line\n'


def test_the_task_is_one_of_the_model_s_own() -> None:
    tasks = {"ag": Grounding(), "sed": SoundEventDetection(["dog"]), "tag": Tagging()}
    assert asked_task(tasks, "ag", []) is tasks["ag"]
    assert asked_task(tasks, "sed", []).classes == ("dog",)
    assert asked_task(tasks, "sed", ["cat", "bell"]).classes == ("cat", "bell")
    with pytest.raises(ValueError, match="the model answers ag, sed, not tag"):
        asked_task(tasks, "tag", [])
    with pytest.raises(ValueError, match="classes: task=ag does not ask for any"):
        asked_task(tasks, "ag", ["cat"])


def test_queries_come_from_one_place(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("\ufeffone\r\n\r\n two \n", encoding="utf-8")
    (tmp_path / "empty.txt").write_text("\n \n")
    assert queries_of(Grounding(), None, tmp_path / "q.txt") == ["one", "two"]
    assert queries_of(Grounding(), "x", None) == ["x"]
    assert queries_of(DenseCaptioning(), None, None) == [None]
    with pytest.raises(ValueError, match="query: task=dac asks for none"):
        queries_of(DenseCaptioning(), "x", None)
    with pytest.raises(ValueError, match="either"):
        queries_of(Grounding(), "x", tmp_path / "q.txt")
    with pytest.raises(ValueError, match="task=ag needs a query"):
        queries_of(Grounding(), None, None)
    with pytest.raises(ValueError, match="query: needs words"):
        queries_of(Grounding(), "  ", None)
    with pytest.raises(ValueError, match=r"queries: .*empty\.txt is empty"):
        queries_of(Grounding(), None, tmp_path / "empty.txt")


def test_recordings_are_found_below_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("b/2.WAV", "1.flac", "notes.txt"):
        (tmp_path / name).touch()
    assert [p.relative_to(tmp_path).as_posix() for p in recordings(tmp_path)] == ["1.flac", "b/2.WAV"]


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


@pytest.mark.parametrize("door", ["predict", "export", "score"])
def test_every_door_has_help(door: str, tmp_path: Path) -> None:
    done = command(door, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "output_dir" in done.stdout


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


def test_predict_votes_and_submits(run: Path, tmp_path: Path) -> None:
    clip = Path(stored(run)[0]["audio"])
    (tmp_path / "q.jsonl").write_text(json.dumps({"qid": 5, "query": "a dog barks", "vid": clip.stem}) + "\n")
    ask = ("predict", f"checkpoint={run}", f"audio={clip.parent}", "task=ag", "queries=q.jsonl", "vote=3", "seed=2",
           "format=[dcase2026_task6,srt]", "output_dir=answers", "device=cpu")  # fmt: skip
    done = command(*ask, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "voted: 3 votes at temperature 1, seed 2" in done.stdout and "recordings are asked nothing" in done.stdout
    [row] = map(json.loads, (tmp_path / "answers" / "dcase2026_task6.jsonl").read_text().splitlines())
    assert (row["qid"], row["vid"]) == (5, clip.stem)
    [line] = map(json.loads, (tmp_path / "answers" / "predictions.jsonl").read_text().splitlines())
    assert line["qid"] == "5" and len(line["voters"]) == 3
    refused = command(*ask, "task=sed", "output_dir=others", cwd=tmp_path)
    assert "format: dcase2026_task6 holds answers to queries, and task=sed asks for none" in refused.stderr
