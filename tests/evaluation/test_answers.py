from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from timepro_lit.evaluation.answers import (
    digest_of_answers,
    found_record,
    is_complete,
    read_answers,
    read_skipped,
    write_evaluation,
    write_readings,
)
from timepro_lit.evaluation.numbers import Trained, figures_of, scores_by_task
from timepro_lit.metrics.suite import Scores
from timepro_lit.records import Answer, Event, Example, Voter
from timepro_lit.runs.origin import Grounds, Origin
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.sound_events import SoundEventDetection
from timepro_lit.tasks.voted import voted

ORIGIN = Origin({"data": {"examples": "1f"}, "adapter": "2e"}, {"lalm/base.py": "3d"})
SCORING = Grounds({}, {})
TASKS = {"ag": Grounding(), "sed": SoundEventDetection(["dog"])}


def answer(number: int, task: str, text: str) -> Answer:
    query = "a dog barks" if task == "ag" else None
    events = (Event(1.0, 2.0, query or "dog"),)
    example = Example(f"{number}-{task}", task, f"{number}.flac", 4.0, events, query)
    return Answer(example, TASKS[task].prompt(example), text, TASKS[task].parse(text), truncated=False)


EXACT = [answer(n, "ag", '{"a dog barks": [1.00, 2.00]}') for n in range(2)]
ODD = [
    answer(0, "sed", '{"dog": [1.00, 2.00]}'),
    answer(1, "sed", "I hear a dog."),
    answer(2, "sed", '\u2028 "quotes" \x00\n{"dog": [3.00, 9.00]}'),
]


def test_predictions_read_back_give_the_same_scores(tmp_path: Path) -> None:
    scores = scores_by_task([*EXACT, *ODD], TASKS)
    folder = tmp_path / "sft"
    write_evaluation(folder, [*EXACT, *ODD], scores, lambda audio: f"/somewhere/{audio}", {}, ORIGIN, SCORING)
    again = scores_by_task(read_answers(folder, TASKS), TASKS)
    assert {task: s.values for task, s in again.items()} == {task: s.values for task, s in scores.items()}
    # A run that was interrupted pairs answers that it reads with answers that it has just got.
    between = figures_of({"sft": once(again), "grpo": once(scores)}, TASKS)["intervals"]["grpo - sft"]
    assert between["ag"]["mIoU"] == between["sed"]["Eb-F1"] == (0.0, 0.0)


def test_what_is_written_is_json_also_where_a_figure_is_not_defined(tmp_path: Path) -> None:
    moments = Grounding("moments", "any")
    example = replace(EXACT[0].example, task="moments")
    said = '{"a dog barks": [[1.00, 1e999]]}'
    endless = replace(EXACT[0], example=example, text=said, prediction=moments.parse(said))
    scores = scores_by_task([endless], {"moments": moments})
    assert math.isnan(scores["moments"].values["false_alarm_rate"])
    write_evaluation(tmp_path / "sft", [endless], scores, str, {}, ORIGIN, SCORING)

    def strictly(text: str) -> dict[str, Any]:
        return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))

    assert strictly((tmp_path / "sft/scores.json").read_text())["moments"]["false_alarm_rate"] is None
    (line,) = (tmp_path / "sft/predictions.jsonl").read_text().splitlines()
    assert strictly(line)["events"] == [[1.0, None, "a dog barks"]]
    (again,) = read_answers(tmp_path / "sft", {"moments": moments})
    assert again.prediction == endless.prediction


def test_answers_about_windows_say_which_and_others_are_written_as_before(tmp_path: Path) -> None:
    windows = [
        replace(one, example=replace(one.example, id=f"w{n}", audio="long.flac", start_s=4.0 * n, recording_s=9.5))
        for n, one in enumerate(EXACT)
    ]
    answers = [*windows, *ODD]
    scores = scores_by_task(answers, TASKS)
    assert scores["ag"].clips == ("w0",)  # what the bootstrap draws is the recording
    write_evaluation(tmp_path / "sft", answers, scores, lambda audio: f"/there/{audio}", {}, ORIGIN, SCORING)
    assert [one.example for one in read_answers(tmp_path / "sft", TASKS)] == [one.example for one in answers]
    first, second, plain, *_ = map(json.loads, (tmp_path / "sft/predictions.jsonl").read_text().split("\n")[:-1])
    assert [first["audio"], second["audio"]] == ["/there/long.flac#t=0.0000,4.0000", "/there/long.flac#t=4.0000,8.0000"]
    assert (second["start_s"], second["recording_s"], second["clip"]) == (4.0, 9.5, "long.flac")
    assert set(first) - set(plain) == {"start_s", "recording_s"}
    before = digest_of_answers(tmp_path / "sft")
    moved = [replace(windows[0], example=replace(windows[0].example, start_s=1.0)), *answers[1:]]
    write_evaluation(tmp_path / "moved", moved, scores, lambda audio: f"/there/{audio}", {}, ORIGIN, SCORING)
    assert digest_of_answers(tmp_path / "moved") != before


def test_a_digest_of_answers_is_that_of_earlier_versions(tmp_path: Path) -> None:
    write_evaluation(tmp_path / "sft", ODD[:1], scores_by_task(ODD[:1], TASKS), str, {}, ORIGIN, SCORING)
    prompt = json.dumps(ODD[0].prompt)
    said = (
        f'[["0-sed", "sed", "0.flac", 4.0, null, {prompt}, [[1.0, 2.0, "dog"]], "{{\\"dog\\": [1.00, 2.00]}}", false]]'
    )
    assert digest_of_answers(tmp_path / "sft") == hashlib.sha256(said.encode()).hexdigest()


def once(scores: Mapping[str, Scores]) -> Trained:
    return Trained({task: [of_task] for task, of_task in scores.items()})


def written(folder: Path, origin: Origin = ORIGIN) -> Path:
    answers = [*EXACT, *ODD]
    scores = scores_by_task(answers, TASKS)
    write_evaluation(folder, answers, scores, lambda audio: f"/there/{audio}", {"silent": 2}, origin, SCORING)
    return folder


def test_every_answer_has_a_line_and_a_summary_says_what_was_odd(tmp_path: Path) -> None:
    assert not is_complete(tmp_path / "sft")
    folder = written(tmp_path / "sft")
    assert is_complete(folder)
    first = json.loads((folder / "predictions.jsonl").read_text().split("\n")[0])
    assert (first["audio"], first["clip"], first["scores"]["IoU"]) == ("/there/0.flac", "0.flac", 100.0)
    summary = json.loads((folder / "scores.json").read_text())
    assert summary["all"] == {"parse_rate": 80.0, "truncated": 0.0}
    assert summary["skipped"] == read_skipped(folder) == {"silent": 2}
    assert summary["repairs"] == {"prose": 2}
    (folder / "scores.json").write_text('{"skip')
    assert read_skipped(folder) == {"silent": 2}


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"task": "dac"}, "is no answer of this run: KeyError('dac')"),
        ({"reference": [1]}, "is no answer of this run: TypeError"),
        ({"reference": [["1", 2.0, "dog"]]}, "onset must be a number of seconds"),
        ({"duration_s": float("nan")}, "NaN is not a number"),
        ({"clip": "../a.flac"}, "audio must be a plain path"),
        ({"text": 3}, "prompt and text must be text"),
    ],
)
def test_an_answer_that_is_none_is_named(tmp_path: Path, changed: dict[str, Any], fault: str) -> None:
    folder = tmp_path / "sft"
    write_evaluation(folder, EXACT, scores_by_task(EXACT, TASKS), str, {}, ORIGIN, SCORING)
    path = folder / "predictions.jsonl"
    first, second = map(json.loads, path.read_text().splitlines())
    path.write_text(f"{json.dumps(first)}\n{json.dumps(second | changed)}\n")
    with pytest.raises(ValueError) as refusal:
        read_answers(folder, TASKS)
    assert str(refusal.value).startswith(f"{path}:2: ")
    assert fault in str(refusal.value)
    path.write_text("{")
    with pytest.raises(ValueError, match=r"predictions\.jsonl:1: is no answer of this run"):
        read_answers(folder, TASKS)


@pytest.mark.parametrize("other", [{"data": {"examples": "9f"}}, {"adapter": None}])
def test_answers_of_something_else_are_not_taken(other: dict[str, object], tmp_path: Path) -> None:
    folder, wanted = written(tmp_path / "sft"), Origin({**ORIGIN.determinants, **other}, ORIGIN.code)
    assert found_record(folder, ORIGIN) is not None
    assert found_record(folder, wanted) is None
    written(folder, wanted)  # gives way as a whole
    assert found_record(folder, wanted) is not None
    assert [path.name for path in tmp_path.iterdir()] == ["sft"]


def test_answers_of_other_code_are_found_and_told_apart(tmp_path: Path) -> None:
    newer = Origin(ORIGIN.determinants, {"lalm/base.py": "4c"})
    record = found_record(written(tmp_path / "sft"), newer)
    assert record is not None and newer.other_code(record) == ["lalm/base.py"]


def test_an_evaluation_is_there_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        written(tmp_path / "sft")
    assert not is_complete(tmp_path / "sft")
    monkeypatch.undo()
    assert is_complete(written(tmp_path / "sft"))
    assert [path.name for path in tmp_path.iterdir()] == ["sft"]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("predictions.jsonl", "I hear a dog.", "I hear a cat."),
        ("predictions.jsonl", "}\n{", "}\n"),
        ("result.json", '"determinants"', '"determined"'),
    ],
)
def test_damaged_answers_are_not_taken(file: str, old: str, new: str, tmp_path: Path) -> None:
    path = written(tmp_path / "sft") / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    assert found_record(tmp_path / "sft", ORIGIN) is None


def test_answers_read_another_way_stay_the_same_answers(tmp_path: Path) -> None:
    """What is shown of a clip is what the table counts, after a change of the reader as well."""
    folder, changed = written(tmp_path / "sft"), [answer(0, "ag", '{"a dog barks": [1.00, 2.00]}')]
    changed += read_answers(folder, TASKS)[1:]
    answers = [Answer(a.example, a.prompt, a.text, TASKS["ag"].parse(""), a.truncated) for a in changed]
    write_readings(folder, answers, scores_by_task(answers, TASKS), str, {}, SCORING)
    assert found_record(folder, ORIGIN) is not None
    assert json.loads((folder / "predictions.jsonl").read_text().split("\n")[0])["scores"]["IoU"] == 0.0
    assert json.loads((folder / "scores.json").read_text())["all"]["parse_rate"] == 0.0


def test_evaluations_of_earlier_versions_can_be_shown_and_are_not_taken(tmp_path: Path) -> None:
    folder = written(tmp_path / "sft")
    (folder / "result.json").unlink()
    assert is_complete(folder) and len(read_answers(folder, TASKS)) == 5
    assert found_record(folder, ORIGIN) is None


def test_a_vote_is_taken_again_from_what_was_said(tmp_path: Path) -> None:
    example = EXACT[0].example
    texts = ['{"a": [1.00, 2.00]}', '{"a": [1.20, 2.00]}', '{"a": [3.00, 4.00]}', "nothing"]
    voters = tuple(Voter(text, TASKS["ag"].parse(text), truncated=False) for text in texts)
    answer = voted(example, TASKS["ag"], "When?", voters)
    write_evaluation(tmp_path / "v", [answer], scores_by_task([answer], TASKS), str, {}, ORIGIN, SCORING)
    assert is_complete(tmp_path / "v")
    [line] = map(json.loads, (tmp_path / "v" / "predictions.jsonl").read_text().splitlines())
    assert line["events"] == [[1.1, 2.0, "a"]] and line["event_scores"] == [0.5] and line["presence"] == 1.0
    assert line["text"] is None and [one["text"] for one in line["voters"]] == texts
    assert line["voters"][2]["events"] == [[3.0, 4.0, "a"]]
    assert read_answers(tmp_path / "v", TASKS) == [answer]
    line["voters"][0]["text"] = '{"a": [1.00, 2.10]}'
    (tmp_path / "v" / "predictions.jsonl").write_text(json.dumps(line) + "\n")
    assert not is_complete(tmp_path / "v")
    (tmp_path / "v" / "predictions.jsonl").write_text(json.dumps(line | {"voters": [{"text": 3}]}) + "\n")
    with pytest.raises(ValueError, match=r"predictions\.jsonl:1: is no answer of this run: KeyError"):
        read_answers(tmp_path / "v", TASKS)
