"""Long recordings come to windows, of which some hold none of what is asked for."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import torch

from tests.conftest import noise
from timepro_lit.data.audio import write_audio
from timepro_lit.data.corpora.annotated import Annotation, Dropped
from timepro_lit.data.corpora.castella import Castella
from timepro_lit.data.corpora.prepared import Prepared
from timepro_lit.data.corpora.tacos import Tacos
from timepro_lit.data.dataset import ClipDataset
from timepro_lit.data.manifest import read_manifest
from timepro_lit.data.measuring import Measurement, measure, measure_all
from timepro_lit.data.preparation import prepare
from timepro_lit.data.questions import Cutting, Question, questions
from timepro_lit.data.store import AudioFolder
from timepro_lit.data.table import ExampleTable
from timepro_lit.records import Event, Sample
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding

TASKS = {"ag": Grounding(), "dac": DenseCaptioning(), "moments": Grounding("moments", "any")}
NAN = float("nan")


def asked(
    *times: tuple[float, float],
    duration_s: float = 90.0,
    none_rate: float = 1.0,
    task: str = "moments",
    complete: bool = True,
    stated_s: float | None = None,
) -> tuple[dict[float, list[tuple[float, float]]], Counter[str]]:
    """Events by the start of the window, and what was dropped why."""
    query = None if task == "dac" else "rain"
    events = tuple(Event(onset, offset, "rain") for onset, offset in times)
    one = Annotation("1", task, "a.wav", events, "train", "x.json[0]", query, stated_s, complete=complete)
    dropped: list[Dropped] = []
    measured = {"a.wav": Measurement("a.wav", None, duration_s)}
    found: list[Question] = list(questions("mine", [one], measured, TASKS, Cutting(30.0, none_rate), 30.0, dropped))
    for question in found:
        assert question.key == question.example.recording == "mine:a"
        assert question.example.recording_s == (duration_s if duration_s > 30 else None)
    examples = {q.example.start_s: [(e.onset, e.offset) for e in q.example.events] for q in found}
    return examples, Counter(d.reason for d in dropped)


def test_every_window_has_its_events_or_none() -> None:
    found, dropped = asked((5.0, 7.5), (25.0, 33.0), (26.0, 28.0))
    assert found == {0.0: [(5.0, 7.5), (25.0, 30.0), (26.0, 28.0)], 30.0: [(0.0, 3.0)], 60.0: []}
    assert not dropped


def test_windows_without_the_event_are_asked_at_a_rate() -> None:
    def nones(rate: float) -> list[float]:
        return [start for start, events in asked((5.0, 7.5), duration_s=900.0, none_rate=rate)[0].items() if not events]

    assert (len(nones(0.0)), len(nones(1.0))) == (0, 29)
    quarter, half = nones(0.25), nones(0.5)
    assert 3 <= len(quarter) <= 12
    assert set(quarter) < set(half)  # the same ones whenever it is asked, and more of them at a higher rate
    _, dropped = asked((5.0, 7.5), none_rate=0.0)
    assert dropped == {"window without the event, not drawn": 2}


def test_a_window_to_which_neither_answer_is_right_is_left_out() -> None:
    found, dropped = asked((5.0, 7.5), (29.0, 30.4))
    assert (sorted(found), dropped) == ([0.0, 60.0], {"window with too little of an event": 1})
    found, dropped = asked((35.0, 37.5), (29.0, 30.4))
    assert found == {0.0: [(29.0, 30.0)], 30.0: [(5.0, 7.5)], 60.0: []}
    assert dropped == {"too small a part of an event": 1}
    found, dropped = asked((5.0, 7.5), (40.0, 40.0))  # of no length
    assert (sorted(found), dropped["window with an event without extent"]) == ([0.0, 60.0], 1)
    found, dropped = asked((5.0, 7.5), (40.0, NAN))  # nobody knows until when
    assert (sorted(found), dropped["window with an event without extent"]) == ([0.0], 2)
    found, dropped = asked((5.0, 7.5), (61.0, 31.0))
    assert (sorted(found), dropped["window with an event without extent"]) == ([0.0], 2)
    assert asked((40.0, 40.0)) == ({}, {"event without extent": 1, "no events": 1})
    assert asked((5.0, 7.5), (9.0, 9.0), duration_s=20.0)[0] == {}  # not all of its occurrences are known


def test_a_window_of_nothing_but_zeros_is_left_out(tmp_path: Path) -> None:
    samples = torch.full((75 * 16_000,), 0.25)
    samples[24 * 16_000 : 51 * 16_000] = 0
    samples[60 * 16_000 : 60 * 16_000 + 9_000] = 0
    write_audio(tmp_path / "a.wav", samples, 16_000)
    found = measure(AudioFolder(tmp_path), 900.0, "a.wav")
    assert (found.duration_s, found.silences) == (75.0, ((24.0, 51.0),))
    again = measure_all(AudioFolder(tmp_path), ["a.wav"], tmp_path / "audio.jsonl", 900.0, 0)
    assert (
        measure_all(AudioFolder(tmp_path), ["a.wav"], tmp_path / "audio.jsonl", 900.0, 0) == again == {"a.wav": found}
    )
    one = Annotation("1", "moments", "a.wav", (Event(1, 2, "x"),), "train", "x.json[0]", "x", complete=True)
    dropped: list[Dropped] = []
    asked = questions("mine", [one], again, TASKS, Cutting(30.0, 1.0), 30.0, dropped)
    assert [question.example.start_s for question in asked] == [0.0, 50.0]
    assert [(d.reason, d.detail) for d in dropped] == [("window of zeros", "25 - 50 s of a.wav")]


def test_times_past_the_end_are_cut_or_named() -> None:
    found, dropped = asked((5.0, 7.5), (85.0, 4800.0), (90.0, 91.0), none_rate=0.0)
    assert found == {0.0: [(5.0, 7.5)], 60.0: [(25.0, 30.0)]}
    assert (dropped["event cut at the end"], dropped["event past the end"]) == (1, 1)
    assert asked((5.0, 7.5), (5.0, 7.5), duration_s=20.0) == ({0.0: [(5.0, 7.5)]}, {"event repeated": 1})


def test_a_query_that_is_said_to_be_nowhere_is_asked() -> None:
    assert asked(duration_s=20.0, none_rate=0.0) == ({0.0: []}, {})
    assert asked(none_rate=1.0)[0] == {0.0: [], 30.0: [], 60.0: []}
    assert asked(duration_s=20.0, complete=False) == ({}, {"no events": 1})


def test_captions_have_windows_and_no_none_and_others_are_not_cut() -> None:
    assert asked((5.0, 7.5), task="dac") == ({0.0: [(5.0, 7.5)]}, {"window without an event": 2})
    assert asked((5.0, 7.5), task="ag", complete=False) == ({}, {"audio too_long": 1})
    assert asked((5.0, 7.5), task="ag", complete=False, duration_s=30.0)[0] == {0.0: [(5.0, 7.5)]}


def test_a_recording_of_another_length_than_annotated_is_another_one() -> None:
    assert asked((5.0, 7.5), stated_s=120.0) == ({}, {"audio truncated": 1})
    assert asked((5.0, 7.5), stated_s=60.0) == ({}, {"audio longer than annotated": 1})
    assert 0.0 in asked((5.0, 7.5), stated_s=89.0)[0]
    longer = asked((5.0, 7.5), task="ag", complete=False, duration_s=28.0, stated_s=10.0)
    assert longer == ({}, {"audio longer than annotated": 1})
    assert 0.0 in asked((5.0, 7.5), task="ag", complete=False, duration_s=10.2, stated_s=10.0)[0]


@pytest.mark.parametrize(
    ("window_s", "none_rate", "says"),
    [
        (0.0, 0.5, "window_s is 0, a window lasts up to 900 s"),
        (NAN, 0.5, "window_s is nan"),
        (1e9, 0.5, "window_s is 1e"),
        (30.0, 1.5, "none_rate is 1.5, a share lies between 0 and 1"),
        (30.0, NAN, "none_rate is nan"),
    ],
)
def test_what_is_no_length_and_no_rate_is_refused(window_s: float, none_rate: float, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Cutting(window_s, none_rate)


def test_castella_becomes_windows_that_are_read(tmp_path: Path) -> None:
    moments = [
        {"local_caption": "A man signals", "timestamps": [[52, 66], [9, 12], [66, 67]]},
        {"local_caption": "A dog barks", "timestamps": [[70, 70]]},
    ]
    rows = [{"yid": yid, "duration": 74, "moments": moments} for yid in ("-0awng26xQ8", "rqfQRErjfk8", "gone_at_all")]
    for split, row in zip(("train", "val", "test"), rows, strict=True):
        (tmp_path / f"{split}.json").write_text(
            json.dumps([row, {"yid": "rwT__ERCUno", "duration": 60, "moments": []}])
        )
    noise(tmp_path / "audio/-0awng26xQ8.wav", 74.5)
    noise(tmp_path / "audio/rqfQRErjfk8.wav", 74.5, seed=1)
    counts = prepare(Castella(), tmp_path, tmp_path / "out", TASKS, num_workers=0, cutting=Cutting(30.0, 1.0))
    assert counts["examples"] == {"train": {"moments": 3}, "val": {"moments": 3}}
    assert (counts["none"], counts["window_s"], counts["none_rate"]) == ({"train": 1, "val": 1}, 30.0, 1.0)
    assert counts["dropped"] == {
        "audio missing": {"moments": 2},
        "event without extent": {"moments": 2},
        "no events": {"moments": 2},
        "recording without a moment": {"moments": 3},
    }
    examples = read_manifest(tmp_path / "out/train.jsonl")
    assert [(e.id, e.start_s, e.duration_s, e.recording_s) for e in examples] == [
        ("castella/-0awng26xQ8_1@0", 0.0, 24.83, 74.5),
        ("castella/-0awng26xQ8_1@24.83", 24.83, 24.83, 74.5),
        ("castella/-0awng26xQ8_1@49.66", 49.66, 24.84, 74.5),
    ]
    assert [[(e.onset, e.offset) for e in one.events] for one in examples] == [
        [(9.0, 12.0)], [], [(2.34, 16.34), (16.34, 17.34)]]  # fmt: skip
    table = ExampleTable(Prepared(str(tmp_path / "out")).manifests("train"))
    dataset = ClipDataset(table, Prepared(str(tmp_path / "out")).store())
    samples = [dataset[n] for n in range(3)]
    assert [len(one.waveform) for one in samples if isinstance(one, Sample)] == [397_280, 397_280, 397_440]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    prepare(Castella(), tmp_path, tmp_path / "out", TASKS, num_workers=0, cutting=Cutting(30.0, 1.0))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


def test_tacos_becomes_questions_of_three_tasks(tmp_path: Path) -> None:
    (tmp_path / "annotations_strong.csv").write_text(
        "filename,text,onset,offset\n1.wav,Rain,0.1,0.5\n1.wav,rain.,1.0,1.5\n1.wav,A bell,0.2,oops\n2.wav,Wind,0,1\n"
    )
    (tmp_path / "development_split.csv").write_text("filename\n1.wav\n")
    (tmp_path / "test_split.csv").write_text("filename\n2.wav\n")
    for n in (1, 2):
        noise(tmp_path / f"audio/{n}.wav", 2.0, seed=n)
    counts = prepare(Tacos(), tmp_path, tmp_path / "out", TASKS, num_workers=0)
    assert counts["examples"] == {
        "test": {"ag": 1, "dac": 1, "moments": 1},
        "train": {"ag": 1, "moments": 1},  # the caption whose times are unreadable is missing from the description
    }
    assert counts["dropped"]["unreadable entry"] == {"dac": 1}
    assert counts["dropped"]["window with an event without extent"] == {"dac": 1}
    grounding, moments = read_manifest(tmp_path / "out/train.jsonl")
    assert grounding.events == moments.events == (Event(0.1, 0.5, "Rain"), Event(1.0, 1.5, "Rain"))
