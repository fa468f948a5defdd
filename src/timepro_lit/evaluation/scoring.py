"""Scores of any system's answers, wherever they were made: files in, numbers out.

    references   a manifest (`data.manifest`), or a DESED-style TSV of events
    predictions  lines {"id": ..., "text": ...} or {"id": ..., "events": [[onset, offset, label], ...]}, or such a TSV;
                 an event may say in a fourth place how sure the system is of it, by a number

An answer belongs to the example of the same id; in a TSV the file name is the id. Text is read by the task's own
`parse`, as in our evaluations.
"""

from __future__ import annotations

import io
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from timepro_lit.data.annotations import read_events_tsv
from timepro_lit.data.manifest import MAX_LINE_BYTES, read_manifest
from timepro_lit.evaluation.answers import PREDICTIONS, SCORES, is_put_together, put_together_again, write_lines
from timepro_lit.evaluation.oddities import Oddities, oddities_of
from timepro_lit.evaluation.sums import questions_of, write_sums
from timepro_lit.files.atomic import write_atomically
from timepro_lit.files.json_object import read_lines, read_object, shown
from timepro_lit.metrics.base import SumMetric
from timepro_lit.metrics.bootstrap import Interval
from timepro_lit.metrics.event_f1 import EventF1
from timepro_lit.metrics.suite import Scores, from_rows, intervals, score
from timepro_lit.records import Answer, Event, Example, Prediction
from timepro_lit.runs.origin import Grounds
from timepro_lit.runs.stages import RECORD
from timepro_lit.tasks.base import ScoredTask, metrics_of_test

MISSING = Prediction(events=(), readable=False)
"""Stands for an answer that was never given; like an unreadable one, it scores 0."""

_CONSEQUENCE = {"missing": "count 0", "duplicate": "the first answer counts", "unknown": "not counted"}

Given = Sequence[tuple[str, Prediction, str]]
"""(id, answer, its text or "" where it came as events) in the order of the file."""


@dataclass(frozen=True)
class Outcome:
    """What the answers of a system are worth, and what was wrong with their list."""

    scores: Scores
    answers: tuple[Answer, ...]
    """To each example; one that was never given is unreadable."""
    missing: tuple[str, ...]
    """Ids of examples without an answer; they count 0."""
    duplicate: tuple[str, ...]
    """Ids that were answered more than once; the first answer counts."""
    unknown: tuple[str, ...]
    """Ids that are in no reference; their answers do not count."""
    repairs: Mapping[str, int]
    """Kind of repair that reading needed -> number of answers."""
    odd: Oddities
    """Events of answers that cannot match."""
    whole: Mapping[str, float] = field(default_factory=dict)
    """Values in percent that are no functions of sums over clips, and so have no interval: PSDS."""


def read_references(path: Path, task: str) -> list[Example]:
    """The examples of one task. Raises ValueError naming the line at fault, or where no example is of the task."""
    if path.suffix != ".tsv":
        examples = [example for example in read_manifest(path) if example.task == task]
        if not examples:
            raise ValueError(f"{path}: holds no example of task {task!r}")
        return examples
    if task != "sed":
        raise ValueError(f"{path}: a TSV holds labelled events, which task=sed asks for, not task={task}")
    return [_example(name, events, path) for name, events in read_events_tsv(path).items()]


def read_predictions(path: Path, task: ScoredTask) -> list[tuple[str, Prediction, str]]:
    """The answers of a system, in file order; lines that say to answer another task are left out.

    Raises ValueError naming the line that is no JSON object, lacks an id, or has neither a text nor a list of events,
    and a file without answers.
    """
    if path.suffix == ".tsv":
        lists = read_events_tsv(path, scored=True).items()
        return [(name, Prediction(events, readable=True), "") for name, events in lists]
    answers = []
    for where, row in read_lines(path, MAX_LINE_BYTES):
        if not isinstance(row.get("id"), str):
            raise ValueError(f"{where}: key 'id' must be text")
        if row.get("task", task.name) == task.name:
            text = row["text"] if isinstance(row.get("text"), str) else ""
            if is_put_together(row):
                prediction = put_together_again(row, task, path, where)
            else:
                prediction = _prediction(row, task, where)
            answers.append((row["id"], prediction, text))
    if not answers:
        raise ValueError(f"{path}: holds no answer to task={task.name}")
    return answers


def outcome_of(
    given: Given,
    examples: Sequence[Example],
    metrics: Sequence[SumMetric],
    classes: Sequence[str] = (),
    lengths_known: bool = True,
) -> Outcome:
    """Scores of the answers `given` to `examples`, all of one task; `classes` and `lengths_known` as `oddities_of`."""
    first: dict[str, tuple[Prediction, str]] = {}
    for id_, prediction, text in given:
        first.setdefault(id_, (prediction, text))
    known = {example.id for example in examples}
    times = Counter(id_ for id_, _, _ in given)
    answers = tuple(_answer(example, *first.get(example.id, (MISSING, ""))) for example in examples)
    return Outcome(
        scores=score(metrics, [(answer.prediction, answer.example) for answer in answers]),
        answers=answers,
        missing=tuple(example.id for example in examples if example.id not in first),
        duplicate=tuple(id_ for id_, count in times.items() if count > 1),
        unknown=tuple(id_ for id_ in times if id_ not in known),
        repairs=Counter(kind for answer in answers for kind in answer.prediction.repairs),
        odd=oddities_of(answers, classes, lengths_known),
    )


def _answer(example: Example, prediction: Prediction, text: str) -> Answer:
    return Answer(example, prompt="", text=text, prediction=prediction, truncated=False)


def check_output(directory: Path, task: str, replaced: Sequence[Path]) -> None:
    """Raise ValueError where scores in `task`, or by the protocol so called, would destroy what `directory` holds.

    `replaced` are the files that are read, and must not be the one that is written.
    """
    lines = directory / PREDICTIONS
    if lines.exists() and any(path.exists() and lines.samefile(path) for path in replaced):
        raise ValueError(f"output_dir: {lines} is read, and would be written over: give another folder")
    if (directory / RECORD).exists():
        raise ValueError(f"output_dir: {directory} holds the answers of a run: give another folder")
    said = read_object(directory / SCORES) if (directory / SCORES).exists() else {"task": task}
    if (other := said.get("task", said.get("protocol"))) != task:
        kept = f"holds scores in {shown(other)}, not {task}"
        raise ValueError(f"output_dir: {directory} {kept}: give each task a folder of its own")


def write_outcome(
    directory: Path, outcome: Outcome, task: ScoredTask, system: str | None, scoring: Grounds, variant: str
) -> None:
    """Write scores.json, the answers as they were read, and the sums by which a report compares them.

    `system` is what it is called; None = as the folder, or the one above where that is called as the task. `scoring`
    and `variant` say how they were scored, to a report that asks whether that is how it scores; what stands beside the
    task's own metrics is in scores.json alone.
    """
    directory.mkdir(parents=True, exist_ok=True)
    metrics, of_all = metrics_of_test(task), outcome.scores
    own = of_all.rows[:, : sum(metric.num_sums for metric in metrics)]
    scores = {task.name: replace(from_rows(metrics, of_all.ids, of_all.clips, own), examples=of_all.examples)}
    write_lines(directory, outcome.answers, scores, str)
    questions = questions_of([answer.example for answer in outcome.answers])
    write_sums(directory, directory / PREDICTIONS, scores, questions, scoring)
    folder = directory.parent if directory.name == task.name else directory
    said = {"system": system or folder.name, "named": system is not None, "variant": variant} | summary(
        outcome, task.name
    )
    write_atomically(directory / SCORES, json.dumps(said, indent=1))


def with_rounded(metrics: Sequence[SumMetric], decimals: int | None) -> list[SumMetric]:
    """The metrics and, beside each event-based F1, one whose collars are compared after rounding to `decimals`."""
    if decimals is None:
        return list(metrics)
    return [*metrics, *(EventF1(m.rates[0], m.classes, decimals) for m in metrics if isinstance(m, EventF1))]


def summary(outcome: Outcome, task: str) -> dict[str, Any]:
    """The content of scores.json: percent, 95% bootstrap intervals over clips, and what was wrong with the list.

    Eb-F1 stands apart, by average and by share p of the reference's length: `eb_f1.macro["0.2"]`. Undefined is null.
    """
    values, spans = outcome.scores.values, intervals([outcome.scores])
    return {
        "task": task,
        "num_examples": len(outcome.scores.ids),
        **{name: _defined(value) for name, value in values.items() if not name.startswith("Eb-F1")},
        **_event_f1(values),
        **{name: _defined(value) for name, value in outcome.whole.items()},
        "intervals": {name: _defined_interval(span) for name, span in spans.items()},
        "missing": list(outcome.missing),
        "duplicate": list(outcome.duplicate),
        "unknown": list(outcome.unknown),
        "repairs": dict(outcome.repairs),
        **outcome.odd.record(),
    }


def table(outcome: Outcome) -> str:
    """The values with their intervals as text, then what was wrong with the list of answers."""
    spans = intervals([outcome.scores])
    rows = Table(box=box.SIMPLE, title=f"{len(outcome.scores.ids)} examples")
    for name in ("", "%", "95% interval"):
        rows.add_column(name, justify="right" if name else "left")
    for name, value in outcome.scores.values.items():
        rows.add_row(name, f"{value:.1f}", "{:.1f} .. {:.1f}".format(*spans[name]))
    for name, value in outcome.whole.items():
        rows.add_row(name, f"{value:.1f}", "")
    text = io.StringIO()
    Console(file=text, width=100).print(rows)
    for what, ids in (("missing", outcome.missing), ("duplicate", outcome.duplicate), ("unknown", outcome.unknown)):
        text.write(named_ids(f"{what} ids", ids, _CONSEQUENCE[what]))
    text.write(outcome.odd.lines())
    if outcome.repairs:
        text.write("repaired: " + ", ".join(f"{kind} {count}" for kind, count in outcome.repairs.items()) + "\n")
    return text.getvalue()


def named_ids(what: str, ids: Sequence[str], consequence: str) -> str:
    """A line that names the first of them; "" where there is none.

    >>> named_ids("missing ids", ["a", "b"], "count 0")
    '2 missing ids (count 0): a, b\\n'
    """
    more = ", ..." if len(ids) > 5 else ""
    return f"{len(ids)} {what} ({consequence}): {', '.join(ids[:5])}{more}\n" if ids else ""


def labels_of(examples: Sequence[Example]) -> list[str]:
    """The labels that occur in the references, sorted: the classes of a macro average where none are given."""
    return sorted({event.label for example in examples for event in example.events})


def _event_f1(values: Mapping[str, float]) -> dict[str, dict[str, dict[str, float | None]]]:
    """{"eb_f1": {"macro": {"0.2": ...}, "micro": ...}} from names as "Eb-F1/micro/p0.5"; pooled events are micro."""
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    has_classes = any("/micro" in name for name in values)
    for name, value in values.items():
        head, *rest = name.split("/")
        if head == "Eb-F1":
            group = "eb_f1_rounded" if "rounded" in rest else "eb_f1"
            average = "micro" if "micro" in rest or not has_classes else "macro"
            share = next((part[1:] for part in rest if part.startswith("p")), "0.2")
            found.setdefault(group, {}).setdefault(average, {})[share] = _defined(value)
    return found


def _defined(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _defined_interval(span: Interval) -> list[float] | None:
    return list(span) if all(map(math.isfinite, span)) else None


def _example(name: str, events: Sequence[Event], path: Path) -> Example:
    for event in events:
        if not 0 <= event.onset < event.offset:
            raise ValueError(
                f"{path}: {name} holds an event from {event.onset} s to {event.offset} s, which is no stretch of time"
            )
    end_s = max((event.offset for event in events), default=0.0)  # the clip's own length is not in the file
    return Example(name, "sed", name, end_s, tuple(sorted(events, key=lambda event: event.onset)))


def _prediction(row: Mapping[str, Any], task: ScoredTask, where: str) -> Prediction:
    text, events = row.get("text"), row.get("events")
    readable = row.get("readable")  # as our own files say
    has_events = isinstance(events, list) and (len(events) > 0 or readable is True)
    # What the system said; events beside it are somebody's reading of it, but of an empty text nobody reads any.
    if isinstance(text, str) and (text.strip() or not has_events):
        return task.parse(text)
    if not isinstance(events, list):
        raise ValueError(f"{where}: a line needs a 'text' or a list of 'events'")
    return Prediction(tuple(_event(event, where) for event in events), readable=readable is not False)


def _event(entry: Any, where: str) -> Event:
    try:
        onset, offset, label, *score = entry
        if not isinstance(label, str) or any(isinstance(number, bool | str) for number in (onset, offset, *score)):
            raise TypeError
        return Event(float(onset), float(offset), label, score=_score(*score))
    except (TypeError, ValueError, OverflowError):  # OverflowError: an integer of hundreds of digits
        raise ValueError(
            f"{where}: an event must be [onset, offset, label] or [onset, offset, label, score], "
            f"not {json.dumps(entry)[:80]}"
        ) from None


def _score(number: float | None = None) -> float | None:
    if number is not None and not math.isfinite(number):  # NaN would have no place in any ranking
        raise ValueError
    return None if number is None else float(number)
