from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from timepro_lit.evaluation.challenge import read_queries, read_windows, score_moments
from timepro_lit.records import Event, Example

QUERY = {"qid": "b_1", "query": "a horn", "duration": 299, "vid": "b", "relevant_windows": [[27, 28], [289, 290]]}
ANSWER = {"qid": "b_1", "query": "a horn", "vid": "b", "pred_relevant_windows": [[27, 28, 0.9], [100, 120, 0.2]]}


def written(path: Path, *rows: Any) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return path


def test_queries_and_windows_are_read(tmp_path: Path) -> None:
    queries = read_queries(written(tmp_path / "r.jsonl", QUERY, QUERY | {"qid": 7, "relevant_windows": []}))
    moments = (Event(27.0, 28.0, "a horn"), Event(289.0, 290.0, "a horn"))
    assert queries == [
        Example("b_1", "ag", "b", 299.0, moments, "a horn"),
        Example("7", "ag", "b", 299.0, (), "a horn"),
    ]
    [(id_, prediction, _)] = read_windows(written(tmp_path / "p.jsonl", ANSWER))
    assert id_ == "b_1"
    assert [event.score for event in prediction.events] == [0.9, 0.2]


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    references = written(
        tmp_path / "r.jsonl", QUERY, QUERY | {"qid": "c"}, QUERY | {"qid": "none", "relevant_windows": []}
    )
    answers = [ANSWER, ANSWER | {"pred_relevant_windows": []}, ANSWER | {"qid": "z"}, ANSWER | {"qid": "none"}]
    predictions = written(tmp_path / "p.jsonl", *answers)
    said = score_moments(predictions, references, tmp_path / "out", "mine")
    assert "1 missing ids (count 0): c" in said
    assert "1 duplicate ids (the first answer counts): b_1" in said
    assert "1 unknown ids (not counted): z" in said
    assert "1 queries without a moment (count as wrong): none" in said
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert scores["moments"]["R1@0.5"] == pytest.approx(100 / 3)
    assert scores["moments"]["mAP"] == pytest.approx(50 / 3)
    assert scores["moments"].keys() == {"R1@0.5", "R1@0.7", "mAP", "mAP@0.5", "mAP@0.75"}
    assert scores["without_moment"] == ["none"]


R1, MAP = "R1@0.5", "mAP@0.5"
WRONG = [[100, 120, 0.9]]


@pytest.mark.parametrize(
    ("windows", "r1", "average_precision"),
    [
        ([], 0.0, 0.0),
        ([[27, 28, 0.9]], 100.0, 50.0),  # fewer than ten are as many as there are
        ([[27, 28, 0.9], [289, 290, 0.8]], 100.0, 100.0),
        ([[27, 28, 0.1], [289, 290, 0.1], *WRONG], 100.0, 200 / 3),  # R1 takes the first, mAP the best score
        ([[100, 120, 0.5], [27, 28, 0.5], [289, 290, 0.5]], 0.0, 200 / 3),  # ties stand as in the file: 1/2, 2/3
        ([[27, 28, 0.5], [289, 290, 0.5], [100, 120, 0.5]], 100.0, 100.0),
        ([[27.5, 27.5, 0.9], [27, 28, 0.8], [289, 290, 0.7]], 0.0, 200 / 3),  # of no length
        ([[28, 27, 0.9], [27, 28, 0.8], [289, 290, 0.7]], 0.0, 200 / 3),  # reversed
        ([*WRONG * 9, [27, 28, 0.8], [289, 290, 0.7]], 0.0, 5.0),  # the eleventh does not count: 1/10 for one of two
        ([*WRONG * 10, [27, 28, 1.0]], 0.0, 0.0),
        ([[27, 28.5, -3], [289, 290, -5]], 100.0, 100.0),  # scores are in a system's own measure
    ],
)
def test_windows_come_to(tmp_path: Path, windows: list[list[float]], r1: float, average_precision: float) -> None:
    references = written(tmp_path / "r.jsonl", QUERY)
    predictions = written(tmp_path / "p.jsonl", ANSWER | {"pred_relevant_windows": windows})
    score_moments(predictions, references, tmp_path / "out", "mine")
    values = json.loads((tmp_path / "out" / "scores.json").read_text())["moments"]
    assert (values[R1], values[MAP]) == (r1, pytest.approx(average_precision))


def test_a_moment_of_no_length_is_found_by_nothing(tmp_path: Path) -> None:
    references = written(tmp_path / "r.jsonl", QUERY | {"relevant_windows": [[27, 28], [50, 50]]})
    predictions = written(tmp_path / "p.jsonl", ANSWER | {"pred_relevant_windows": [[27, 28, 0.9], [50, 50, 0.8]]})
    score_moments(predictions, references, tmp_path / "out", "mine")
    values = json.loads((tmp_path / "out" / "scores.json").read_text())["moments"]
    assert (values[R1], values[MAP]) == (100.0, 50.0)


def test_what_is_missing_repeated_or_unknown_changes_no_other_query(tmp_path: Path) -> None:
    # one query right, one never answered, one of which there is no moment, one answered twice
    references = written(
        tmp_path / "r.jsonl", *(QUERY | {"qid": n} for n in (1, 2, 4)), QUERY | {"qid": 3, "relevant_windows": []}
    )
    whole = ANSWER | {"pred_relevant_windows": [[27, 28, 0.9], [289, 290, 0.8]]}
    answers = [whole | {"qid": n} for n in (1, 3, 99)]
    answers += [ANSWER | {"qid": 4, "pred_relevant_windows": WRONG}, whole | {"qid": 4}]
    said = score_moments(written(tmp_path / "p.jsonl", *answers), references, tmp_path / "out", "mine")
    assert "1 missing ids (count 0): 2" in said and "1 unknown ids (not counted): 99" in said
    assert "1 duplicate ids (the first answer counts): 4" in said
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert (scores["num_examples"], scores["moments"][R1], scores["moments"]["mAP"]) == (4, 25.0, 25.0)
    assert (scores["missing"], scores["unknown"], scores["duplicate"]) == (["2"], ["99"], ["4"])
    assert scores["without_moment"] == ["3"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"qid": None}, "r.jsonl:1: key 'qid' must be text or a whole number, not None"),
        ({"qid": True}, "key 'qid' must be"),
        ({"duration": "60"}, "key 'duration' must be a length in seconds, not '60'"),
        ({"duration": 0}, "key 'duration' must be"),
        ({"vid": 3}, "keys 'query' and 'vid' must be text"),
        ({"relevant_windows": None}, "key 'relevant_windows' must be a list"),
        ({"relevant_windows": [[1]]}, r"must be \[start, end\], not \[1\]"),
        ({"relevant_windows": [[1, "2"]]}, r"must be \[start, end\]"),
        ({"relevant_windows": [[1, 9e999]]}, r"must be \[start, end\]"),
    ],
)
def test_a_faulty_line_is_named(tmp_path: Path, changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_queries(written(tmp_path / "r.jsonl", QUERY | changed))


def test_other_faults_are_named_as_well(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"r\.jsonl: qid b_1 stands twice"):
        read_queries(written(tmp_path / "r.jsonl", QUERY, QUERY))
    with pytest.raises(ValueError, match=r"r\.jsonl: holds no query"):
        read_queries(written(tmp_path / "r.jsonl", ""))
    with pytest.raises(ValueError, match=r"p\.jsonl:2: not a JSON object"):
        read_windows(written(tmp_path / "p.jsonl", ANSWER, "{"))
    with pytest.raises(ValueError, match=r"p\.jsonl: holds no answer"):
        read_windows(written(tmp_path / "p.jsonl", ""))
    with pytest.raises(ValueError, match=r"p\.jsonl:1: not a JSON object: key 'qid' stands twice"):
        read_windows(written(tmp_path / "p.jsonl", '{"qid": 1, "qid": 2, "pred_relevant_windows": []}'))
    with pytest.raises(ValueError, match=r"must be \[start, end, score\], not \[1, 2\]"):
        read_windows(written(tmp_path / "p.jsonl", ANSWER | {"pred_relevant_windows": [[1, 2]]}))
