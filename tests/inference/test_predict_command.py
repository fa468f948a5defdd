"""`predict` as users type it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.inference.stored import stored
from tests.warm import command


def test_predict_asks_the_model_of_a_row(run: Path, tmp_path: Path) -> None:
    base, trained = ([a for a in stored(run, name) if a["task"] == "dac"] for name in ("zero_shot", "sft"))
    asked = next(n for n, (one, other) in enumerate(zip(base, trained, strict=True)) if one["text"] != other["text"])
    ask = [f"checkpoint={run}", f"audio={base[asked]['audio']}", "task=dac", f"output_dir={tmp_path}", "device=cpu"]
    done = command("predict", *ask, "row=zero_shot", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    [answer] = (json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines())
    assert answer["text"] == base[asked]["text"]


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
    assert "predictions.jsonl is of earlier answers" in again.stderr
    (tmp_path / "answers" / "predictions.jsonl").unlink()
    again = command(*ask, cwd=tmp_path)
    assert again.returncode == 1
    assert "figures is of earlier answers; choose another folder, or remove this one" in again.stderr


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


def test_a_question_that_the_model_cannot_be_asked_is_refused_before_it_is_loaded(run: Path, tmp_path: Path) -> None:
    ask = [f"checkpoint={run}", f"audio={stored(run)[0]['audio']}", "base=/nowhere", f"output_dir={tmp_path}"]
    done = command("predict", *ask, "task=ag", cwd=tmp_path)
    assert done.stderr == 'error: task=ag needs a query: give either query="..." or queries=FILE, one query a line\n'


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
