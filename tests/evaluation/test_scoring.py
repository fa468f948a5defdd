"""Answers of other systems: read, matched by id, scored, and what was wrong with their list said."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from timepro_lit.data.manifest import write_manifest
from timepro_lit.evaluation.answers import write_lines
from timepro_lit.evaluation.scoring import (
    check_output,
    labels_of,
    outcome_of,
    read_predictions,
    read_references,
    summary,
    table,
    write_outcome,
)
from timepro_lit.evaluation.sums import read_sums
from timepro_lit.metrics.event_f1 import EventF1
from timepro_lit.metrics.grounding import GroundingIoU
from timepro_lit.records import Event, Example, Prediction
from timepro_lit.runs.origin import Grounds
from timepro_lit.score import _psds
from timepro_lit.tasks import dense_captioning
from timepro_lit.tasks.base import metrics_of_test
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.merged import merged, read_again
from timepro_lit.tasks.sound_events import SoundEventDetection

SED = SoundEventDetection(["Cat", "Dog"])
REFERENCES = [
    Example("a.wav", "sed", "a.wav", 5.0, (Event(1.0, 2.0, "Dog"), Event(4.0, 5.0, "Cat"))),
    Example("b.wav", "sed", "b.wav", 3.0, (Event(0.5, 3.0, "Dog"),)),
    Example("c.wav", "sed", "c.wav", 0.0, ()),
]
REFERENCES_TSV = """filename\tonset\toffset\tevent_label
a.wav\t1.0\t2.0\tDog
a.wav\t4.0\t5.0\tCat
b.wav\t0.5\t3.0\tDog
c.wav\t\t\t
"""
ANSWERS = [
    {"id": "a.wav", "text": '{"Dog": [1.20, 2.10], "Cat": [4.20, 5.00],}'},
    {"id": "b.wav", "events": [[0.5, 3.4, "Dog"], [8, 9, "Cow"]]},
    {"id": "b.wav", "events": []},
    {"id": "z.wav", "events": []},
]


def lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return path


def test_both_kinds_of_answer_and_of_file(tmp_path: Path) -> None:
    (tmp_path / "references.tsv").write_text(REFERENCES_TSV)
    assert read_references(tmp_path / "references.tsv", "sed") == REFERENCES
    answers = read_predictions(lines(tmp_path / "answers.jsonl", ANSWERS), SED)
    assert answers[0] == ("a.wav", SED.parse(ANSWERS[0]["text"]), ANSWERS[0]["text"])
    assert answers[1] == ("b.wav", Prediction((Event(0.5, 3.4, "Dog"), Event(8.0, 9.0, "Cow")), readable=True), "")
    assert read_predictions(tmp_path / "references.tsv", SED)[2] == ("c.wav", Prediction((), readable=True), "")


def test_references_are_the_examples_of_the_task(tmp_path: Path) -> None:
    grounding = Example("q", "ag", "a.wav", 5.0, (Event(1.0, 2.0, "a dog"),), query="a dog")
    write_manifest(tmp_path / "test.jsonl", [REFERENCES[0], grounding])
    assert read_references(tmp_path / "test.jsonl", "ag") == [grounding]
    assert labels_of([REFERENCES[0], grounding]) == ["Cat", "Dog", "a dog"]
    with pytest.raises(ValueError, match="holds no example of task 'dac'"):
        read_references(tmp_path / "test.jsonl", "dac")


def test_ids_that_do_not_fit_are_listed(tmp_path: Path) -> None:
    answers = read_predictions(lines(tmp_path / "answers.jsonl", ANSWERS), SED)
    outcome = outcome_of(answers, REFERENCES, [EventF1(classes=["Cat", "Dog"])])
    assert (outcome.missing, outcome.duplicate, outcome.unknown) == (("c.wav",), ("b.wav",), ("z.wav",))
    assert outcome.repairs == {"trailing_comma": 1}
    # 1.0 and 1.2 hit, 4.0 and 4.2 miss; an offset 0.4 late hits at 20% of 2.5 s, not at 0
    scores = summary(outcome, "sed")
    assert scores["eb_f1"]["macro"] == {"0.2": 50.0, "0": 25.0, "0.5": 50.0}
    assert scores["eb_f1"]["micro"]["0.2"] == pytest.approx(100 * 4 / 7)
    assert "1 missing ids (count 0): c.wav" in table(outcome)


def test_an_empty_text_beside_events_is_no_text(tmp_path: Path) -> None:
    rows: list[Any] = [
        {"id": "a.wav", "text": "", "events": [[1, 2, "Dog"]]}, {"id": "b.wav", "text": " ", "events": []},
        {"id": "c.wav", "text": "{}", "events": [[1, 2, "Dog"]]},
    ]  # fmt: skip
    answers = read_predictions(lines(tmp_path / "answers.jsonl", rows), SED)
    assert [(len(prediction.events), prediction.readable) for _, prediction, _ in answers] == [
        (1, True), (0, False), (0, True),
    ]  # fmt: skip


def test_votes_and_recordings_in_windows_are_scored_as_where_they_were_made(tmp_path: Path) -> None:
    moments = Grounding("moments", "any")
    said = [('{"a dog": [[1.2, 3.48]]}', False), ('{"a dog": [[0.0, 0.5], [1.2, 3.48]]}', False)]
    clip = Example("a", "moments", "a.wav", 10.0, (Event(1.2, 3.48, "a dog"),), "a dog")
    parts = [replace(clip, events=(), duration_s=5.0, start_s=start_s, recording_s=10.0) for start_s in (0.0, 5.0)]
    answers = [
        read_again(clip, moments, "", said, True),
        read_again(replace(clip, id="b"), moments, "", [("hm", False)] * 2, True),
        merged(replace(clip, id="c"), moments, [read_again(part, moments, "", said, True) for part in parts]),
    ]
    write_lines(tmp_path, answers, {}, str)
    assert [event.score for event in answers[0].prediction.events] == [0.5, 1.0]
    assert [p for _, p, _ in read_predictions(tmp_path / "predictions.jsonl", moments)] == [
        a.prediction for a in answers
    ]


def test_none_as_events_is_read_again_from_what_was_written(tmp_path: Path) -> None:
    given = [("c.wav", Prediction((), readable=True), ""), ("b.wav", Prediction((), readable=False), "")]
    outcome = outcome_of(given, REFERENCES, metrics_of_test(SED))
    write_outcome(tmp_path, outcome, SED, None, Grounds({}, {}), "")
    again = {id_: prediction.readable for id_, prediction, _ in read_predictions(tmp_path / "predictions.jsonl", SED)}
    assert again == {"a.wav": False, "b.wav": False, "c.wav": True}


def test_labels_and_times_that_cannot_match_are_said_and_score_as_before() -> None:
    events = (Event(1.0, 2.0, "dog"), Event(1500.0, 2000.0, "Dog"), Event(2.0, 1.0, "Dog"), Event(4.0, 5.0, "Cow"))
    given = [("a.wav", Prediction(events, readable=True), "")]
    outcome = outcome_of(given, REFERENCES[:1], [EventF1(classes=["Cat", "Dog"])], ["Cat", "Dog"])
    scores = summary(outcome, "sed")
    assert scores["eb_f1"]["macro"]["0.2"] == 0.0
    assert (scores["no_class"], scores["outside"], scores["reversed"]) == ({"dog": 1, "Cow": 1}, 1, 1)
    assert "2 labels are no class: 'dog' (1 events, the class is Dog), 'Cow' (1 events)\n" in table(outcome)
    assert "1 events lie wholly outside of their clip: are the times in seconds?\n" in table(outcome)
    right = outcome_of(given[:0], REFERENCES[:1], [EventF1(classes=["Cat", "Dog"])], ["Cat", "Dog"])
    assert "no class" not in table(right) and "outside" not in table(right)


def test_a_missing_answer_counts_zero() -> None:
    examples = [Example(i, "ag", i, 5.0, (Event(1.0, 2.0, "a dog"),), query="a dog") for i in ("x", "y")]
    outcome = outcome_of([("x", Grounding().parse("[1, 2]"), "[1, 2]")], examples, [GroundingIoU()])
    assert outcome.scores.values["mIoU"] == 50.0


def test_an_event_may_say_how_sure_the_system_is(tmp_path: Path) -> None:
    rows = [{"id": "a.wav", "events": [[1, 2, "Dog", 0.5], [4, 5, "Cat", None]]}]
    [(_, prediction, _)] = read_predictions(lines(tmp_path / "answers.jsonl", rows), SED)
    assert prediction.events == (Event(1.0, 2.0, "Dog", score=0.5), Event(4.0, 5.0, "Cat"))


def test_what_is_of_the_whole_set_stands_beside_without_an_interval() -> None:
    outcome = outcome_of([("a.wav", Prediction((), readable=True), "")], REFERENCES[:1], [EventF1(classes=["Dog"])])
    outcome = replace(outcome, whole={"PSDS1": 12.25})
    assert summary(outcome, "sed")["PSDS1"] == 12.25
    assert "PSDS1" not in summary(outcome, "sed")["intervals"]
    assert "PSDS1 12.2" in " ".join(table(outcome).split())


def test_psds_is_refused_where_it_means_nothing() -> None:
    cfg = OmegaConf.create({"references": "validation.tsv"})
    with pytest.raises(ValueError, match="a TSV does not say how long its clips are: give a manifest"):
        _psds(cfg, [], ["Dog"])
    with pytest.raises(ValueError, match="psds: is for sound event detection"):
        _psds(cfg, [], [])


def test_captions_are_scored_by_all_metrics_of_a_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Never:
        def score(self, pairs: list[tuple[str, str]]) -> list[float]:
            return [float(hypothesis == reference) for hypothesis, reference in pairs]

    monkeypatch.setattr(dense_captioning, "shared_meteor", Never)
    examples = [Example(i, "dac", i, 5.0, (Event(1.0, 2.0, f"a {i} of four words"),)) for i in ("dog", "cat")]
    task = dense_captioning.DenseCaptioning()
    answers = [("dog", task.parse("1.00-2.00, a dog of four words"), "")]
    outcome = outcome_of(answers, examples, metrics_of_test(task))
    assert outcome.scores.values["SODA_c"] == 50.0
    assert outcome.scores.values["CIDEr"] == pytest.approx(500.0)
    scoring = Grounds({}, {})
    write_outcome(tmp_path, outcome, task, "mine", scoring, "variant")
    known = read_sums(tmp_path, tmp_path / "predictions.jsonl", lambda name: metrics_of_test(task), scoring)
    assert known is not None and known[0]["dac"].values == outcome.scores.values
    assert read_sums(tmp_path, tmp_path / "predictions.jsonl", lambda name: task.metrics(), scoring) is None
    other = Grounds({}, {"metrics/soda.py": "another"})
    assert read_sums(tmp_path, tmp_path / "predictions.jsonl", lambda name: metrics_of_test(task), other) is None


def test_rounded_collars_stand_beside_the_plain_ones() -> None:
    answers = [("a.wav", Prediction((Event(1.2, 2.0, "Dog"), Event(4.2, 5.0, "Cat")), readable=True), "")]
    plain, rounded = EventF1(classes=["Cat", "Dog"]), EventF1(classes=["Cat", "Dog"], decimals=6)
    scores = summary(outcome_of(answers, REFERENCES[:1], [plain, rounded]), "sed")
    assert scores["eb_f1"]["macro"]["0.2"] == 50.0
    assert scores["eb_f1_rounded"]["macro"]["0.2"] == 100.0


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("[]", "1: a line must be a JSON object, not list"),
        ("{", "1: not a JSON object"),
        ('{"text": "x"}', "1: key 'id' must be text"),
        ('{"id": "a"}', "1: a line needs a 'text' or a list of 'events'"),
        (
            '{"id": "a", "events": [[1, true, "Dog"]]}',
            r"1: an event must be \[onset, offset, label\] or .* not \[1, true",
        ),
        ('{"id": "a", "events": [[1, "2", "Dog"]]}', "1: an event must be"),
        ('{"id": "a", "events": [[1, null, "Dog"]]}', "1: an event must be"),
        ('{"id": "a", "events": [[1, %s, "Dog"]]}' % ("9" * 400), "1: an event must be"),
        ('{"id": "a", "events": [7]}', "1: an event must be"),
        ('{"id": "a", "events": [[1, 2, "Dog", "outside"]]}', "1: an event must be"),
        ('{"id": "a", "events": [[1, 2, "Dog", NaN]]}', "1: an event must be"),
        ('{"id": "a", "events": [[1, 2, "Dog", 0.5, 0.5]]}', "1: an event must be"),
    ],
)
def test_a_fault_is_named_with_its_line(line: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text(line)
    with pytest.raises(ValueError, match=sentence):
        read_predictions(tmp_path / "answers.jsonl", SED)


def test_references_must_be_stretches_of_time(tmp_path: Path) -> None:
    (tmp_path / "references.tsv").write_text("filename\tonset\toffset\tevent_label\na.wav\t2\t1\tDog\n")
    with pytest.raises(ValueError, match=r"a\.wav holds an event from 2\.0 s to 1\.0 s"):
        read_references(tmp_path / "references.tsv", "sed")
    with pytest.raises(ValueError, match="not task=ag"):
        read_references(tmp_path / "references.tsv", "ag")


def test_nothing_is_written_over_but_scores_in_the_same_task(tmp_path: Path) -> None:
    folder, given = tmp_path / "x", lines(tmp_path / "answers.jsonl", ANSWERS)
    check_output(folder, "sed", [given])  # there is no such folder yet
    folder.mkdir()
    read = lines(folder / "predictions.jsonl", ANSWERS)
    check_output(folder, "sed", [given])
    (tmp_path / "link").symlink_to(folder)
    for replaced in ([read], [given, tmp_path / "link" / "predictions.jsonl"]):
        with pytest.raises(ValueError, match=r"x/predictions\.jsonl is read, and would be written over"):
            check_output(folder, "sed", replaced)
    (folder / "scores.json").write_text('{"task": "sed"}')
    check_output(folder, "sed", [given])
    with pytest.raises(ValueError, match="holds scores in 'sed', not dac: give each task a folder of its own"):
        check_output(folder, "dac", [given])
    (folder / "scores.json").write_text('{"protocol": "dcase2026_task6"}')
    check_output(folder, "dcase2026_task6", [])
    (folder / "result.json").write_text("{}")
    with pytest.raises(ValueError, match="x holds the answers of a run: give another folder"):
        check_output(folder, "dcase2026_task6", [])


def test_the_door(tmp_path: Path) -> None:
    (tmp_path / "references.tsv").write_text(REFERENCES_TSV)
    lines(tmp_path / "answers.jsonl", ANSWERS)
    command = [
        sys.executable, "-m", "timepro_lit.score", "task=sed", f"predictions={tmp_path / 'answers.jsonl'}",
        f"references={tmp_path / 'references.tsv'}", f"output_dir={tmp_path / 'scores'}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Eb-F1/micro" in done.stdout
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert scores["eb_f1"]["macro"]["0.2"] == 50.0
    assert scores["unknown"] == ["z.wav"]
    grounding = Example("q", "ag", "a.wav", 5.0, (Event(1.0, 2.0, "a dog"),), query="a dog")
    write_manifest(tmp_path / "test.jsonl", [grounding])
    lines(tmp_path / "answers.jsonl", [{"id": "q", "text": "from 1 to 1.5 seconds"}])
    again = [*command, "task=ag", f"references={tmp_path / 'test.jsonl'}"]
    refused = subprocess.run(again, capture_output=True, text=True)
    assert refused.stderr.endswith(" holds scores in 'sed', not ag: give each task a folder of its own\n")
    done = subprocess.run([*again, f"output_dir={tmp_path / 'ag'}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "ag" / "scores.json").read_text())["mIoU"] == 50.0
    refused = subprocess.run([*command[:4], f"output_dir={tmp_path}"], capture_output=True, text=True)
    assert refused.stderr == (
        "error: nothing was given for predictions, references: write predictions=... references=...\n"
    )
    refused = subprocess.run([*command, "task=[ag,sed]"], capture_output=True, text=True)
    assert refused.stderr == "error: one task is scored at a time, not ag, sed\n"
    write_manifest(tmp_path / "count.jsonl", [replace(grounding, task="count", query=None)])
    refused = subprocess.run(
        [*command, "task=count", f"references={tmp_path / 'count.jsonl'}", f"output_dir={tmp_path / 'count'}"],
        capture_output=True,
        text=True,
    )
    assert (refused.returncode, refused.stderr) == (1, "error: task: answers to count have no score\n")
