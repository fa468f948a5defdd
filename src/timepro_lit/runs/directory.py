"""Run directories: named by what was asked, never by a date; resumed, never overwritten."""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from timepro_lit.files.atomic import is_left_over, sweep, write_atomically
from timepro_lit.files.holding import LOCK, held
from timepro_lit.files.sealing import damaged_in, digests_of, sealed
from timepro_lit.runs.config_file import CONFIG, read_config, resolved, write_config
from timepro_lit.runs.determinants import unnamed, without_num_workers, without_presence
from timepro_lit.runs.origin import differing_keys, read_record
from timepro_lit.runs.stages import is_rank_zero

log = logging.getLogger(__name__)

ERROR, FINISHED = "error.txt", "finished.json"
OWN = (CONFIG, LOCK, ERROR)
"""Files of a run directory in which nothing has been made yet."""
PUBLISHED = ("report.json", "report.html")
"""Without them a run that wrote them is not finished."""
MADE = ("*/result/**/*", "*/metrics.csv", "evaluation/**/*")
"""What else a run comes to."""
_CODE = re.compile(r"(stages\.[^.]+|answers)\.code\.")
"""How the names of keys begin that say which code made a run."""


@dataclass(frozen=True)
class Run:
    """A claimed run directory."""

    directory: Path

    @property
    def finished(self) -> dict[str, Any] | None:
        """What `finish` stored, or None while there is something left to do: also where a file has gone or changed.

        Reads all that the run came to.
        """
        stored = self._stored
        if stored is None:
            return None
        # Before there was this list, whatever evaluated its rows had a report.
        evaluated = (self.directory / "evaluation").exists()
        published = stored.get("published", PUBLISHED if evaluated else ())
        if not isinstance(published, dict):  # of an earlier version, which kept no checksums
            return stored if all((self.directory / name).exists() for name in published) else None
        if (path := self.damaged("*")) is not None:
            log.warning(f"{path} is missing or damaged, so that this finished run is completed again")
        return stored if path is None else None

    def damaged(self, *patterns: str) -> Path | None:
        """The first file, of those with a name like one of these, that is not as it was when the run was finished."""
        published = (self._stored or {}).get("published")
        digests = published.items() if isinstance(published, dict) else ()  # a list is of an earlier version
        asked = {name: digest for name, digest in digests if any(fnmatchcase(name, pattern) for pattern in patterns)}
        return damaged_in(self.directory, asked)

    def outdated(self, made_from: Mapping[str, Any], but_code: bool = False) -> str | None:
        """In what a finished run would come to something else today; None where it would not, or nobody can tell.

        What it was made from besides, to answer rows that are not asked for now, is not compared; nor is, with
        `but_code`, the code.
        """
        stored = (self._stored or {}).get("made_from")
        if stored is None:  # of an earlier version
            return None
        now = json.loads(json.dumps(made_from))
        differing = differing_keys(_asked(stored, now, levels=2), now)
        return next((one for one in differing if not (but_code and _CODE.match(one))), None)

    def finish(self, table: str, metric: float | None, made_from: Mapping[str, Any]) -> None:
        """Mark the run as complete; `table` is printed and `metric` returned by every later call.

        `made_from` is all that decides what the run comes to.
        """
        results = [path for made in MADE for path in self.directory.glob(made)]
        published = [path for name in PUBLISHED if (path := self.directory / name).exists()]
        published += sorted(path for path in results if path.is_file() and not is_left_over(path))
        digests = digests_of(self.directory, published)
        stored = {"table": table, "metric": metric, "published": digests, "made_from": made_from}
        write_atomically(self.directory / FINISHED, sealed(stored))

    @property
    def _stored(self) -> dict[str, Any] | None:
        stored = read_record(self.directory / FINISHED)
        return stored if stored is not None and {"table", "metric"} <= stored.keys() else None


def _asked(stored: Any, now: Mapping[str, Any], levels: int) -> Any:
    """Of nested mappings, the keys that are there now, as many levels down."""
    if not levels or not isinstance(stored, Mapping):
        return stored
    return {key: _asked(stored[key], node, levels - 1) for key, node in now.items() if key in stored}


@contextmanager
def claimed_run(directory: Path, settings: Mapping[str, Any]) -> Iterator[Run]:
    """The run directory, held against other processes for as long as the context lasts.

    Stores `settings`, which hold their `paths`, as config.yaml. Raises ValueError, and leaves everything as it is,
    where the directory holds something made with other settings or foreign files, or another process is at work there.
    An exception that ends the run is written to error.txt in full. What a killed process left half written is removed.
    """
    if not is_rank_zero():  # rank zero has claimed it for all
        yield Run(directory)
        return
    _refuse_foreign(directory)
    with held(directory):
        sweep(directory)
        _store_settings(directory, settings)
        (directory / ERROR).unlink(missing_ok=True)
        with _errors_noted(directory / ERROR):
            yield Run(directory)


@contextmanager
def _errors_noted(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception:
        with suppress(OSError):  # a full disk is what may have ended the run
            write_atomically(path, traceback.format_exc())
        raise


def _refuse_foreign(directory: Path) -> None:
    if directory.is_dir() and not (directory / CONFIG).exists() and (made := _made_in(directory)):
        raise ValueError(f"{directory} is no run directory: it holds {made[0]} but no {CONFIG}")


def _made_in(directory: Path) -> list[str]:
    """Names, in order, of what lies there and means something: not of what a killed process left half written."""
    return sorted(p.name for p in directory.iterdir() if p.name not in OWN and not is_left_over(p))


def _store_settings(directory: Path, settings: Mapping[str, Any]) -> None:
    path = directory / CONFIG
    # A command that was refused, or killed before it made anything, binds nobody.
    if path.exists() and _made_in(directory):
        differing = differing_keys(*(_compared(one, settings["paths"]) for one in (read_config(directory), settings)))
        if differing:
            shown = "; ".join(differing[:8]) + (f"; and {len(differing) - 8} more" if len(differing) > 8 else "")
            raise ValueError(f"{directory} holds a run with other settings: {shown}; choose another output_dir")
    else:
        write_config(directory, settings)


def _compared(settings: Mapping[str, Any], paths: Mapping[str, str]) -> Any:
    """Settings without what says only where things lie, what they are called, who logs, how often, and how many load.

    What lies in folders of data counts by its content, which the stages look at. Rows of the table may be added to a
    run at any time.
    """
    compared = resolved(settings, paths)
    for key in ("paths", "output_dir", "reuse", "only", "logger", "checkpoint_every", "rows"):
        compared.pop(key, None)
    compared["stage"] = {name: unnamed(stage) for name, stage in compared.get("stage", {}).items()}
    compared["reward"] = unnamed(compared.get("reward") or {})
    compared["data"] = without_presence(compared.get("data"))
    return _without_null(without_num_workers(compared))


def _without_null(node: Any) -> Any:
    """A key that an earlier version did not have yet is one whose value is null."""
    if isinstance(node, Mapping):
        return {key: _without_null(value) for key, value in node.items() if value is not None}
    return [_without_null(item) for item in node] if isinstance(node, list) else node
