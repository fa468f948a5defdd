"""Recordings longer than a model hears at once are asked in windows, and whoever is interrupted goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.inference.ear import Ear, record
from timepro_lit.data.audio import AudioError
from timepro_lit.evaluation.challenge import write_windows
from timepro_lit.events.labels import chosen_formats
from timepro_lit.events.voting import Voting
from timepro_lit.events.windows import Cut
from timepro_lit.files.holding import held
from timepro_lit.inference.answering import drawn_by
from timepro_lit.inference.prediction import predict
from timepro_lit.inference.queries import Query, prompts_of
from timepro_lit.inference.windowing import Windowing, windowing_of
from timepro_lit.tasks.grounding import Grounding

MOMENTS = Grounding("moments", "any")
LONG = [(1.0, 1.5), (3.5, 9.7), (10.02, 10.4), (14.9, 15.0)]
SHORT = [(0.5, 1.25)]
LENGTH_S = 15.0


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    record(tmp_path / "clips/a.wav", LENGTH_S, LONG)
    record(tmp_path / "clips/b.wav", 2.0, SHORT)
    record(tmp_path / "clips/c.flac", LENGTH_S, LONG, rate=32_000)
    (tmp_path / "clips/d.wav").write_bytes(b"RIFF")
    return tmp_path / "clips"


def ask(ear: Ear, clips: Path, out: Path, task: Grounding = MOMENTS, **how: Any) -> tuple[str, list[dict[str, Any]]]:
    told = predict(ear, clips, task, ["a horn", "rain"], out, figures=False, **how)
    return told, [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]


def times(events: list[Any]) -> list[tuple[float, float]]:
    return [(onset, offset) for onset, offset, *_ in events]


def test_long_recordings_are_heard_in_windows_and_short_ones_as_ever(clips: Path, tmp_path: Path) -> None:
    ear = Ear()
    told, rows = ask(ear, clips, tmp_path / "out")
    assert [(row["audio"], row["query"]) for row in rows] == [
        (audio, query) for audio in ("a.wav", "b.wav", "c.flac") for query in ("a horn", "rain")
    ]
    assert [times(row["events"]) for row in rows] == [LONG, LONG, SHORT, SHORT, LONG, LONG]
    assert [row["duration_s"] for row in rows] == [LENGTH_S, LENGTH_S, 2.0, 2.0, LENGTH_S, LENGTH_S]
    assert "windows" not in rows[2] and rows[2]["text"] == '{"a horn": [[0.50, 1.25]]}'
    windows = [(one["start_s"], one["duration_s"]) for one in rows[0]["windows"]]
    assert windows == Cut(4.0, 2.0).windows(LENGTH_S)
    assert rows[0]["text"] is None and rows[0]["windows"][1]["text"] == '{"a horn": [[1.50, 4.00]]}'
    assert [place[1:] for place in ear.asked[:4]] == [(0.0, 4.0), (0.0, 4.0), (2.0, 4.0), (2.0, 4.0)]
    assert "left out:" in told and "d.wav" in told
    assert not (tmp_path / "out/predictions.part").exists()


def test_windows_are_as_long_as_they_should_be(clips: Path, tmp_path: Path) -> None:
    ear = Ear(longest_s=3.0)
    ask(ear, clips, tmp_path / "trained")
    assert {length_s for _, _, length_s in ear.asked} == {3.0, 2.0}  # and what is heard at once is, as it was
    ear = Ear()
    ask(ear, clips, tmp_path / "chosen", windowing=ear.windowing(1.5, 1.0))
    assert [start for audio, start, _ in ear.asked if audio == "b.wav"][::2] == [0.0, 0.5]
    for window_s, hop_s, says in (
        (5.0, None, "window_s: 5 s is more than the 4 s that the model hears at once"),
        (0.001, None, r"window_s: must be at least 0\.01 s, not 0\.001"),
        (2.0, 2.5, "hop_s: 2.5 s would leave gaps between windows of 2 s"),
        (2.0, 0.0, r"hop_s: must be at least 0\.01 s, not 0"),
        (float("nan"), None, "window_s"),
        ("4", None, "window_s: must be a length in seconds, not '4'"),
        (None, True, "hop_s: must be a length in seconds, not True"),
    ):
        with pytest.raises(ValueError, match=says):
            ear.windowing(window_s, hop_s)
    assert windowing_of(None, None, None, 30.0) == Windowing(Cut(30.0, 15.0), 30.0)


@pytest.mark.parametrize("lasts", [0, 3, 17, 29])
def test_who_is_interrupted_goes_on(clips: Path, tmp_path: Path, lasts: int) -> None:
    _, undisturbed = ask(Ear(batch_size=4), clips, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        ask(Ear(batch_size=4, lasts=lasts), clips, tmp_path / "out")
    part = tmp_path / "out/predictions.part"
    part.write_bytes(part.read_bytes() + b'{"audio": "a.wav", "quest')
    again = Ear(batch_size=4)
    _, rows = ask(again, clips, tmp_path / "out")
    assert rows == undisturbed
    assert len(again.asked) == sum(len(row.get("windows", [0])) for row in rows) - lasts // 4 * 4


def test_who_goes_on_behind_damage_finds_it_too(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, round(16_000 * LENGTH_S))
    (tmp_path / "clips").mkdir()
    soundfile.write(tmp_path / "clips/a.ogg", noise, 16_000, format="OGG", subtype="VORBIS")
    first, *pages = (tmp_path / "clips/a.ogg").read_bytes().split(b"OggS")
    del pages[len(pages) // 2]
    (tmp_path / "clips/a.ogg").write_bytes(b"OggS".join([first, *pages]))
    record(tmp_path / "clips/b.wav", 2.0, SHORT)
    _, undisturbed = ask(Ear(batch_size=2), tmp_path / "clips", tmp_path / "whole")
    assert "its header promises 15.00 s" in (tmp_path / "whole/left_out.jsonl").read_text()
    with pytest.raises(KeyboardInterrupt):
        ask(Ear(batch_size=2, lasts=11), tmp_path / "clips", tmp_path / "out")
    _, rows = ask(Ear(batch_size=2), tmp_path / "clips", tmp_path / "out")
    assert rows == undisturbed
    assert (tmp_path / "out/left_out.jsonl").read_bytes() == (tmp_path / "whole/left_out.jsonl").read_bytes()


def test_another_call_does_not_go_on_there(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        ask(Ear(lasts=20), clips, tmp_path / "out", call="one")
    with pytest.raises(FileExistsError, match=r"output_dir: .*predictions\.part holds answers of another call"):
        ask(Ear(), clips, tmp_path / "out", call="two")
    record(clips / "a.wav", LENGTH_S, LONG[1:])  # a recording that was changed is asked again
    _, rows = ask(Ear(), clips, tmp_path / "out", call="one")
    assert times(rows[0]["events"]) == LONG[1:]


def changed(part: bytes, number: int, *lines: bytes) -> bytes:
    """The file with others in place of one line."""
    old = part.splitlines(keepends=True)
    return b"".join([*old[:number], *lines, *old[number + 1 :]])


@pytest.mark.parametrize(
    "damage",
    [
        lambda part: part.replace(b'"start_s": 2.0', b'"start_s": 2.5', 1),
        lambda part: part.replace(b"3.50", b"3.10", 1),
        lambda part: changed(part, 4),
        lambda part: changed(part, 4, *part.splitlines(keepends=True)[4:5] * 2),
        lambda part: part + b'{"a": 1}\n{"audio": "a.wav", "ends": 7}\n{"whole": "0"}\n',
        lambda part: part.replace(b"\n", b"\r\n").replace(b"\r\n", b"\n", 1),
        lambda part: part[:20],
        lambda part: b"",
    ],
)  # fmt: skip
def test_what_is_damaged_is_asked_again(clips: Path, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    _, undisturbed = ask(Ear(batch_size=4), clips, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        ask(Ear(batch_size=4, lasts=13), clips, tmp_path / "out")
    part = tmp_path / "out/predictions.part"
    part.write_bytes(damage(part.read_bytes()))
    assert ask(Ear(batch_size=4), clips, tmp_path / "out")[1] == undisturbed


def test_what_is_not_ours_stays(clips: Path, tmp_path: Path) -> None:
    part = tmp_path / "out/predictions.part"
    part.parent.mkdir()
    for notes in (b"my notes of the day", b"my notes\nof the day\n"):
        part.write_bytes(notes)
        with pytest.raises(FileExistsError, match="holds answers of another call"):
            ask(Ear(), clips, tmp_path / "out")
        assert part.read_bytes() == notes


def test_two_processes_do_not_answer_into_one_folder(clips: Path, tmp_path: Path) -> None:
    with held(tmp_path / "out"), pytest.raises(ValueError, match="out: another process is running in this directory"):
        ask(Ear(), clips, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] in ([], [".lock"])


def test_queries_that_are_called_otherwise_are_another_call() -> None:
    calls = [prompts_of(MOMENTS, {"a": [Query("rain", qid)]}) for qid in (1, 1, 2)]
    assert calls[0] == calls[1] != calls[2]


def test_a_question_with_one_answer_takes_votes(clips: Path, tmp_path: Path) -> None:
    told, rows = ask(Ear(), clips, tmp_path / "greedy", task=Grounding())
    assert [row["audio"] for row in rows] == ["b.wav", "b.wav"]
    assert "a.wav: is longer than what is heard at once, and task=ag is answered by one event in every window" in told
    _, rows = ask(Ear(), clips, tmp_path / "voted", task=Grounding(), voting=Voting(2))
    assert [len(row["events"]) for row in rows] == [1] * 6
    assert rows[0]["events"][0][:2] == [1.0, 1.5] and rows[0]["scores"] == [1.0] and rows[0]["presence"] == 1.0
    texts = [voter["text"] for voter in rows[0]["windows"][0]["voters"]]
    assert texts == ['{"a horn": [[1.00, 1.50], [3.50, 4.00]]}'] * 2


def test_votes_do_not_depend_on_what_a_recording_is_called(clips: Path) -> None:
    ear = Ear()
    for windowing in (windowing_of(None, None, None, 4.0), windowing_of(None, None, None, 30.0)):
        pieces = list(ear.pieces(clips / "a.wav", windowing))
        drawn = {
            name: [drawn_by(ear.question_about(piece, "moments", "rain", audio=name).example) for piece in pieces]
            for name in ("", "a.wav", "renamed.wav")
        }
        assert drawn[""] == drawn["a.wav"] == drawn["renamed.wav"]
        assert len(set(drawn[""])) == len(pieces)


def test_labels_and_submissions_are_of_the_whole_recording(clips: Path, tmp_path: Path) -> None:
    how = {"voting": Voting(2), "formats": chosen_formats(["audacity"])}
    ask(Ear(), clips, tmp_path / "out", submit=lambda answers: write_windows(tmp_path / "s.jsonl", answers), **how)
    labels = (tmp_path / "out/labels/a.wav.txt").read_text().splitlines()
    assert len(labels) == 8 and labels[1].startswith("1.000000\t1.500000\t")
    [first, *_] = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert first["pred_relevant_windows"] == [[onset, offset, 1.0] for onset, offset in LONG]


def test_python_hears_long_recordings_alike(clips: Path) -> None:
    ear = Ear()
    samples, rate = soundfile.read(clips / "c.flac", dtype="float32")
    for audio in (clips / "a.wav", str(clips / "c.flac"), (samples, rate)):
        found = ear.ground(audio, "a horn", occurrences="any")
        assert [(event.onset, event.offset) for event in found] == LONG
    found = ear.ground(clips / "a.wav", "a horn", occurrences="any", window_s=2.0, hop_s=2.0)
    assert [(event.onset, event.offset) for event in found] == LONG
    with pytest.raises(AudioError, match=r"the recording: is longer .* ask task=moments"):
        ear.ground(clips / "a.wav", "a horn")
    with pytest.raises(AudioError, match="holds no samples"):
        ear.ground(np.zeros(0), "a horn")
