"""The sums that scores are a function of, stored beside the answers: many runs are compared without scoring again.

`sums.safetensors` holds, for each task, the (N, K) rows of its `Scores`, and says what they were made from: the file of
the answers, the code that read and scored them, and the settings of the tasks. They count where all of it is the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from timepro_lit.evaluation.numbers import ALL_TASKS
from timepro_lit.files.atomic import replacing
from timepro_lit.metrics.base import SumMetric
from timepro_lit.metrics.suite import Scores, from_rows
from timepro_lit.records import Example
from timepro_lit.runs.origin import Grounds, key_of

SUMS = "sums.safetensors"
_PLACE = re.compile(rb'"audio": "(?:[^"\\]|\\.)*"')
"""In a line of answers, where the recording lies, which changes nothing; quotes inside of texts are escaped."""
_SAID = "said"
"""The one key of the file's header, whose keys have no order of their own: the same sums are the same bytes."""


def write_sums(
    folder: Path, answers: Path, scores: Mapping[str, Scores], questions: Mapping[str, str], scoring: Grounds
) -> None:
    """Write the sums of `scores`, which the file `answers` came to, where they do not lie there already."""
    tensors = {task: np.ascontiguousarray(of_task.rows) for task, of_task in scores.items()}
    said = {
        "made_from": _made_from(answers, scoring),
        "questions": dict(questions),
        "clips": {task: of_task.clips for task, of_task in scores.items()},
        "ids": {task: of_task.ids for task, of_task in scores.items()},
    }
    said["sha256"] = _digest(tensors, said)
    content, path = save(tensors, {_SAID: json.dumps(said)}), folder / SUMS
    if not path.exists() or path.read_bytes() != content:
        with replacing(path) as file:
            file.write(content)


def read_sums(
    folder: Path, answers: Path, metrics: Callable[[str], Sequence[SumMetric]], scoring: Grounds
) -> tuple[dict[str, Scores], dict[str, str]] | None:
    """Scores by task, without those of single examples, and what was asked (`questions_of`).

    `metrics`: task -> its metrics, for their formulas alone.
    None where the sums are not there, are damaged, or would be others today.
    """
    try:
        with safe_open(folder / SUMS, framework="numpy") as file:
            said = json.loads(file.metadata()[_SAID])
            tensors = {task: file.get_tensor(task) for task in file.keys()}  # noqa: SIM118
        if said.pop("sha256") != _digest(tensors, said) or said["made_from"] != _made_from(answers, scoring):
            return None
        clips, ids = said["clips"], said["ids"]
        scores = {task: from_rows(metrics(task), ids[task], clips[task], rows) for task, rows in tensors.items()}
        return scores, said["questions"]
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, AttributeError):
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
    said = _PLACE.sub(b"", answers.read_bytes())
    digest = hashlib.sha256(said).hexdigest()
    return key_of({"answers": digest, "settings": scoring.settings, "code": scoring.code})


def _digest(tensors: Mapping[str, np.ndarray], said: Mapping[str, Any]) -> str:
    whole = hashlib.sha256(json.dumps(dict(said), sort_keys=True).encode())
    for task in sorted(tensors):
        whole.update(f"{task} {tensors[task].shape}".encode() + tensors[task].tobytes())
    return whole.hexdigest()
