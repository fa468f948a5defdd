"""What is delivered: table, JSON lines, pictures and the Python API say the same of an answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from timepro_lit.data.streaming import Piece, Samples, pieces
from timepro_lit.evaluation.challenge import read_windows, score_moments, write_windows
from timepro_lit.events.labels import chosen_formats
from timepro_lit.events.voting import Voting
from timepro_lit.inference import prediction
from timepro_lit.inference.listener import Listener
from timepro_lit.inference.prediction import predict
from timepro_lit.inference.queries import Query, matched, read_own_queries
from timepro_lit.inference.windowing import Windowing, windowing_of
from timepro_lit.records import Answer, Event, Example, Prediction, Sample, Voter
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.voted import voted

SAID = [Event(0.5, 1.0, "in"), Event(1.5, 9.0, "over"), Event(5.0, 6.0, "out"), Event(1.2, 0.2, "back")]
TOLD = [[0.5, 1.0, "in"], [1.5, 2.0, "over"], [5.0, 6.0, "out", "outside"], [1.2, 0.2, "back", "reversed"]]


class Parrot:
    """A listener that says the same about every recording."""

    batch_size = 8

    def __init__(self, said: list[Event]) -> None:
        self.said = said

    def windowing(self) -> Windowing:
        return windowing_of(None, None, None, 30.0)

    def pieces(self, file: Path, windowing: Windowing, first: int = 0) -> Iterator[Piece]:
        waveform = self.waveform(file)
        return pieces(Samples(waveform, 16_000), windowing.cut, windowing.whole_s, first)

    def question_about(self, piece: Piece, task: str, query: str | None, audio: str, id_: str = "") -> Sample:
        return Listener.question_about(self, piece, task, query, audio, id_)

    def waveform(self, file: Path) -> torch.Tensor:
        return torch.from_numpy(soundfile.read(file, dtype="float32")[0])

    def question(self, task: str, waveform: torch.Tensor, query: str | None, audio: str, id_: str = "") -> Sample:
        return Sample(Example(id_, task, audio, len(waveform) / 16_000, (), query), waveform)

    def batches(self, questions: Any, tasks: Any, voting: Voting | None = None) -> Any:
        said = Prediction(tuple(self.said), readable=True)
        for sample in questions:
            task = tasks[sample.example.task]
            if voting is None:
                yield [Answer(sample.example, "", "as said", said, truncated=False)]
            else:
                silent = Voter("{}", Prediction((), readable=True), truncated=False)
                yield [voted(sample.example, task, "", (Voter("as said", said, truncated=False), silent))]


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


def test_votes_are_told_as_votes(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(32_000, 0.1), 16_000)
    asked = (Parrot(SAID[:1]), tmp_path / "a.wav", DenseCaptioning(), [None], tmp_path / "out", False, {})
    told = predict(*asked, Voting(2, 0.7, seed=3))
    assert "0.50     1.00     50%   in" in told and "voted: 2 votes at temperature 0.7, seed 3" in told
    [line] = map(json.loads, (tmp_path / "out" / "predictions.jsonl").read_text().splitlines())
    assert (line["events"], line["scores"], line["presence"]) == ([[0.5, 1.0, "in"]], [0.5], 0.5)
    assert line["text"] is None and line["vote"] == {"num_answers": 2, "temperature": 0.7, "seed": 3}
    assert line["voters"][0] == {
        "text": "as said", "truncated": False, "readable": True, "events": [[0.5, 1.0, "in"]]
    }  # fmt: skip


QUERIES = [
    {"qid": 7, "query": "a horn", "vid": "a_0.0_2.0", "duration": 2, "relevant_windows": [[0.5, 1.0]]},
    {"qid": "b1", "query": "rain", "vid": "b", "duration": 2, "relevant_windows": [[0, 2]]},
    {"qid": "c1", "query": "rain", "vid": "c", "duration": 2, "relevant_windows": [[0, 2]]},
]


@pytest.mark.parametrize("voting", [None, Voting(2)])
def test_a_submission_is_what_the_challenge_reads(tmp_path: Path, voting: Voting | None) -> None:
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in QUERIES))
    (tmp_path / "clips").mkdir()
    for name in ("a_0.0_2.0", "b", "unasked"):
        soundfile.write(tmp_path / "clips" / f"{name}.wav", np.full(32_000, 0.1), 16_000)
    submission = tmp_path / "out" / "dcase2026_task6.jsonl"
    told = predict(
        Parrot(SAID), tmp_path / "clips", Grounding(), read_own_queries(tmp_path / "q.jsonl"), tmp_path / "out", False,
        {}, voting, lambda answers: write_windows(submission, answers),
    )  # fmt: skip
    assert "1 recordings that queries are about are not there: 'c'" in told
    assert "1 recordings are asked nothing: 'unasked'" in told and f"submission: {submission}" in told
    rows = [json.loads(line) for line in submission.read_text().splitlines()]
    score = 1.0 if voting is None else 0.5
    windows = [[0.5, 1.0, score], [1.5, 2.0, score]]
    assert rows[0] == {"qid": 7, "query": "a horn", "vid": "a_0.0_2.0", "pred_relevant_windows": windows}
    assert [(id_, len(p.events)) for id_, p, _ in read_windows(submission)] == [("7", 2), ("b1", 2)]
    scored = score_moments(submission, tmp_path / "q.jsonl", tmp_path / "scores", "ours")
    assert "1 missing ids (count 0): c1" in scored


def test_without_qids_a_submission_is_numbered_and_holds_the_ten_best(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(32_000, 0.1), 16_000)
    many = [Event(n / 10, n / 10 + 0.05, "", score=n / 20) for n in range(15)]
    asked = (Parrot(many), tmp_path / "a.wav", Grounding(), ["a horn", "rain"], tmp_path / "out", False)
    predict(*asked, submit=lambda answers: write_windows(tmp_path / "s.jsonl", answers))
    rows = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert [(row["qid"], row["query"], row["vid"]) for row in rows] == [(1, "a horn", "a"), (2, "rain", "a")]
    assert [window[2] for window in rows[0]["pred_relevant_windows"]] == [n / 20 for n in range(14, 4, -1)]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"qid": None}, r"q\.jsonl:2: key 'qid' must be text or a whole number, not None"),
        ({"qid": "7"}, r"q\.jsonl:2: qid '7' stands twice"),
        ({"query": " "}, "keys 'query' and 'vid' must be text"),
        ({"vid": 3}, "keys 'query' and 'vid' must be text"),
    ],
)
def test_a_query_that_is_none_is_named(tmp_path: Path, changed: dict[str, Any], sentence: str) -> None:
    (tmp_path / "q.jsonl").write_text(json.dumps(QUERIES[0]) + "\n" + json.dumps(QUERIES[1] | changed))
    with pytest.raises(ValueError, match=sentence):
        read_own_queries(tmp_path / "q.jsonl")


def test_queries_find_their_recordings_or_say_so() -> None:
    own = {"a": [Query("rain", 1)]}
    assert matched([Path("x/a.wav"), Path("b.wav")], own) == (
        {Path("x/a.wav"): [Query("rain", 1)]},
        "1 recordings are asked nothing: 'b'\n",
    )
    with pytest.raises(ValueError, match=r"x/a\.wav and y/a\.flac are both called a"):
        matched([Path("x/a.wav"), Path("y/a.flac")], own)
    with pytest.raises(ValueError, match="none is about a recording that is there; the first is about 'a'"):
        matched([Path("b.wav")], own)


def test_recordings_are_found_by_suffix_and_in_any_normal_form_where_that_is_clear() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    rain, wind = Query("rain", 1), Query("wind", 2)
    file = Path(f"x/{decomposed}.wav")
    for name in (composed, f"{composed}.wav", decomposed, f"{decomposed}.wav"):
        assert matched([file], {name: [rain]}) == ({file: [rain]}, "")
    assert matched([file], {composed: [rain], f"{decomposed}.wav": [wind]})[0] == {file: [rain, wind]}
    both = [file, Path(f"x/{composed}.flac")]
    assert matched(both, {composed: [rain], decomposed: [wind]})[0] == {both[0]: [wind], both[1]: [rain]}
    assert matched([Path("a.b.wav"), Path("a.wav")], {"a.b": [rain], "a.wav": [wind]})[1] == ""
    with pytest.raises(ValueError, match=r"x/a\.wav and y/a\.wav are both called a\.wav"):
        matched([Path("x/a.wav"), Path("y/a.wav")], {"a.wav": [rain]})
    marks = [Path("x/\u1e9b\u0323.wav"), Path("y/\u017f\u0323\u0307.wav")]  # neither is the composed form
    with pytest.raises(ValueError, match="are both called"):
        matched(marks, {"\u017f\u0307\u0323": [rain]})
