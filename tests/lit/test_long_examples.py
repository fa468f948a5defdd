"""Examples that are longer than what is heard at once are asked in windows, and scored as one."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from tests.inference.ear import loud, record
from tests.lit.test_datamodule import SmallFrontend
from timepro_lit.data.audio import read_audio, write_audio
from timepro_lit.data.manifest import write_manifest
from timepro_lit.data.store import AudioFolder
from timepro_lit.data.streaming import Decoding
from timepro_lit.data.windowed import WindowDataset, WindowedExamples
from timepro_lit.evaluation.answers import is_complete, read_answers, write_evaluation
from timepro_lit.evaluation.numbers import scores_by_task
from timepro_lit.events.windows import Cut
from timepro_lit.inference.windowing import Windowing, windowing_of
from timepro_lit.lit.cutting import cut_of, in_windows
from timepro_lit.lit.datamodule import ClipDataModule, prepared_folder
from timepro_lit.lit.rows import _merged
from timepro_lit.records import Answer, Event, Example, Sample, Skipped
from timepro_lit.runs.origin import Grounds, Origin
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.merged import merged

TASKS = {"moments": Grounding("moments", "any")}
LONG = [(0.2, 0.5), (0.9, 2.15), (2.3, 2.4)]
SHORT = [(0.1, 0.3)]
WINDOWING = windowing_of(None, 0.5, None, SmallFrontend.max_duration_s)
EVENTS = {name: tuple(Event(*times, "rain") for times in of) for name, of in (("a", LONG), ("b", SHORT), ("c", LONG))}

STEPS = (
    "sizes.sft.max_steps=1",
    "sizes.sft.batch_size=2",
    "sizes.sft.val_check_interval=1",
    "trainer.precision=32-true",
)
IN_PART = (Event(0.1, 1.35, "rain"), Event(1.5, 1.6, "rain"))


@pytest.fixture
def data(tmp_path: Path) -> ClipDataModule:
    for name, duration_s in (("a", 2.4), ("b", 0.8), ("c", 2.4)):
        record(tmp_path / f"{name}.wav", duration_s, [(e.onset, e.offset) for e in EVENTS[name]])
    (tmp_path / "d.wav").write_bytes(b"RIFF")
    questions = [
        Example(f"{name}-{query}", "moments", f"{name}.wav", 0.8 if name == "b" else 2.4, EVENTS.get(name, ()), query)
        for query in ("rain", "wind") for name in "abcd"
    ]  # fmt: skip
    # A window of a recording that is longer than a window.
    part = Example("w", "moments", "c.wav", 1.6, IN_PART, "rain", None, 0.8, 2.4)
    write_manifest(tmp_path / "test.jsonl", [*questions, part])
    write_manifest(tmp_path / "train.jsonl", questions[:1])
    write_manifest(tmp_path / "val.jsonl", questions[:1])
    data = prepared_folder(str(tmp_path), TASKS, eval_batch_size=3)
    data.connect(SmallFrontend())
    return data


def samples(data: ClipDataModule, rank: int = 0, of: int = 1) -> list[Sample | Skipped]:
    data.place(rank, of)
    loader = data.evaluation_loader("test", WINDOWING)
    return [loader.dataset[index] for batch in loader.batch_sampler for index in batch]


def heard(sample: Sample) -> Answer:
    task, example = TASKS["moments"], sample.example
    text = task.target(replace(example, events=loud(sample.waveform)))
    return Answer(example, task.prompt(example), text, task.parse(text), False)


def test_long_examples_are_loaded_as_windows(data: ClipDataModule, tmp_path: Path) -> None:
    found = samples(data)
    usable = [one for one in found if isinstance(one, Sample)]
    assert len(usable) == 2 * (4 + 1 + 4) + 3 and len(found) - len(usable) == 2 * 4
    ids = [one.example.id for one in usable if one.example.audio == "a.wav"]
    assert ids[:3] == ["a-rain#t=0.0000,1.0000", "a-wind#t=0.0000,1.0000", "a-rain#t=0.5000,1.5000"]
    for one in usable:
        whole, start = read_audio(tmp_path / one.example.audio), round(one.example.start_s * 16_000)
        torch.testing.assert_close(one.waveform, whole[start : start + len(one.waveform)], atol=0, rtol=0)
        assert not one.example.events or one.example.id.startswith("b-")
        assert len(one.waveform) <= 16_000
    places = {one.example.start_s for one in usable if one.example.id.startswith("w#")}
    assert places == {0.8, 1.3, 1.4}
    both = [one.example.id for rank in range(2) for one in samples(data, rank, 2)]
    assert sorted(both) == sorted(one.example.id for one in found)
    batch = next(iter(data.evaluation_loader("test", WINDOWING)))
    assert (len(batch), len(batch.features)) == (2, 1)  # both questions about a window, heard once
    assert data.skips(data.evaluation_loader("test", WINDOWING)).num_examples == 9  # and not their windows


@pytest.mark.parametrize(("suffix", "opened"), [("wav", 4), ("flac", 4), ("mp3", 2)])
def test_what_others_answer_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, opened: int
) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000 * 240).astype(np.float32)
    soundfile.write(tmp_path / f"a.{suffix}", samples, 16_000)
    example = Example("a", "moments", f"a.{suffix}", 240.0, (), "rain")
    write_manifest(tmp_path / "test.jsonl", [example])
    windows = WindowedExamples(prepared_folder(str(tmp_path), TASKS).asked("test"), Cut(1.0, 1.0), 1.0)
    begun: list[float] = []
    make = Decoding.__init__
    monkeypatch.setattr(Decoding, "__init__", lambda tape, *given: begun.append(given[3]) or make(tape, *given))
    whole = read_audio(tmp_path / f"a.{suffix}", max_duration_s=300.0)
    dataset = WindowDataset(windows, AudioFolder(tmp_path), 16_000, 1.0)
    for second in (5, 6, 80, 81, 170, 239):
        torch.testing.assert_close(dataset[second].waveform, whole[16_000 * second :][:16_000], atol=2e-7, rtol=0)
    assert begun == [5.0, 80.0, 170.0, 239.0][:opened]  # nobody can seek in MP3


def test_answers_are_merged_before_they_are_scored_and_read_again(data: ClipDataModule, tmp_path: Path) -> None:
    found = samples(data)
    answers = [heard(one) for one in found if isinstance(one, Sample)]
    skipped = {one.example.id: one.kind for one in found if isinstance(one, Skipped)}
    windowed = data.asked("test", WINDOWING)
    assert skipped == {"d-rain": "truncated", "d-wind": "truncated"}
    wholes = _merged(windowed, answers, skipped, SimpleNamespace(scored=TASKS), 0.5)
    assert sorted(one.example.id for one in wholes) == ["a-rain", "a-wind", "b-rain", "b-wind", "c-rain", "c-wind", "w"]
    scores = scores_by_task(wholes, TASKS)
    assert scores["moments"].values["F1@IoU"] == 100.0
    origin, scoring = Origin({}, {}), Grounds({}, {})
    write_evaluation(tmp_path / "sft", wholes, scores, str, {"truncated": 2}, origin, scoring)
    again = read_answers(tmp_path / "sft", TASKS)
    assert [one.prediction for one in again] == [one.prediction for one in wholes]
    assert [[w.example.start_s for w in one.windows] for one in again] == [
        [w.example.start_s for w in one.windows] for one in wholes
    ]
    assert is_complete(tmp_path / "sft")
    lines = (tmp_path / "sft/predictions.jsonl").read_text()
    assert '"windows": [{"start_s": 0.0, "duration_s": 1.0, "text": ' in lines
    (tmp_path / "sft/predictions.jsonl").write_text(lines.replace('"start_s": 0.5', '"start_s": 0.25', 1))
    assert not is_complete(tmp_path / "sft")
    for wrong, says in (('"start_s": null', "a window begins and lasts seconds"), ('"start_s": 9.5', "in the order")):
        (tmp_path / "sft/predictions.jsonl").write_text(lines.replace('"start_s": 0.0', wrong, 1))
        with pytest.raises(ValueError, match=rf"predictions\.jsonl:3: .*{says}"):
            read_answers(tmp_path / "sft", TASKS)


def test_what_has_one_answer_takes_votes(data: ClipDataModule) -> None:
    once = ClipDataModule(data.corpus, {"moments": Grounding("moments")}, test_split="test")
    parts = SimpleNamespace(data=once, task=once.tasks)
    says = (
        r"example 'a-rain' \(a\.wav\) lasts 2\.4 s, of which 1 s are heard at once, and task=moments is answered by one"
    )
    with pytest.raises(ValueError, match=says):
        cut_of(parts, "test", WINDOWING, None)
    whole = windowing_of(None, None, None, 30.0)
    assert cut_of(SimpleNamespace(data=data, task=TASKS), "test", whole, None) is None


def test_answers_are_merged_again_as_they_were_asked_to_be(tmp_path: Path) -> None:
    task, whole = TASKS["moments"], Example("a", "moments", "a.wav", 1.5, (), "rain")
    said = [(0.0, '{"rain": [[0.5, 0.9]]}'), (0.5, '{"rain": [[0.1, 0.4]]}')]  # an IoU of 0.75
    answers = [
        Answer(replace(whole, id=str(start), start_s=start, duration_s=1.0), "?", text, task.parse(text), False)
        for start, text in said
    ]
    for merge_iou, number in ((0.7, 1), (0.8, 2)):
        asked = in_windows(Grounds({}, {}), windowing_of(None, None, None, 1.0, merge_iou))
        answer, folder = merged(whole, task, answers, merge_iou), tmp_path / str(number)
        scores = scores_by_task([answer], TASKS)
        write_evaluation(folder, [answer], scores, str, {}, asked.on(), Grounds({}, {}))
        assert [one.prediction for one in read_answers(folder, TASKS)] == [answer.prediction]
        assert len(answer.prediction.events) == number
    for wrong in (0, 1.5, True, "0.5", None, float("nan")):
        with pytest.raises(ValueError, match="merge_iou: must be above 0 and at most 1, not"):
            windowing_of(None, None, None, 1.0, wrong)


def test_a_table_of_short_examples_is_as_it_was(data: ClipDataModule) -> None:
    table = data.asked("test")
    windowed = WindowedExamples(table, WINDOWING.cut, whole_s=30.0)
    assert sorted(one.id for one in windowed) == sorted(table.ids) and windowed.wholes() == {}
    assert isinstance(WINDOWING, Windowing) and np.isclose(windowed.durations_s.sum(), table.durations_s.sum())


def sweeps(folder: Path, durations_s: dict[str, float]) -> list[Example]:
    """Recordings of a rising siren in noise, and two questions about each."""
    examples = []
    for name, duration_s in durations_s.items():
        rng = np.random.default_rng(ord(name))
        seconds = np.arange(round(16_000 * duration_s)) / 16_000
        sweep = 0.3 * np.sin(2 * np.pi * (200 + 90 * seconds) * seconds) * (np.sin(seconds) > 0)
        sweep += rng.uniform(-0.05, 0.05, len(seconds))
        write_audio(folder / f"{name}.wav", torch.from_numpy(sweep).float(), 16_000)
        events = (Event(0.5, 2.5, "siren"),)
        examples += [Example(f"{name}-{task}", task, f"{name}.wav", duration_s, events) for task in ("sed", "dac")]
    return examples


@pytest.mark.slow
def test_a_run_tests_what_is_longer_than_it_hears_as_evaluate_does(tmp_path: Path) -> None:
    lengths = {"train": {"a": 3.0, "b": 2.6}, "val": {"c": 3.0}, "test": {"d": 40.0, "e": 2.5, "f": 31.0}}
    for split, durations_s in lengths.items():
        write_manifest(tmp_path / f"data/{split}.jsonl", sweeps(tmp_path / "data", durations_s))
    places = [f"paths.outputs={tmp_path}", f"output_dir={tmp_path / 'run'}", f"data.folder={tmp_path / 'data'}"]
    small = ["+experiment=ablation_astp", "data=prepared", "task=[sed,dac]", "class_list=soundscapes", *STEPS]
    two = ["trainer=ddp_cpu", "trainer.devices=2", "data.num_workers=0"]
    commands = [["train", *small, *two, *places], ["evaluate", f"run={tmp_path / 'run'}", "rows=[sft]", "trainer=cpu"]]
    found = []
    for entry, *given in commands:
        command = [sys.executable, "-m", f"timepro_lit.{entry}", *given]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-3000:]
        said = "4 of 6 questions are about more than 30 s: they are asked in windows of 3 s, one every 1.5 s"
        assert done.stdout.count(said) == 1
        [path] = {*tmp_path.glob("run/**/evaluation/sft/predictions.jsonl")} - {path for path, _ in found}
        found.append((path, [json.loads(line) for line in path.read_text().splitlines()]))
    (_, ours), (_, again) = found
    assert ours == again
    assert [len(row.get("windows", ())) for row in ours] == [26, 26, 0, 0, 20, 20]


@pytest.mark.slow
def test_two_processes_answer_as_one(shared: Path, tmp_path: Path) -> None:
    examples = sweeps(tmp_path / "data", {"a": 9.3, "b": 3.0, "c": 11.0})
    examples.append(Example("b-ag", "ag", "b.wav", 3.0, (Event(0.5, 2.5, "a siren"),), "a siren"))
    for split in ("train", "val", "test"):
        write_manifest(tmp_path / f"data/{split}.jsonl", examples)
    answers = []
    for number in (1, 2):
        place = f"paths.outputs={tmp_path / str(number)}"
        given = [f"run={tmp_path / f'exported{number}'}", "data=prepared", f"data.folder={tmp_path / 'data'}", place]
        trainer = ["trainer=cpu"] if number == 1 else ["trainer=ddp_cpu", "trainer.devices=2"]
        how = ["class_list=soundscapes", "window_s=4", "data.num_workers=0", "data.eval_batch_size=2"]
        subprocess.run(["cp", "-r", str(shared / "exported"), str(tmp_path / f"exported{number}")], check=True)
        command = [sys.executable, "-m", "timepro_lit.evaluate", *given, *trainer, *how]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-3000:]
        assert (
            "4 of 7 questions are about more than 4 s: they are asked in windows of 4 s, one every 2 s" in done.stdout
        )
        [path] = (tmp_path / f"exported{number}").glob("evaluation-test-*/evaluation/exported/predictions.jsonl")
        answers.append([json.loads(line) for line in path.read_text().splitlines()])
    assert answers[0] == answers[1]
    assert [len(row.get("windows", ())) for row in answers[0]] == [4, 4, 0, 0, 0, 5, 5]
