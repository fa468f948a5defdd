"""Decoding every recording of a corpus once, in parallel, to know how long it is and whether it can be read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

from rich.progress import track

from timepro_lit.data.audio import AudioError, listen
from timepro_lit.data.store import AudioFolder
from timepro_lit.data.workers import worker_pool
from timepro_lit.files.atomic import naming, write_if_changed
from timepro_lit.files.digests import stamp_of

SAMPLING_RATE = 16_000
_VERSION = 2
"""Of how recordings are decoded: what an earlier one found may be found otherwise now, and is measured anew."""
_CHUNK = 32


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one recording turned out to be."""

    audio: str
    stamp: list[int] | None
    """`stamp_of` the file when it was looked at, None where there is none."""
    duration_s: float | None
    fault: str | None = None
    """Kind of `AudioError`; `duration_s` is then None."""
    detail: str = ""
    silences: tuple[tuple[float, float], ...] = ()
    """From when to when, in seconds, every sample is 0, for a second or longer."""


def measure_all(
    folder: AudioFolder, audio: Iterable[str], journal: Path, max_duration_s: float, num_workers: int
) -> dict[str, Measurement]:
    """Every recording's measurement, by path; `journal` keeps them, so that a second call looks at new files alone."""
    wanted = set(audio)
    names = sorted(wanted)
    # What was unreadable may have been so for want of a right or a library, which leaves the file as it was.
    known = [m for m in _read(journal) if m.audio in wanted and m.fault != "unreadable"]
    done = {m.audio: m for m in known if m.stamp == _stamp(folder, m.audio)}
    missing = [name for name in names if name not in done]
    if missing:
        journal.parent.mkdir(parents=True, exist_ok=True)
        with naming(journal), journal.open("a", encoding="utf-8") as lines:
            for measurement in _measure(folder, missing, max_duration_s, num_workers):
                done[measurement.audio] = measurement
                lines.write(_line(measurement))
                lines.flush()
    write_if_changed(journal, "".join(_line(done[name]) for name in names))
    return done


def measure(folder: AudioFolder, max_duration_s: float, audio: str) -> Measurement:
    """Decode one recording."""
    stamp = _stamp(folder, audio)
    try:
        with folder.open(audio) as stream:
            duration_s, silences = listen(stream, audio, SAMPLING_RATE, max_duration_s)
    except AudioError as error:
        return Measurement(audio, stamp, None, error.kind, str(error))
    rounded = tuple((round(start_s, 4), round(end_s, 4)) for start_s, end_s in silences)
    return Measurement(audio, stamp, round(duration_s, 4), silences=rounded)


def _measure(
    folder: AudioFolder, names: Sequence[str], max_duration_s: float, num_workers: int
) -> Iterator[Measurement]:
    one = partial(measure, folder, max_duration_s)
    if num_workers == 0:
        yield from track(map(one, names), "listening", total=len(names))
        return
    with worker_pool(num_workers) as pool:
        yield from track(pool.map(one, names, chunksize=_CHUNK), "listening", total=len(names))


def _read(journal: Path) -> Iterator[Measurement]:
    if not journal.exists():
        return
    for line in journal.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
            check, version = row.pop("check", None), row.pop("version", 1)
            silences = tuple((float(start_s), float(end_s)) for start_s, end_s in row.pop("silences", ()))
            measurement = Measurement(**row, silences=silences)
        except (ValueError, TypeError, AttributeError):  # the last line of a run that was killed
            continue
        if version == _VERSION and check == _check(measurement):
            yield measurement


def _line(measurement: Measurement) -> str:
    return json.dumps(_row(measurement) | {"version": _VERSION, "check": _check(measurement)}) + "\n"


def _check(measurement: Measurement) -> int:
    """Tells a line that was damaged from the one that was written."""
    return crc32(json.dumps(_row(measurement)).encode())


def _row(measurement: Measurement) -> dict[str, Any]:
    return {key: value for key, value in asdict(measurement).items() if key != "silences" or value}


def _stamp(folder: AudioFolder, audio: str) -> list[int] | None:
    try:
        stamp = stamp_of(folder.location(audio))
    except AudioError:  # it leads out of the folder
        return None
    return None if stamp is None else list(stamp)
