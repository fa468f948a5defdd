"""Label files of other programs: literal files of each format, and nothing that breaks them."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest

from timepro_lit.events.delivery import delivered
from timepro_lit.events.labels import FORMATS, Answered, Labels, chosen_formats, flagged, label_of
from timepro_lit.records import Event

TWO = Labels(
    "street.wav",
    4.0,
    (
        Answered("ag", "a dog barks", delivered([Event(2.0, 9.0, "a dog barks"), Event(3.0, 1.0, "")], 4.0)),
        Answered("ag", "a bell", delivered([Event(0.25, 1.5, ""), Event(7.0, 8.0, "")], 4.0)),
    ),
)
HOSTILE = "=1+1\t</v>\n\n00:00:01,000 --> 00:00:02,000 <b>&amp; {\\an8}\x1b\ud800 狗"


def one(label: str, onset: float = 0.5, offset: float = 1.0, query: str | None = None) -> Labels:
    return Labels("a.wav", 4.0, (Answered("dac", query, (Event(onset, offset, label),)),))


def test_all_questions_are_in_one_file_by_onset_and_what_is_flagged_is_left_out() -> None:
    assert FORMATS["audacity"].text(TWO) == "0.250000\t1.500000\ta bell\n2.000000\t4.000000\ta dog barks\n"
    assert FORMATS["raven"].text(TWO) == (
        "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tAnnotation\n"
        "1\tSpectrogram 1\t1\t0.250000\t1.500000\t0\t8000\ta bell\n"
        "2\tSpectrogram 1\t1\t2.000000\t4.000000\t0\t8000\ta dog barks\n"
    )
    assert FORMATS["srt"].text(TWO) == (
        "1\n00:00:00,250 --> 00:00:01,500\na bell\n\n2\n00:00:02,000 --> 00:00:04,000\na dog barks\n"
    )
    assert FORMATS["webvtt"].text(TWO) == (
        "WEBVTT\n\n00:00:00.250 --> 00:00:01.500\na bell\n\n00:00:02.000 --> 00:00:04.000\na dog barks\n"
    )
    assert [event.flag for event in flagged(TWO)] == ["reversed", "outside"]


def test_csv_and_jams_keep_what_is_flagged() -> None:
    assert FORMATS["csv"].text(TWO).split("\r\n") == [
        "recording,task,query,onset,offset,label,flag",
        "street.wav,ag,a dog barks,2.0,4.0,a dog barks,",
        "street.wav,ag,a dog barks,3.0,1.0,,reversed",
        "street.wav,ag,a bell,0.25,1.5,,",
        "street.wav,ag,a bell,7.0,8.0,,outside",
        "",
    ]
    first, second = json.loads(FORMATS["jams"].text(TWO))["annotations"]
    assert first["data"] == [{"time": 2.0, "duration": 2.0, "value": "a dog barks", "confidence": None}]
    assert first["sandbox"] == {
        "task": "ag", "query": "a dog barks", "readable": True, "flagged": [[3.0, 1.0, "", "reversed"]]
    }  # fmt: skip
    assert [observation["value"] for observation in second["data"]] == ["a bell"]


def test_times_that_are_no_numbers_are_strict_json_and_empty_cells() -> None:
    endless = Labels("a.wav", 4.0, (Answered("dac", None, delivered([Event(math.nan, math.inf, "x")], 4.0)),))
    assert json.loads(FORMATS["jams"].text(endless), parse_constant=pytest.fail)["annotations"][0]["data"] == []
    assert FORMATS["csv"].text(endless).split("\r\n")[1] == "a.wav,dac,,,,x,reversed"
    assert FORMATS["audacity"].text(endless) == ""


def test_no_label_breaks_a_format() -> None:
    texts = {name: chosen.text(one(HOSTILE)) for name, chosen in FORMATS.items()}
    plain = "=1+1 </v> 00:00:01,000 --> 00:00:02,000 <b>&amp; {\\an8}\\x1b\\ud800 狗"
    assert texts["audacity"] == f"0.500000\t1.000000\t{plain}\n"
    assert texts["raven"].splitlines()[1].split("\t")[7:] == [plain]
    assert texts["srt"].splitlines()[1:] == [
        "00:00:00,500 --> 00:00:01,000",
        "=1+1 ‹/v› 00:00:01,000 --› 00:00:02,000 ‹b›&amp; (\\an8)\\x1b\\ud800 狗",
    ]
    assert texts["webvtt"].splitlines()[2:] == [
        "00:00:00.500 --> 00:00:01.000",
        "=1+1 &lt;/v&gt; 00:00:01,000 --&gt; 00:00:02,000 &lt;b&gt;&amp;amp; {\\an8}\\x1b\\ud800 狗",
    ]
    assert json.loads(texts["jams"])["annotations"][0]["data"][0]["value"] == HOSTILE
    [_, row] = csv.reader(io.StringIO(texts["csv"]))
    assert row[5] == f"'{plain}"


@pytest.mark.parametrize("label", ["=1", "+1", "-1", "@x", "\t=1", "＝1"])
def test_no_cell_is_a_formula(label: str) -> None:
    [_, row] = csv.reader(io.StringIO(FORMATS["csv"].text(one(label, query=label))))
    assert row[2][0] == row[5][0] == "'"


def test_an_answer_without_events_is_a_valid_file() -> None:
    empty = Labels("a.wav", 4.0, (Answered("sed", None, ()),))
    texts = {name: chosen.text(empty) for name, chosen in FORMATS.items()}
    assert texts["audacity"] == texts["srt"] == ""
    assert texts["webvtt"] == "WEBVTT\n" and len(texts["raven"].splitlines()) == len(texts["csv"].splitlines()) == 1
    assert json.loads(texts["jams"])["annotations"][0]["data"] == []


@pytest.mark.parametrize(
    ("onset", "offset", "audacity", "srt"),
    [
        (1.0, 1.00000001, "0.999999\t1.000000", "00:00:00,999 --> 00:00:01,000"),
        (0.0, 0.0001, "0.000000\t0.000100", "00:00:00,000 --> 00:00:00,001"),
        (3599.9996, 36_000.5, "3599.999600\t36000.500000", "01:00:00,000 --> 10:00:00,500"),
        (360_000.0, 360_001.0, "360000.000000\t360001.000000", "100:00:00,000 --> 100:00:01,000"),
    ],
)
def test_no_event_is_rounded_to_nothing_and_hours_are_counted(
    onset: float, offset: float, audacity: str, srt: str
) -> None:
    assert FORMATS["audacity"].text(one("x", onset, offset)) == f"{audacity}\tx\n"
    assert FORMATS["srt"].text(one("x", onset, offset)).splitlines()[1] == srt


def test_a_label_says_what_was_asked_and_what_else_was_said() -> None:
    assert label_of(Answered("ag", "a bell", ()), Event(0, 1, "a Bell")) == "a bell"
    assert label_of(Answered("ag", "a bell", ()), Event(0, 1, "a gong")) == "a bell: a gong"
    assert FORMATS["srt"].text(one("")).splitlines()[2] == "(no label)"


def test_formats_are_chosen_by_name() -> None:
    assert list(chosen_formats(["srt", "csv", "srt"])) == ["srt", "csv"] and list(chosen_formats("srt")) == ["srt"]
    with pytest.raises(ValueError, match="format: there is no vtt; there are audacity, raven, srt, webvtt, jams, csv"):
        chosen_formats(["srt", "vtt"])


@pytest.mark.parametrize("name", ["srt", "webvtt"])
def test_ffmpeg_reads_our_subtitles(name: str, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / f"a{FORMATS[name].suffix}"
    path.write_text(FORMATS[name].text(TWO), encoding="utf-8")
    with av.open(str(path)) as subtitles:
        cues = [packet for packet in subtitles.demux() if packet.size]
    assert [float(cue.pts * cue.time_base) for cue in cues] == [0.25, 2.0]
    assert [float(cue.duration * cue.time_base) for cue in cues] == [1.25, 2.0]
    assert [bytes(cue) for cue in cues] == [b"a bell", b"a dog barks"]


@pytest.mark.slow
def test_the_jams_package_reads_ours(tmp_path: Path) -> None:
    jams = pytest.importorskip("jams")
    path = tmp_path / "a.jams"
    for labels in (TWO, one(HOSTILE), Labels("a.wav", 4.0, (Answered("sed", None, ()),))):
        path.write_text(FORMATS["jams"].text(labels))
        read = jams.load(str(path), validate=True, strict=True)
        assert len(read.annotations) == len(labels.answers)
    path.write_text(FORMATS["jams"].text(TWO))
    [dog] = jams.load(str(path)).annotations[0].to_interval_values()[1]
    assert dog == "a dog barks"
