"""Kills and damages real runs, and compares what becomes of them with a run that was left alone.

python tests/faults/campaign.py [--seed N] [--only NAME ...] [--short] [--list]

Prints a table and writes faults.json; exit code 1 where an outcome is wrong. The seed is printed: with it and the name
of a case, `--seed N --only NAME` tries that case again. A wrong case's folder stays, below --folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from random import Random, SystemRandom
from tempfile import mkdtemp
from typing import Any

import damages
import disk_full
import kills
import signals
from bench import Bench, Case, Skipped, Trial
from processes import Hang
from tiny_run import Place
from verdict import Outcome, Wrong, left_behind

SHORT = 4
"""Cases in the short form, kills in GRPO and damages of a finished run."""


def all_cases(bench: Bench, seed: int) -> dict[str, Case]:
    """Every case by its name; the same seed makes the same ones."""
    found = [
        *kills.cases(bench.points(), Random(seed)),
        *damages.cases(bench, Random(seed)),
        *signals.cases(),
        *disk_full.cases(bench.points(), Random(seed)),
    ]
    named = {case.name: case for case in found}
    assert len(named) == len(found), [name for name, n in Counter(case.name for case in found).items() if n > 1]
    return named


def chosen(cases: dict[str, Case], only: Sequence[str], short: bool, seed: int) -> list[str]:
    """Names of the cases to try."""
    if only:
        return [name for name in cases if any(part in name for part in only)]
    if not short:
        return list(cases)
    quick = {
        kind: [name for name, case in cases.items() if case.kind == kind and case.start in ("sft", "whole")]
        for kind in ("kill at a point", "damage")
    }
    return [name for of_kind in quick.values() for name in Random(seed).sample(of_kind, SHORT // 2)]


def tried(bench: Bench, case: Case, seed: int, folder: Path) -> Outcome:
    """The outcome of one case; the folder of a wrong one stays."""
    own = folder / f"{zlib.crc32(case.name.encode()):08x}"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    (own / "name").write_text(f"{case.name}\n")
    trial = Trial(bench, Place(own / "place"), Random(f"{seed} {case.name}"))
    try:
        bench.made(case.start).copy(trial.place.folder)
        said = case.act(trial)
        outcome = Outcome("refused", said) if said else Outcome("right")
    except Skipped as reason:
        outcome = Outcome("skipped", str(reason))
    except (Wrong, Hang) as reason:
        return Outcome("wrong", f"{reason} (in {own})")
    except Exception as fault:  # of the campaign itself: the other cases are tried all the same
        return Outcome("wrong", f"the case could not be tried: {fault!r} (in {own})")
    finally:
        trial.end_all()
    behind = left_behind(trial.place)
    shutil.rmtree(own)
    return Outcome(outcome.verdict, outcome.said or (f"left behind: {behind[:3]}" if behind else ""))


def work(tasks: Connection, folder: Path, seed: int) -> None:
    """Try the cases whose names arrive. This process has no threads, so that it can fork."""
    import timepro_lit.evaluate
    import timepro_lit.evaluation.publish
    import timepro_lit.export
    import timepro_lit.lit.run
    import timepro_lit.predict
    import timepro_lit.prepare
    import timepro_lit.settings.config
    import timepro_lit.train  # noqa: F401 (imported for the forks)

    bench = Bench(folder / "made")
    bench.made("whole")
    cases = all_cases(bench, seed)
    tasks.send(None)
    while (name := tasks.recv()) is not None:
        start = time.monotonic()
        outcome = tried(bench, cases[name], seed, folder / "tried")
        took_s = round(time.monotonic() - start)
        tasks.send(asdict(outcome) | {"kind": cases[name].kind, "name": name, "took_s": took_s})


def started(folder: Path, seed: int, jobs: int) -> list[Connection]:
    """Processes that try cases, once they are ready.

    Started as new programs, not by multiprocessing, which would have their forks start loader workers in another way.
    """
    ends = []
    for _ in range(jobs):
        ours, theirs = Pipe()
        command = [sys.executable, __file__, "--folder", str(folder), "--seed", str(seed)]
        given = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        subprocess.Popen([*command, "--work", str(theirs.fileno())], pass_fds=[theirs.fileno()], env=given)
        theirs.close()
        ends.append(ours)
    for end in ends:
        end.recv()
    return ends


def outcomes(ends: list[Connection], names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What becomes of each case, as they end."""
    waiting, busy = list(names), set()
    while waiting or busy:
        for end in ends:
            if end not in busy and waiting:
                end.send(waiting.pop(0))
                busy.add(end)
        for end in wait(list(busy)):
            yield end.recv()  # type: ignore[union-attr]
            busy.discard(end)
    for end in ends:
        end.send(None)


def table(found: Sequence[dict[str, Any]]) -> str:
    """Figures by kind."""
    lines = [f"{'kind':<20}{'tried':>7}{'right':>7}{'wrong':>7}{'refused':>9}{'skipped':>9}"]
    for kind in [*dict.fromkeys(one["kind"] for one in found), "all"]:
        counts = Counter(one["verdict"] for one in found if kind in (one["kind"], "all"))
        tried, right = counts.total() - counts["skipped"], counts["right"] + counts["refused"]
        numbers = f"{tried:>7}{right:>7}{counts['wrong']:>7}{counts['refused']:>9}{counts['skipped']:>9}"
        lines.append(f"{kind:<20}{numbers}")
    return "\n".join(lines)


def main() -> None:
    arguments = _arguments()
    seed = SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    folder = Path(arguments.folder or mkdtemp(prefix="faults-")).absolute()
    if arguments.work is not None:
        return work(Connection(arguments.work), folder, seed)
    print(f"seed {seed}, folder {folder}", flush=True)
    ends = started(folder, seed, arguments.jobs)
    cases = all_cases(Bench(folder / "made"), seed)
    names = chosen(cases, arguments.only, arguments.short, seed)
    found = []
    if arguments.list:
        print("\n".join(names))
        names = []
    for one in outcomes(ends, names):
        found.append(one)
        place = f"{len(found)}/{len(names)}"
        print(f"{place} {one['verdict']}: {one['name']} ({one['took_s']} s) {one['said']}", flush=True)
        arguments.json.write_text(json.dumps({"seed": seed, "outcomes": found}, indent=1))
    if found:
        print(table(found))
    sys.exit(any(one["verdict"] == "wrong" for one in found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="of all random choices; printed where it is not given")
    parser.add_argument("--only", nargs="+", default=(), metavar="NAME", help="cases whose name holds one of these")
    parser.add_argument("--short", action="store_true", help=f"{SHORT} quick cases")
    parser.add_argument("--list", action="store_true", help="print the names of the cases and try none")
    parser.add_argument("--folder", help="where everything is tried; whole runs in it are used again")
    parser.add_argument("--json", type=Path, default=Path("faults.json"), help="where the outcomes are written")
    parser.add_argument("--jobs", type=int, default=2, help="cases at a time")
    parser.add_argument("--work", type=int, help=argparse.SUPPRESS)  # the pipe of a process that tries cases
    return parser.parse_args()


if __name__ == "__main__":
    main()
