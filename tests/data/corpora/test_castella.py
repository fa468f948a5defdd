"""CASTELLA and lighthouse's JSON lines in miniature, with what the real files are known to hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import noise
from timepro_lit.data.corpora.annotated import Annotation, Dropped
from timepro_lit.data.corpora.castella import Castella
from timepro_lit.data.corpora.moments import MomentLines
from timepro_lit.records import Event

RAIN, DOG = [[52, 66], [9, 12], [70, 70], [76, 80]], [[60, 61], [61, 64]]  # out of order, of no length, touching


def recording(yid: object, *moments: object, duration: object = 79) -> dict[str, object]:
    return {"yid": yid, "global_caption": "x", "duration": duration, "num_moments": 9, "moments": list(moments)}


def moment(caption: object, timestamps: object) -> dict[str, object]:
    return {"local_caption": caption, "timestamps": timestamps}


def split(found: list[Annotation | Dropped]) -> tuple[list[Annotation], list[Dropped]]:
    return [a for a in found if isinstance(a, Annotation)], [d for d in found if isinstance(d, Dropped)]


def test_every_moment_of_castella_is_read_or_named(tmp_path: Path) -> None:
    folder = tmp_path / "json/en"
    folder.mkdir(parents=True)
    rows = [
        recording("-0awng26xQ8", moment("A man  signals ", RAIN), moment("A dog", DOG), moment("A dog", DOG[:1])),
        recording("none_at_all"),
        recording("rqfQRErjfk8", moment("", RAIN), moment("x", [[1]]), moment("x", [["1,5", 2]]), "x", moment("x", [])),
        recording("../x", moment("x", RAIN)),
        recording("rqfQRErjfk8", moment("x", RAIN), duration="long"),
        recording("rqfQRErjfk8", moment("x", [[-1, 2], [float("nan"), 3]])),
    ]  # fmt: skip
    (folder / "train.json").write_text("\ufeff" + json.dumps(rows[:2]).replace("\n", "\r\n"))
    (folder / "test.json").write_text(json.dumps(rows[2:]))
    (folder / "val.json").write_text("[]")
    noise(tmp_path / "audio/-0awng26xQ8.flac", 0.1)
    annotations, dropped = split(list(Castella().annotations(tmp_path)))
    first, dog, again, *unread = annotations
    assert (first.id, first.audio, first.split, first.query) == (
        "-0awng26xQ8_1", "audio/-0awng26xQ8.flac", "train", "A man signals")  # fmt: skip
    assert first.events[:3] == tuple(Event(a, b, "A man signals") for a, b in RAIN[:3])
    assert (first.stated_duration_s, first.recording, first.complete) == (79, "audioset:-0awng26xQ8", True)
    assert (dog.query, again.query, again.id) == ("A dog", "A dog", "-0awng26xQ8_3")
    assert {a.task for a in annotations} == {"moments"}
    assert [(a.query, a.events, a.unread) for a in unread] == [
        ("x", (), ("segments are [[1]], not [[onset, offset], ...]",)),
        ("x", (), ("onset is '1,5', not a number",)),
        ("x", (), ("timestamps is empty",)),
        ("x", (), ("onset is nan, not a number",)),
    ]
    assert [(d.where, d.reason) for d in dropped] == [
        ("train.json[1]", "recording without a moment"),
        *((f"test.json[0].moments[{n}]", "unreadable entry") for n in range(5)),
        *((f"test.json[{n}]", "unreadable entry") for n in (1, 2)),
        ("test.json[3].moments[0]", "unreadable entry"),
    ]
    assert "onset is '1,5', not a number" in dropped[3].detail
    with pytest.raises(FileNotFoundError, match="holds none of train"):
        list(Castella().annotations(tmp_path / "nowhere"))


def test_two_recordings_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "test.json").write_text(json.dumps([recording("-0awng26xQ8", moment("x", DOG))]))
    [found] = Castella().annotations(tmp_path)
    assert isinstance(found, Annotation)
    assert found.audio == "audio/-0awng26xQ8.wav"  # where it would be
    for name in ("-0awng26xQ8.wav", "-0awng26xQ8.m4a", "-0awng26xQ8.info.json", "-0awng26xQ8.txt"):
        noise(tmp_path / "audio" / name, 0.1)
    with pytest.raises(ValueError, match=r"holds -0awng26xQ8\.m4a and -0awng26xQ8\.wav: keep one of the two"):
        list(Castella().annotations(tmp_path))


def line(qid: object, vid: object, windows: object, **more: object) -> str:
    return json.dumps(
        {"qid": qid, "query": "A toilet flushes.", "duration": 60, "vid": vid, "relevant_windows": windows} | more
    )


def test_lighthouses_lines_are_read_whatever_the_corpus(tmp_path: Path) -> None:
    (tmp_path / "clotho_moment").mkdir()
    (tmp_path / "clotho_moment/clotho_moment_train_release.jsonl").write_text(
        line("7", "Singapore_0.0_60.0", [[41.1, 48.1]], fg_dB=0.7)
        + "\r\n\r\n"
        + line("8", "Singapore_1.0_61.0", [[1, 2]])
    )
    (tmp_path / "tut2017_test.jsonl").write_text("\n".join([
        line(0, "a002_60_120", [[7.0, 12.7], [17.0, 18.7]]), line(1, "a002_120_180", []), line(True, "a", [[1, 2]]),
        line(2, "a", [[1, 2, 3]]), line(3, "", [[1, 2]]), line(4, "a", [[1, 2]], duration=None),
    ]))  # fmt: skip
    (tmp_path / "unav100-subset_test.jsonl").write_text(line(0, "7bHrke6zbLk", [[5.0, 30.0]]))
    (tmp_path / "audio.jsonl").write_text("of something else")
    annotations, dropped = split(list(MomentLines().annotations(tmp_path)))
    assert [a.id for a in annotations if a.unread] == ["tut2017/1", "tut2017/2"]
    annotations = [a for a in annotations if not a.unread]
    assert [(a.id, a.split, a.recording) for a in annotations] == [
        ("clotho_moment/7", "train", "moments:clotho_moment/Singapore"),
        ("clotho_moment/8", "train", "moments:clotho_moment/Singapore"),
        ("tut2017/0", "test", "moments:tut2017/a002"),
        ("unav100-subset/0", "test", "audioset:7bHrke6zbLk"),
    ]
    assert annotations[2].events == (Event(7.0, 12.7, "A toilet flushes."), Event(17.0, 18.7, "A toilet flushes."))
    assert [d.where for d in dropped] == [f"tut2017_test.jsonl:{n}" for n in range(2, 7)]
    (tmp_path / "tut2017_val.jsonl").write_text('{"qid": 1}\n{"qid"\n')
    with pytest.raises(ValueError, match=r"tut2017_val\.jsonl:2: not a JSON object"):
        list(MomentLines().annotations(tmp_path))
    (tmp_path / "tut2017_val.jsonl").write_bytes(b'{"qid": "\xff"}')
    with pytest.raises(ValueError, match=r"tut2017_val\.jsonl:1: not a JSON object: 'utf-8'"):
        list(MomentLines().annotations(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"holds no <corpus>_<train, val or test>\.jsonl"):
        list(MomentLines().annotations(tmp_path / "audio"))
