"""TACOS, URBAN-SED and AudioSet's strong labels in miniature, oddities included."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import noise
from timepro_lit.data.corpora.annotated import Annotation, Dropped
from timepro_lit.data.corpora.audioset_strong import AudioSetStrong
from timepro_lit.data.corpora.json_files import Fault
from timepro_lit.data.corpora.tables import seconds
from timepro_lit.data.corpora.tacos import Tacos
from timepro_lit.data.corpora.urbansed import UrbanSed
from timepro_lit.records import Event


def split(found: list[Annotation | Dropped]) -> tuple[list[Annotation], list[Dropped]]:
    return [a for a in found if isinstance(a, Annotation)], [d for d in found if isinstance(d, Dropped)]


@pytest.fixture
def tacos(tmp_path: Path) -> Path:
    """Quotes and commas in captions, Windows line ends, a byte order mark, rows that are repeated or damaged."""
    rows = [
        "filename,text,onset,offset", '1.mp3,"A dog barks, then ""growls""",0.5,1.25', "1.mp3,Rain falls.,0.0,2.0",
        "1.mp3,rain falls,3.0,4.5", "1.mp3,Rain falls.,0.0,2.0", "2.mp3,A bell,NaN,2.0", '2.mp3,A horn,"1,5",2.0',
        "2.mp3,,1.0,2.0", "2.mp3,Wind,1.0,2.5", "9.mp3,Of no split,0.0,1.0", "",
    ]  # fmt: skip
    (tmp_path / "annotations_strong.csv").write_bytes(("\ufeff" + "\r\n".join(rows)).encode())
    (tmp_path / "development_split.csv").write_text("filename\n1.mp3\n3.mp3\n")
    (tmp_path / "test_split.csv").write_text("filename\n2.mp3\n")
    return tmp_path


def test_tacos_asks_for_captions_and_describes_clips(tacos: Path) -> None:
    (tacos / "metadata.csv").write_text("filename,keywords,freesound_id\n1.mp3,\"['rain', 'dog']\",77\n2.mp3,,\n")
    annotations, dropped = split(list(Tacos().annotations(tacos)))
    of_first = [a for a in annotations if a.split == "train"]
    assert [(a.id, a.task, a.query, a.complete) for a in of_first] == [
        ("dac/1.mp3", "dac", None, True),
        ("ag/1.mp3_0", "ag", 'A dog barks, then "growls"', False),
        ("moments/1.mp3_0", "moments", 'A dog barks, then "growls"', True),
        ("ag/1.mp3_1", "ag", "Rain falls.", False),
        ("moments/1.mp3_1", "moments", "Rain falls.", True),
    ]
    assert of_first[0].events[1:] == (Event(0.0, 2.0, "Rain falls."), Event(3.0, 4.5, "rain falls"))
    assert of_first[3].events == (Event(0.0, 2.0, "Rain falls."), Event(3.0, 4.5, "Rain falls."))
    assert {(a.audio, a.recording) for a in of_first} == {("audio/1.mp3", "freesound:77")}
    of_second = {a.id: a for a in annotations if a.split == "test"}
    assert of_second["dac/2.mp3"].events == (Event(1.0, 2.5, "Wind"),)
    assert of_second["dac/2.mp3"].unread == (
        "onset is 'NaN', not a number of seconds: A bell", "onset is '1,5', not a number of seconds: A horn",
        "text is empty",
    )  # fmt: skip
    assert [of_second[f"ag/2.mp3_{n}"].unread for n in range(3)] == [
        (one,) for one in of_second["dac/2.mp3"].unread[:2]
    ] + [()]
    assert sorted(of_second) == ["ag/2.mp3_0", "ag/2.mp3_1", "ag/2.mp3_2", "dac/2.mp3",
                                 "moments/2.mp3_0", "moments/2.mp3_1", "moments/2.mp3_2"]  # fmt: skip
    assert of_second["dac/2.mp3"].recording is None
    assert [(d.where.rpartition("csv")[2], d.reason) for d in dropped] == [
        (":5", "repeated"), (":6", "unreadable entry"), (":7", "unreadable entry"), (":8", "unreadable entry"),
        (":10", "in no split"), (": 3.mp3", "clip without a caption"),
    ]  # fmt: skip
    assert "onset is '1,5', not a number of seconds" in dropped[2].detail


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("test_split.csv", b"filename\n2.mp3\n1.mp3\n", r"test_split\.csv:3: 1\.mp3 is in .* and in"),
        ("test_split.csv", b"name\n2.mp3\n", r"test_split\.csv:1: column 'filename' is missing"),
        ("annotations_strong.csv", b"filename,text,onset,offset\n1.mp3,a\n", r"csv:2: has 2 cells, and not filename"),
        ("annotations_strong.csv", b"filename,text,onset,offset\n\xff.mp3,a,0,1\n", r"csv:1: cannot be read: 'utf-8'"),
        ("annotations_strong.csv", b"filename,text,onset,offset\n1.mp3,\"" + b"a" * 200_000, r"csv:2: .*larger than"),
    ],
)  # fmt: skip
def test_a_table_in_another_form_is_refused(tacos: Path, file: str, content: bytes, says: str) -> None:
    (tacos / file).write_bytes(content)
    with pytest.raises(ValueError, match=says):
        list(Tacos().annotations(tacos))
    (tacos / file).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{file} does not exist"):
        list(Tacos().annotations(tacos))


@pytest.mark.parametrize("cell", ["nan", "inf", "1,5", "1_000", "0x10", "00:05", "", "١", "1e999", "--1", "1 2"])
def test_what_is_no_number_of_seconds(cell: str) -> None:
    with pytest.raises(Fault, match=r"onset is .*, not a number of seconds"):
        seconds(cell, "onset")


def test_numbers_of_seconds() -> None:
    assert [seconds(cell, "onset") for cell in ("12", "1.50", ".5", "-0.1", "1.5e-1")] == [12.0, 1.5, 0.5, -0.1, 0.15]


def test_urbansed_is_read_without_a_header(tmp_path: Path) -> None:
    for name, text in {
        "train/soundscape_train_uniform1.txt": "0.5\t1.25\tsiren\r\n3.0\t4.0\tdog_bark\r\n1.0\t2.0\towl\r\n",
        "validate/soundscape_validate_bimodal2.txt": "",
        "test/soundscape_test_uniform3.txt": "\ufeff1\t2\tsiren\n\n",
    }.items():
        path = tmp_path / "annotations" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(text.encode())
    annotations, [dropped] = split(list(UrbanSed(["siren", "dog_bark"]).annotations(tmp_path)))
    assert [(a.id, a.split, a.audio) for a in annotations] == [
        ("train/soundscape_train_uniform1", "train", "audio/train/soundscape_train_uniform1.wav"),
        ("validate/soundscape_validate_bimodal2", "val", "audio/validate/soundscape_validate_bimodal2.wav"),
        ("test/soundscape_test_uniform3", "test", "audio/test/soundscape_test_uniform3.wav"),
    ]
    assert [a.events for a in annotations] == [
        (Event(0.5, 1.25, "siren"), Event(3.0, 4.0, "dog_bark")), (), (Event(1, 2, "siren"),)]  # fmt: skip
    assert (dropped.where, dropped.reason) == (
        "annotations/train/soundscape_train_uniform1.txt:3", "event of an unknown class")  # fmt: skip
    path.write_text("1\t2\tsiren\n1\tNaN\tsiren\n")
    with pytest.raises(ValueError, match=r"soundscape_test_uniform3\.txt:2: offset is 'NaN', not a number"):
        list(UrbanSed(["siren"]).annotations(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"holds no annotations/<train, validate, test>/\*\.txt"):
        list(UrbanSed(["siren"]).annotations(tmp_path / "audio"))


@pytest.mark.parametrize(
    "name",
    [
        "Yb0RFKhbpFJA_30_40",
        "Yb0RFKhbpFJA_30.0_40.0",
        "Yb0RFKhbpFJA_30.0",
        "b0RFKhbpFJA_30000",
        "b0RFKhbpFJA_30000_40000",
    ],
)
def test_an_excerpt_is_found_by_its_start_in_seconds_or_milliseconds(name: str, tmp_path: Path) -> None:
    (tmp_path / "mid_to_display_name.tsv").write_text("/m/0bt9lr\tDog\n")
    lines = "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\nb0RFKhbpFJA_30000\t0\t1\t/m/0bt9lr\n"
    (tmp_path / "audioset_train_strong.tsv").write_text(lines)
    noise(tmp_path / f"audio/{name}.wav", 0.1)
    [found] = AudioSetStrong(["Dog"]).annotations(tmp_path)
    assert isinstance(found, Annotation) and found.audio == f"audio/{name}.wav"


def test_audiosets_strong_labels_are_read_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "mid_to_display_name.tsv").write_text("/m/09x0r\tSpeech\r\n/m/0bt9lr\tDog\r\n/m/04rlf\tMusic\r\n")
    header = "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\n"
    (tmp_path / "audioset_train_strong.tsv").write_text(header + "\n".join([
        "b0RFKhbpFJA_30000\t0.000\t1.500\t/m/09x0r", "b0RFKhbpFJA_30000\t2.0\t3.0\t/m/0bt9lr",
        "b0RFKhbpFJA_30000\t2.0\t3.0\t/m/04rlf", "s9d-2nhuJCQ_0\t0\t1\t/m/unknown", "odd\t0\t1\t/m/0bt9lr", "",
    ]))  # fmt: skip
    (tmp_path / "audioset_eval_strong.tsv").write_text(header + "-5RamNGZJkI_5000\t0\t9.5\t/m/0bt9lr\n")
    for name in ("Yb0RFKhbpFJA_30.000_40.000.wav", "-5RamNGZJkI.wav", "-5RamNGZJkI_5000_15000.flac"):
        noise(tmp_path / "audio" / name, 0.1)
    annotations, dropped = split(list(AudioSetStrong(["Speech", "Dog"]).annotations(tmp_path)))
    assert [(a.id, a.split, a.audio, a.recording) for a in annotations] == [
        ("b0RFKhbpFJA_30000", "train", "audio/Yb0RFKhbpFJA_30.000_40.000.wav", "audioset:b0RFKhbpFJA"),
        ("s9d-2nhuJCQ_0", "train", "audio/s9d-2nhuJCQ_0.wav", "audioset:s9d-2nhuJCQ"),
        ("-5RamNGZJkI_5000", "test", "audio/-5RamNGZJkI_5000_15000.flac", "audioset:-5RamNGZJkI"),
    ]
    assert annotations[0].events == (Event(0.0, 1.5, "Speech"), Event(2.0, 3.0, "Dog"))
    assert [(d.reason, d.detail) for d in dropped] == [
        ("event of a class that is not asked", "Music"),
        ("event of an unknown class", "/m/unknown"),
        ("unreadable entry", "segment_id is 'odd'"),
    ]
    with pytest.raises(ValueError, match=r"mid_to_display_name\.tsv: names no class 'Owl'"):
        list(AudioSetStrong(["Owl"]).annotations(tmp_path))
    (tmp_path / "audioset_eval_strong.tsv").write_text(header + "-5RamNGZJkI_5000\t0\t1,5\t/m/0bt9lr\n")
    with pytest.raises(ValueError, match=r"audioset_eval_strong\.tsv:2: end_time_seconds is '1,5', not a number"):
        list(AudioSetStrong(["Dog"]).annotations(tmp_path))
    (tmp_path / "mid_to_display_name.tsv").unlink()
    with pytest.raises(FileNotFoundError, match=r"mid_to_display_name\.tsv does not exist"):
        list(AudioSetStrong(["Dog"]).annotations(tmp_path))
