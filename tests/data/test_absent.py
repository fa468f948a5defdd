"""Queries that do not occur, added to a corpus: never one that is true of the clip."""

from __future__ import annotations

from pathlib import Path

import pytest

from timepro_lit.data.absent import WithAbsent
from timepro_lit.data.corpora.prepared import Joined, Prepared
from timepro_lit.data.identity import identity
from timepro_lit.data.manifest import read_manifest, write_manifest
from timepro_lit.data.table import ExampleTable
from timepro_lit.lit.datamodule import ClipDataModule
from timepro_lit.records import Event, Example
from timepro_lit.tasks.grounding import Grounding

DOG, CAT, BELL = "a dog barks", "a cat meows", "a bell rings"


def asked(clip: str, query: str, *times: tuple[float, float]) -> Example:
    events = tuple(Event(*time, query) for time in times)
    return Example(f"{clip}-{query.split()[1]}", "moments", f"{clip}.wav", 5.0, events, query)


def detected(clip: str, *events: tuple[float, float, str], task: str = "sed") -> Example:
    return Example(f"{clip}-{task}", task, f"{clip}.wav", 5.0, tuple(Event(*event) for event in events))


def added(folder: Path, *examples: Example, share: float = 0.5, split: str = "train") -> list[Example]:
    write_manifest(folder / f"{split}.jsonl", examples)
    return questions(WithAbsent(Prepared(str(folder)), share, ["moments"]), split)


def questions(corpus: WithAbsent, split: str = "train") -> list[Example]:
    return list(ExampleTable(corpus.manifests(split)[1:])) if len(corpus.manifests(split)) > 1 else []


def test_each_question_gets_one_of_another_clip(tmp_path: Path) -> None:
    found = added(tmp_path, asked("a", DOG, (1.0, 2.0)), asked("b", CAT, (3.0, 4.0)), detected("c", (0.0, 1.0, "car")))
    assert [(e.id, e.task, e.audio, e.query, e.events) for e in found] == [
        ("a-dog-absent", "moments", "a.wav", CAT, ()),
        ("b-cat-absent", "moments", "b.wav", DOG, ()),
    ]


@pytest.mark.parametrize(
    "told",
    [
        asked("a", CAT, (3.0, 4.0)),  # asked about the clip itself
        asked("a", CAT),  # and absent
        detected("a", (3.0, 4.0, "The cat MEOWS!"), task="dac"),
        detected("a", (3.0, 4.0, "two cats fight"), task="dac"),  # a word of it
        detected("a", (3.0, 4.0, "meowing"), task="dac"),
        detected("a", (3.0, 4.0, "Felis")),  # what clip b calls the same event
    ],
)
def test_what_is_true_of_a_clip_is_not_asked_as_absent(tmp_path: Path, told: Example) -> None:
    others = [asked("b", CAT, (3.0, 4.0)), detected("b", (3.0, 4.0, "Felis")), asked("c", BELL, (1.0, 2.0))]
    found = added(tmp_path, asked("a", DOG, (1.0, 2.0)), told, *others)
    of_a = [e.query for e in found if e.audio == "a.wav"]
    assert of_a[:1] == [BELL]
    assert CAT not in of_a


def test_one_recording_in_two_corpora_is_one_clip(tmp_path: Path) -> None:
    name = "Yb0RFKhbpFJA_30.000_40.000"
    write_manifest(tmp_path / "x/train.jsonl", [asked(name, DOG, (1.0, 2.0)), asked("b", CAT, (1.0, 2.0))])
    write_manifest(
        tmp_path / "y/train.jsonl", [detected("b0RFKhbpFJA", (0.0, 1.0, "cat")), asked("c", BELL, (1.0, 2.0))]
    )
    corpora = {name: Prepared(str(tmp_path / name)) for name in "xy"}
    corpus = WithAbsent(Joined(corpora), 0.5, ["moments"])
    manifests = corpus.manifests("train")
    assert [(path.parent.name, prefix) for path, prefix in manifests[2:]] == [("absent", "x/"), ("absent", "y/")]
    found = list(ExampleTable(manifests[2:]))
    assert [(e.audio, e.query) for e in found if e.audio == f"x/{name}.wav"] == [(f"x/{name}.wav", BELL)]
    assert {e.audio for e in found} == {f"x/{name}.wav", "x/b.wav", "y/c.wav"}


def many(number: int, split: str = "train") -> list[Example]:
    return [
        asked(f"{split}{n}", ("a dog barks", "a cat meows", "rain falls")[n % 3], (1.0, 2.0)) for n in range(number)
    ]


def test_the_share_is_that_of_all_questions(tmp_path: Path) -> None:
    found = added(tmp_path, *many(2000), share=0.2)
    assert len(found) / (2000 + len(found)) == pytest.approx(0.2, abs=0.02)


def test_they_are_the_same_each_time_and_follow_a_change_of_the_manifest(tmp_path: Path) -> None:
    first = added(tmp_path / "one", *many(60))
    assert added(tmp_path / "two", *many(60)) == first
    corpus = WithAbsent(Prepared(str(tmp_path / "one")), 0.5, ["moments"])
    manifest = corpus.manifests("train")[1][0]
    stamp = manifest.stat().st_mtime_ns
    assert corpus.manifests("train")[1][0].stat().st_mtime_ns == stamp  # found again
    manifest.unlink()
    assert questions(corpus) == first  # made again
    write_manifest(tmp_path / "one" / "train.jsonl", many(30))
    assert corpus.manifests("train")[1][0] != manifest
    assert len(questions(corpus)) < len(first)


def test_where_no_query_fits_a_split_goes_without_but_not_the_one_to_train_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alike = asked("a", DOG, (1.0, 2.0)), asked("b", DOG, (1.0, 2.0))
    with pytest.raises(ValueError, match=r"train\.jsonl: no query is absent from any clip; data\.absent_share needs"):
        added(tmp_path, *alike)
    corpus = WithAbsent(Prepared(str(tmp_path)), 0.5, ["moments"], trained="more")
    for _ in range(2):
        assert corpus.manifests("train") == [(tmp_path / "train.jsonl", "")]
    [said] = caplog.messages
    assert said == "data.absent_share: in the split train no query is absent from any clip, so it gets none"
    assert corpus.note() == "50% of moments ask for what is not annotated there, none in train"


def test_other_tasks_and_splits_without_a_manifest_get_none(tmp_path: Path) -> None:
    assert added(tmp_path, detected("a", (1.0, 2.0, "dog")), detected("b", (1.0, 2.0, "cat"))) == []
    corpus = WithAbsent(Prepared(str(tmp_path)), 0.2, ["moments"])
    assert corpus.manifests("val") == [(tmp_path / "val.jsonl", "")]
    assert corpus.note() == "20% of moments ask for what is not annotated there"


def test_the_data_module_reads_them_and_they_identify_its_data(tmp_path: Path) -> None:
    for split in ("train", "val"):
        write_manifest(tmp_path / f"{split}.jsonl", many(20, split))
    (tmp_path / many(1, "train")[0].audio).write_bytes(b"a recording")
    tasks = {"moments": Grounding("moments", "any")}
    plain, data = (ClipDataModule(Prepared(str(tmp_path)), tasks, absent_share=share) for share in (0.0, 0.5))
    data.prepare_data()
    absent = [e for e in data.examples("train") if not e.events]
    assert len(plain.examples("train")) == 20
    assert len(data.examples("train")) == 20 + len(absent) > 20
    data.refuse_shared("train", "val")
    told = {
        name: identity(m.corpus.manifests("train"), tasks, m.corpus.store())
        for name, m in (("plain", plain), ("absent", data))
    }
    assert told["plain"]["examples"] != told["absent"]["examples"]
    assert [e.id for e in read_manifest(data.corpus.manifests("train")[1][0])] == [e.id for e in absent]


@pytest.mark.parametrize(
    ("share", "tasks", "sentence"),
    [
        (0.6, ["moments"], "between 0 and 0.5"),
        (-0.1, ["moments"], "between 0 and 0.5"),
        (0.2, [], r"task=\[\.\.\., moments\]"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, share: float, tasks: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        WithAbsent(Prepared(str(tmp_path)), share, tasks)
