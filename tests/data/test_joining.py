"""A caption that stands twice in a recording is one question: no window denies what the other says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import noise
from timepro_lit.data.corpora.annotated import Annotation, Dropped
from timepro_lit.data.corpora.castella import Castella
from timepro_lit.data.corpora.moments import MomentLines
from timepro_lit.data.joining import joined
from timepro_lit.data.manifest import read_manifest
from timepro_lit.data.preparation import prepare
from timepro_lit.data.questions import Cutting
from timepro_lit.records import Event
from timepro_lit.tasks.grounding import Grounding

TASKS = {"moments": Grounding("moments", "any")}
VIDEO = "rqfQRErjfk8"


def castella(root: Path, *moments: tuple[str, object]) -> Castella:
    rows = [{"local_caption": caption, "timestamps": times} for caption, times in moments]
    (root / "train.json").write_text(json.dumps([{"yid": VIDEO, "duration": 90, "moments": rows}]))
    return Castella()


def lines(root: Path, *moments: tuple[str, object]) -> MomentLines:
    rows = [
        {"qid": n, "query": query, "duration": 90, "vid": VIDEO, "relevant_windows": times}
        for n, (query, times) in enumerate(moments)
    ]
    (root / "castella_train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return MomentLines()


@pytest.mark.parametrize("corpus", [castella, lines])
def test_captions_that_stand_twice_are_asked_once_for_all_their_times(tmp_path: Path, corpus: object) -> None:
    assert callable(corpus)
    noise(tmp_path / f"audio/{VIDEO}.wav", 90.0)
    read = corpus(
        tmp_path, ("A dog barks", [[2, 5]]), ("Rain", [[1, 4]]), ("a  DOG barks.", [[70, 75], [2, 5]]),
        ("A dog barks", [[2, 5]]), ("Wind", [[1, 4]]), ("wind", [["1,5", 2]]), ("Hail", [["1,5", 2]]),
    )  # fmt: skip
    counts = prepare(read, tmp_path, tmp_path / "out", TASKS, num_workers=0, cutting=Cutting(30.0, 1.0))
    examples = [e for e in read_manifest(tmp_path / "out/train.jsonl") if e.query == "A dog barks"]
    times = [[(e.onset, e.offset, e.label) for e in one.events] for one in examples]
    assert times == [[(2.0, 5.0, "A dog barks")], [], [(10.0, 15.0, "A dog barks")]]
    assert counts["examples"] == {
        "train": {"moments": 6}
    }  # and three of rain; nothing about the wind that blows some time
    assert {reason: of_task["moments"] for reason, of_task in counts["dropped"].items()} == {
        "event without extent": 1,
        "query joined": 1,
        "repeated": 1,
        "unreadable entry": 2,
        "window with an event without extent": 3,
    }
    dropped = [json.loads(line) for line in (tmp_path / "out/dropped.jsonl").read_text().splitlines()]
    details = {one["reason"]: one["detail"] for one in dropped}
    assert details["event without extent"] == "onset is '1,5', not a number"
    assert details["repeated"].startswith("says what ")
    assert details["query joined"].endswith("which takes over its times: a DOG barks.")


def test_others_stay_as_they_are() -> None:
    def one(where: str, **other: object) -> Annotation:
        told = {"id": where, "task": "moments", "audio": "a.wav", "events": (Event(1, 2, "x"),), "split": "train"}
        return Annotation(**(told | {"where": where, "query": "x", "complete": True} | other))  # type: ignore[arg-type]

    others = [one("1"), one("2", audio="b.wav"), one("3", split="test"), one("4", task="ag", complete=False),
              one("5", task="ag", complete=False), one("6", query="y"), one("7", task="dac", query=None),
              one("8", task="dac", query=None)]  # fmt: skip
    dropped: list[Dropped] = []
    assert joined(others, dropped) == others
    assert not dropped
