"""Queries that belong to one recording each, as the files of retrieval challenges list them.

{"qid", "query", "vid", ...} a line; `vid` is the name of the recording without its suffix
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from timepro_lit.data.manifest import MAX_LINE_BYTES
from timepro_lit.files.json_object import read_lines, shown
from timepro_lit.records import Example
from timepro_lit.tasks.base import ScoredTask

SUFFIX = ".jsonl"
"""By which such a file is known from one with a query a line."""
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Query:
    """What a recording is asked."""

    text: str | None
    """None where the task needs none."""
    qid: int | str | None = None
    """What its file calls it; None where that says nothing."""


Queries = Mapping[str, Sequence[Query]]
"""By the name of a recording without folder and suffix."""


def read_own_queries(path: Path) -> dict[str, list[Query]]:
    """The queries of each recording. Raises ValueError naming the line at fault, or a qid that stands twice."""
    found: dict[str, list[Query]] = {}
    seen: set[str] = set()
    for where, row in read_lines(path, MAX_LINE_BYTES):
        qid, query, vid = row.get("qid"), row.get("query"), row.get("vid")
        if not isinstance(qid, int | str) or isinstance(qid, bool) or qid == "":
            raise ValueError(f"{where}: key 'qid' must be text or a whole number, not {shown(qid)}")
        if not isinstance(query, str) or not query.strip() or not isinstance(vid, str):
            raise ValueError(f"{where}: keys 'query' and 'vid' must be text")
        if str(qid) in seen:
            raise ValueError(f"{where}: qid {shown(qid)} stands twice")
        seen.add(str(qid))
        found.setdefault(vid, []).append(Query(query.strip(), qid))
    if not found:
        raise ValueError(f"queries: {path} is empty")
    return found


def matched(files: Sequence[Path], queries: Queries) -> tuple[list[Path], str]:
    """The recordings that something is asked about, and what is to be said of the rest.

    Raises ValueError where none of the queries is about a recording that is there, or two are called alike.
    """
    by_name: dict[str, Path] = {}
    for file in files:
        name = called(file.as_posix())
        if name in queries and name in by_name:
            raise ValueError(f"audio: {by_name[name]} and {file} are both called {name}, which the queries ask about")
        by_name.setdefault(name, file)
    absent = [name for name in queries if name not in by_name]
    if len(absent) == len(queries):
        raise ValueError(f"queries: none is about a recording that is there; the first is about {shown(absent[0])}")
    said = _counted("recordings that queries are about are not there", absent)
    said += _counted("recordings are asked nothing", [name for name in by_name if name not in queries])
    return [file for name, file in by_name.items() if name in queries], said


def prompts_of(task: ScoredTask, queries: Queries | Sequence[str | None]) -> list[str]:
    """All that is asked, in words; of recordings with queries of their own, after their names."""
    if not isinstance(queries, Mapping):
        return [task.prompt(_example(task, query)) for query in queries]
    return [f"{name}: {task.prompt(_example(task, one.text))}" for name, own in queries.items() for one in own]


def _example(task: ScoredTask, query: str | None) -> Example:
    return Example("", task.name, "", 1.0, events=(), query=query)


def called(name: str) -> str:
    """The name of a recording without folder and suffix.

    >>> called("street/a_0.0_10.0.wav")
    'a_0.0_10.0'
    """
    return PurePosixPath(name).stem


def _counted(what: str, names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _NAMED else ""
    return f"{len(names)} {what}: {', '.join(shown(name) for name in names[:_NAMED])}{more}\n" if names else ""
