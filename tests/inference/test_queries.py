"""Files of queries: what they hold is told by their content."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from timepro_lit.inference.prediction import queries_of
from timepro_lit.inference.queries import Query, read_queries
from timepro_lit.tasks.grounding import Grounding

ROW = json.dumps({"qid": 5, "query": "a dog", "vid": "street"}) + "\n"


@pytest.mark.parametrize("name", ["q.jsonl", "q.JSONL", "q.ndjson", "q.json", "q.txt", "q"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_of_json_are_read_as_such_under_any_name(name: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("\n" + ROW, encoding=encoding)
    assert queries_of(Grounding(), None, tmp_path / name) == {"street": [Query("a dog", 5)]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_so_are_words(encoding: str, tmp_path: Path) -> None:
    words = ["Tür, dann ein Hund", "[music] and speech", '"quoted"', "a query, then an answer", "1, 2"]
    (tmp_path / "q.jsonl").write_text("\r\n".join(words), encoding=encoding, newline="")
    assert read_queries(tmp_path / "q.jsonl") == words


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('["a dog", "a bell"]', "1: begins a list in JSON"),
        ('\n[\n "a dog",\n "a bell"\n]', "2: begins a list in JSON"),
        ('[{"query": "a dog"}]', "1: begins a list in JSON"),
        ("[]", "1: begins a list in JSON"),
        ('filename,query\nstreet.wav,"a dog"', "1: names the columns of a table"),
        ("Query\na dog", "1: names the columns of a table"),
        ('"vid";"text"\nstreet;a dog', "1: names the columns of a table"),
        ("id\tquery\n1\ta dog", "1: names the columns of a table"),
        ("a dog\n" + ROW, "2: begins an object in JSON, behind words"),
        (ROW + "a dog", "2: not a JSON object"),
        ('{"query": "a dog"}', "1: key 'qid' must be text or a whole number"),
        ('{\n "qid": 5}', "1: not a JSON object"),
        (" \n", "is empty"),
    ],
)
def test_what_is_neither_is_refused_with_its_line(content: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text(content)
    with pytest.raises(ValueError, match=rf"q\.csv:?.*{sentence}"):
        read_queries(tmp_path / "q.csv")


def test_what_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "q.xlsx").write_bytes(b"PK\3\4\x14\0\xff")
    with pytest.raises(ValueError, match=r"q\.xlsx: is no text in UTF-8"):
        read_queries(tmp_path / "q.xlsx")
