"""Files of queries: of all recordings, one a line; or of one recording each, as retrieval challenges list them.

{"qid", "query", "vid", ...} a line; `vid` is the name of the recording without its suffix. Which of them a file holds
is told by its content, whatever it is called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from timepro_lit.data.manifest import MAX_LINE_BYTES
from timepro_lit.files.json_object import read_lines, shown
from timepro_lit.files.text_file import opened_text
from timepro_lit.files.visible_text import visible
from timepro_lit.records import Example
from timepro_lit.tasks.base import ScoredTask

_NAMED = 5
_BEGINS_A_LIST = re.compile(r"""\[\s*(?:$|["\[{\]])""")
_CELL_ENDS = re.compile(r"[\t,;]")
_COLUMNS = frozenset(("query", "queries", "filename", "qid", "vid"))
"""A first line with one of these in a cell is a table's, and no query."""
_WANTED = "give one query a line, or one JSON object a line with qid, query and vid"


@dataclass(frozen=True, slots=True)
class Query:
    """What a recording is asked."""

    text: str | None
    """None where the task needs none."""
    qid: int | str | None = None
    """What its file calls it; None where that says nothing."""


Queries = Mapping[str, Sequence[Query]]
"""By the name of a recording, without folder."""


def read_queries(path: Path) -> list[str | None] | dict[str, list[Query]]:
    """What all recordings are asked, or each of them.

    Raises ValueError where the file is empty, and naming the line at fault where it holds something else than queries.
    """
    with opened_text(path) as file:
        lines = [line.strip() for line in file.read().splitlines()]
    first = next((number for number, line in enumerate(lines) if line), None)
    if first is None:
        raise ValueError(f"queries: {path} is empty")
    if lines[first].startswith("{"):
        return read_own_queries(path)
    if _BEGINS_A_LIST.match(lines[first]):
        raise ValueError(f"queries: {path}:{first + 1}: begins a list in JSON; {_WANTED}")
    if _COLUMNS & {cell.strip("\"' ").lower() for cell in _CELL_ENDS.split(lines[first])}:
        raise ValueError(f"queries: {path}:{first + 1}: names the columns of a table; {_WANTED}")
    for number, line in enumerate(lines, start=1):
        if line.startswith("{"):
            raise ValueError(f"queries: {path}:{number}: begins an object in JSON, behind words; {_WANTED}")
    return [line for line in lines if line]


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


def matched(files: Sequence[Path], queries: Queries) -> tuple[dict[Path, list[Query]], str]:
    """The recordings that something is asked about, each with its queries; and what is to be said of the rest.

    Where no recording is called so to the letter, one is meant whose name is the same with its suffix, or in another
    normal form of Unicode. Raises ValueError where none of the queries is about a recording that is there, or where
    two recordings are called alike.
    """
    by_name: dict[tuple[int, str], list[Path]] = {}
    for file in files:
        for place, name in enumerate(_names(called(file.as_posix()), file.name)):
            by_name.setdefault((place, name), []).append(file)
    found: dict[Path, list[Query]] = {}
    absent = []
    for vid, asked in queries.items():
        meant = next((by_name[one] for one in enumerate(_names(vid, vid)) if one in by_name), [])
        if len(meant) > 1:
            both = f"{visible(str(meant[0]))} and {visible(str(meant[1]))}"
            raise ValueError(f"audio: {both} are both called {visible(vid)}, which the queries ask about")
        for file in meant:
            found.setdefault(file, []).extend(asked)
        absent += [] if meant else [vid]
    if not found:
        raise ValueError(f"queries: none is about a recording that is there; the first is about {shown(absent[0])}")
    said = _counted("recordings that queries are about are not there", absent)
    said += _counted("recordings are asked nothing", [called(file.as_posix()) for file in files if file not in found])
    return {file: found[file] for file in files if file in found}, said


def _names(name: str, with_suffix: str) -> tuple[str, ...]:
    """What a recording may be called, as it is first."""
    return name, with_suffix, normalize("NFC", name), normalize("NFC", with_suffix)


def prompts_of(task: ScoredTask, queries: Queries | Sequence[str | None]) -> list[str]:
    """All that is asked, in words; of recordings with queries of their own, after their names and what they are called.

    Votes are drawn by what a query is called.
    """
    if not isinstance(queries, Mapping):
        return [task.prompt(_example(task, query)) for query in queries]
    return [
        f"{name}, {one.qid}: {task.prompt(_example(task, one.text))}" for name, own in queries.items() for one in own
    ]


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
