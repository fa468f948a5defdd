"""What is delivered: table, JSON lines, pictures and the Python API say the same of an answer."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from timepro_lit.events.labels import chosen_formats
from timepro_lit.inference import prediction
from timepro_lit.inference.listener import Listener
from timepro_lit.inference.prediction import predict
from timepro_lit.records import Answer, Event, Example, Prediction, Sample
from timepro_lit.tasks.dense_captioning import DenseCaptioning

SAID = [Event(0.5, 1.0, "in"), Event(1.5, 9.0, "over"), Event(5.0, 6.0, "out"), Event(1.2, 0.2, "back")]
TOLD = [[0.5, 1.0, "in"], [1.5, 2.0, "over"], [5.0, 6.0, "out", "outside"], [1.2, 0.2, "back", "reversed"]]


class Parrot:
    """A listener that says the same about every recording."""

    def __init__(self, said: list[Event]) -> None:
        self.said = said

    def waveform(self, file: Path) -> torch.Tensor:
        return torch.from_numpy(soundfile.read(file, dtype="float32")[0])

    def question(self, task: str, waveform: torch.Tensor, query: str | None, audio: str) -> Sample:
        return Sample(Example("", task, audio, len(waveform) / 16_000, (), query), waveform)

    def answers(self, questions: Any, tasks: Any) -> Any:
        for sample in questions:
            yield Answer(sample.example, "", "as said", Prediction(tuple(self.said), readable=True), truncated=False)


def test_table_lines_and_pictures_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(32_000), 16_000)
    drawn: list[Any] = []
    figure_of = prediction.clip_figure
    monkeypatch.setattr(prediction, "clip_figure", lambda *args: drawn.append(args) or figure_of(*args))
    table = predict(Parrot(SAID), tmp_path / "a.wav", DenseCaptioning(), [None], tmp_path / "out", figures=True)
    [line] = map(json.loads, (tmp_path / "out" / "predictions.jsonl").read_text().splitlines())
    assert line["events"] == TOLD and line["text"] == "as said"
    cells = [row.split() for row in table.splitlines() if row.strip().split()[:1] != ["recording"]]
    assert [row[-3:] for row in cells if row[-1:] in (["in"], ["over"])] == [
        ["0.50", "1.00", "in"], ["1.50", "2.00", "over"]
    ]  # fmt: skip
    assert "5.00     6.00   out (outside)" in table and "1.20     0.20   back (reversed)" in table
    [(_, timelines, _)] = drawn
    assert [[e.onset, e.offset, e.label] for e in timelines["dac"] if e.flag is None] == TOLD[:2]


def test_endless_times_are_strict_json(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(32_000, 0.1), 16_000)
    predict(
        Parrot([Event(float("inf"), 1.0, "x")]),
        tmp_path / "a.wav",
        DenseCaptioning(),
        [None],
        tmp_path / "out",
        figures=False,
    )
    assert '"events": [[null, 1.0, "x", "reversed"]]' in (tmp_path / "out" / "predictions.jsonl").read_text()


def test_a_recording_longer_than_any_of_the_training_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    lalm = SimpleNamespace(frontend=SimpleNamespace(sampling_rate=16_000))
    lalm.to = lalm.eval = lambda *_: lalm
    listener = Listener(lalm, {"dac": DenseCaptioning()}, None, "cpu", longest_s=4.4)
    with caplog.at_level(logging.WARNING):
        for seconds in (4, 4.45):
            listener.question("dac", torch.zeros(round(seconds * 16_000)))
        assert not caplog.messages
        for name in ("a.wav", "b.wav"):
            listener.question("dac", torch.zeros(16_000 * 6), audio=name)
    [message] = caplog.messages
    assert message.startswith("a.wav is 6.0 s long, and the model was trained on recordings of up to 4.4 s")


def test_labels_are_written_beside_the_answers(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(32_000, 0.1), 16_000)
    asked = (Parrot(SAID), tmp_path / "a.wav", DenseCaptioning(), [None], tmp_path / "out", False)
    said = predict(*asked, chosen_formats(["srt", "csv"])).splitlines()
    assert said[-2] == "left out of the srt labels: 1 outside, 1 reversed (predictions.jsonl has them)"
    assert said[-1] == f"labels: {tmp_path / 'out' / 'labels'}"
    assert {path.name for path in (tmp_path / "out/labels").iterdir()} == {"a.wav.srt", "a.wav.csv"}
