"""The sums that scores are a function of, stored beside the answers: many runs are compared without scoring again.

`sums.safetensors` holds, for each task, the (N, K) rows of its `Scores`, and says what they were made from: the file of
the answers, the code that read and scored them, and the settings of the tasks. They count where all of it is the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from timepro_lit.evaluation.numbers import ALL_TASKS, metrics_of
from timepro_lit.files.atomic import replacing
from timepro_lit.files.fingerprint import content_digest
from timepro_lit.metrics.suite import Scores, from_rows
from timepro_lit.records import Example
from timepro_lit.runs.origin import Grounds, key_of
from timepro_lit.tasks.base import ScoredTask

SUMS = "sums.safetensors"
_MADE_FROM, _QUESTIONS, _CLIPS, _IDS, _SHA256 = "made_from", "questions", "clips", "ids", "sha256"


def write_sums(
    folder: Path, answers: Path, scores: Mapping[str, Scores], questions: Mapping[str, str], scoring: Grounds
) -> None:
    """Write the sums of `scores`, which the file `answers` came to, where they do not lie there already."""
    made_from = _made_from(answers, scoring)
    if _header(folder / SUMS).get(_MADE_FROM) == made_from:
        return
    tensors = {task: np.ascontiguousarray(of_task.rows) for task, of_task in scores.items()}
    texts = {
        _MADE_FROM: made_from,
        _QUESTIONS: json.dumps(dict(questions)),
        _CLIPS: json.dumps({task: of_task.clips for task, of_task in scores.items()}),
        _IDS: json.dumps({task: of_task.ids for task, of_task in scores.items()}),
    }
    texts[_SHA256] = _digest(tensors, texts)
    with replacing(folder / SUMS) as file:
        file.write(save(tensors, texts))


def read_sums(
    folder: Path, answers: Path, tasks: Mapping[str, ScoredTask], scoring: Grounds
) -> tuple[dict[str, Scores], dict[str, str]] | None:
    """Scores by task, without those of single examples, and what was asked (`questions_of`).

    None where the sums are not there, are damaged, or would be others today.
    """
    try:
        with safe_open(folder / SUMS, framework="numpy") as file:
            texts = file.metadata() or {}
            tensors = {task: file.get_tensor(task) for task in file.keys()}  # noqa: SIM118
        if texts.pop(_SHA256) != _digest(tensors, texts) or texts[_MADE_FROM] != _made_from(answers, scoring):
            return None
        clips, ids = json.loads(texts[_CLIPS]), json.loads(texts[_IDS])
        scores = {
            task: from_rows(metrics_of(task, tasks), ids[task], clips[task], rows) for task, rows in tensors.items()
        }
        return scores, json.loads(texts[_QUESTIONS])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def questions_of(examples: Sequence[Example]) -> dict[str, str]:
    """By task, a digest of its questions with their reference answers: equal where scores may be compared."""
    said: dict[str, list[str]] = {}
    for example in examples:
        events = [[event.onset, event.offset, event.label] for event in example.events]
        said.setdefault(example.task, []).append(json.dumps([example.id, example.query, events]))
    digests = {task: hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16] for task, lines in said.items()}
    return digests | {ALL_TASKS: key_of(digests)}


def _made_from(answers: Path, scoring: Grounds) -> str:
    return key_of({"answers": content_digest(answers), "settings": scoring.settings, "code": scoring.code})


def _digest(tensors: Mapping[str, np.ndarray], texts: Mapping[str, str]) -> str:
    whole = hashlib.sha256(json.dumps(dict(texts), sort_keys=True).encode())
    for task in sorted(tensors):
        whole.update(f"{task} {tensors[task].shape}".encode() + tensors[task].tobytes())
    return whole.hexdigest()


def _header(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError):
        return {}
