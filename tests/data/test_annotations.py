from __future__ import annotations

from pathlib import Path

import pytest

from timepro_lit.data.annotations import read_events_tsv
from timepro_lit.records import Event

HEADER = "filename\tonset\toffset\tevent_label"


def written(folder: Path, *lines: str) -> Path:
    path = folder / "events.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_files_keep_their_order_and_may_hold_no_event(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, "b.wav\t1.5\t2.25\tDog", "a.wav\t\t\t", "b.wav\t0\t1\tCat", "")
    assert read_events_tsv(path) == {"b.wav": (Event(1.5, 2.25, "Dog"), Event(0.0, 1.0, "Cat")), "a.wav": ()}


@pytest.mark.parametrize("empty", ["NaN", "nan", ""])
def test_a_cell_that_pandas_left_empty_is_empty(tmp_path: Path, empty: str) -> None:
    path = written(tmp_path, HEADER, f"a.wav\t{empty}\t{empty}\t{empty}", " two  spaces.wav\t0\t1\tNan bread")
    assert read_events_tsv(path) == {"a.wav": (), " two  spaces.wav": (Event(0.0, 1.0, "Nan bread"),)}
    with pytest.raises(ValueError, match=r":2: onset and offset must be numbers, not '' and '1'"):
        read_events_tsv(written(tmp_path, HEADER, "a.wav\tNaN\t1\tDog"))


def test_answers_may_say_how_sure_they_are(tmp_path: Path) -> None:
    lines = [f"{HEADER}\tscore", "a.wav\t0\t1\tDog\t0.25", "a.wav\t1\t2\tDog\t", "b.wav\t\t\t\t"]
    of_a = (Event(0.0, 1.0, "Dog", score=0.25), Event(1.0, 2.0, "Dog"))
    assert read_events_tsv(written(tmp_path, *lines), scored=True) == {"a.wav": of_a, "b.wav": ()}
    assert read_events_tsv(written(tmp_path, *lines))["a.wav"][0].score is None
    with pytest.raises(ValueError, match=r":2: score must be a number, not 'high'"):
        read_events_tsv(written(tmp_path, lines[0], "a.wav\t0\t1\tDog\thigh"), scored=True)


def test_columns_may_stand_in_any_order_and_a_mark_of_encoding_before_them(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeffevent_label\tfilename\tonset\toffset\tfold", "Dog\ta.wav\t0\t1\t3")
    assert read_events_tsv(path) == {"a.wav": (Event(0.0, 1.0, "Dog"),)}


def test_a_table_may_be_in_utf_16_and_is_named_where_it_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "events.tsv"
    path.write_text(f"{HEADER}\nTür.wav\t0\t1\tDog\n", encoding="utf-16")
    assert read_events_tsv(path) == {"Tür.wav": (Event(0.0, 1.0, "Dog"),)}
    path.write_text(f"{HEADER}\nTür.wav\t0\t1\tDog\n", encoding="latin-1")
    with pytest.raises(ValueError, match=r"events\.tsv: is no text in UTF-8; save it as UTF-8"):
        read_events_tsv(path)


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, "x" * 200_000)
    with pytest.raises(ValueError, match=r"events\.tsv:2: cannot be read: field larger than field limit"):
        read_events_tsv(path)


def test_times_are_read_as_they_are_written(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, "a.wav\t-0.00012345678901234567\t1e1\tDog")
    assert read_events_tsv(path) == {"a.wav": (Event(-0.00012345678901234567, 10.0, "Dog"),)}
    for time in ("1_0", "1,5", "inf", "\u0661"):
        with pytest.raises(ValueError, match=":2: onset and offset must be numbers"):
            read_events_tsv(written(tmp_path, HEADER, f"a.wav\t0\t{time}\tDog"))


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["filename\tonset\toffset", "a.wav\t0\t1"], ":1: column 'event_label' is missing"),
        ([HEADER, "a.wav\tzero\t1\tDog"], ":2: onset and offset must be numbers, not 'zero' and '1'"),
        ([HEADER, "a.wav\t0\t1\tDog", "a.wav\t0\t1"], ":3: the event has no event_label"),
        ([HEADER, "\t0\t1\tDog"], ":2: the filename is missing"),
        ([HEADER], "holds no line beside the header"),
    ],
)
def test_a_fault_is_named_with_its_line(lines: list[str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_events_tsv(written(tmp_path, *lines))
