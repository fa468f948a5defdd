"""Where cases are tried: runs at various stages of completion, made once and copied, and the running of commands."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from filelock import FileLock
from kill_at import install
from processes import Command, Done, fork, spawn, until
from tiny_run import CAPTIONS, TWO_PROCESSES, Place
from verdict import Wrong, check_right, published, shown

TIMEOUT_S = 240.0
"""Of any command; one takes under 30 s on two free cores."""
POINTS = "points.jsonl"

Fault = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One fault: what is done, and how it is judged."""

    kind: str
    name: str
    start: str
    """The run that it begins with, see `Bench.made`."""
    act: Callable[[Trial], str]
    """Does it, and returns "" or the sentence of a refusal; raises Wrong, Hang or Skipped."""


class Skipped(Exception):
    """The machine cannot do a case, or it came too late."""


@dataclass
class Trial:
    """A case being tried, in a folder of its own."""

    bench: Bench
    place: Place
    rng: Random
    extra: tuple[str, ...] = ()
    whole: str = "whole"
    spawned: bool = False
    """Each command is a new Python, as with a user; otherwise a fork of this one."""
    commands: list[Command] = field(default_factory=list)

    def start(
        self,
        *extra: str,
        fault: Fault | None = None,
        environment: Mapping[str, str] | None = None,
        run: str = "run",
    ) -> Command:
        """The command that the case is about."""
        given = {} if environment is None else environment
        return self.begin("train", self.place.train(*self.extra, *extra, run=run), fault, given)

    def begin(self, door: str, arguments: list[str], fault: Fault | None, environment: Mapping[str, str]) -> Command:
        """Any command."""
        logs = self.place.folder.with_name(f"command-{len(self.commands) + 1}")
        if fault is not None:
            fault = {"root": str(self.place.folder)} | dict(fault)
        if self.spawned:
            said = None if fault is None else json.dumps(fault)
            self.commands.append(spawn(door, arguments, logs, environment, said))
        else:
            self.commands.append(
                fork(door, arguments, logs, lambda: None if fault is None else install(fault), environment)
            )
        return self.commands[-1]

    def call(self, door: str, *arguments: str) -> Done:
        """Any command to its end."""
        return self.begin(door, list(arguments), None, {}).wait(TIMEOUT_S)

    def too_late(self, command: Command) -> Exception:
        """What to raise where a command ended before its fault came: Wrong, if it did not end well by itself."""
        done = command.wait(TIMEOUT_S)
        return Skipped("it ended before the fault") if done.code == 0 else Wrong(f"ended by itself; {shown(done)}")

    def end_all(self) -> None:
        """Leave no process of any command."""
        for command in self.commands:
            command.end_all()

    def finish(self, run: str = "run") -> Done:
        """The same command without a fault. Raises Wrong where it does not come to the same as a whole run."""
        done = self.start(run=run).wait(TIMEOUT_S)
        check_right(self.bench.made(self.whole), self.place, done, run)
        return done


class Bench:
    """Makes the runs that cases start from, each once, in a folder that several processes share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.makers: dict[str, Callable[[Place], None]] = {
            "nothing": lambda place: place.folder.mkdir(),
            "whole": self._whole,
            "data": lambda place: self._parts("whole", place, "data"),
            "sft": lambda place: self._parts("whole", place, "data", "outputs/stages/sft-*"),
            "stages": self._without_evaluation,
            "states-sft": lambda place: self._killed("data", "sft", place),
            "states-grpo": lambda place: self._killed("sft", "grpo", place),
            "whole-two": lambda place: self._run("data", place, *TWO_PROCESSES),
            "sft-two": lambda place: self._parts("whole-two", place, "data", "outputs/stages/sft-*"),
            "whole-captions": lambda place: self._run("data", place, *CAPTIONS),
            "data-captions": lambda place: self._parts("whole-captions", place, "data"),
            "sft-captions": lambda place: self._parts("whole-captions", place, "data", "outputs/stages/sft-*"),
            "exported": self._exported,
            "prepared": self._prepared,
        }

    def made(self, name: str) -> Place:
        """One of the runs, made now if it is not there."""
        place = Place(self.folder / name / "place")
        done = self.folder / name / "made"
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(self.folder / name, ignore_errors=True)
                place.folder.parent.mkdir()
                self.makers[name](place)
                done.touch()
        return place

    def points(self) -> list[tuple[str, str]]:
        """Every file operation of a whole run in order: what is done, and the file."""
        lines = (self.made("whole").folder.parent / POINTS).read_text().splitlines()
        return [(operation, file) for operation, file in map(json.loads, lines)]

    def trial(self, place: Place, *extra: str, spawned: bool = False) -> Trial:
        return Trial(self, place, Random(0), extra, spawned=spawned)

    def _parts(self, name: str, place: Place, *patterns: str) -> None:
        self.made(name).copy_parts(place.folder, *patterns)

    def _whole(self, place: Place) -> None:
        place.folder.mkdir()
        fault = {"act": "record", "into": str(place.folder.parent / POINTS)}
        _check(self.trial(place).start(fault=fault).wait(TIMEOUT_S))
        weights = [
            (place.run / stage / "result/adapter/adapter_model.safetensors").read_bytes() for stage in ("sft", "grpo")
        ]
        assert weights[0] != weights[1], "GRPO has changed nothing, so that nothing is tried"
        assert len(published(place.run)) > 15

    def _run(self, name: str, place: Place, *extra: str) -> None:
        self.made(name).copy(place.folder)
        _check(self.trial(place, *extra, spawned=extra == TWO_PROCESSES).start().wait(TIMEOUT_S))

    def _killed(self, name: str, stage: str, place: Place) -> None:
        """A run that was killed after the third state of a stage."""
        self.made(name).copy(place.folder)
        command = self.trial(place).start()
        curves = place.run / stage / "metrics.csv"

        def is_there() -> bool:
            logged = curves.exists() and any(row["step"] == "2" for row in csv.DictReader(curves.open()))
            return logged and any(place.stages.glob(f"{stage}-*.states/step-3"))

        assert until(lambda: is_there() or command.ended(), TIMEOUT_S)
        command.kill()
        done = command.wait(TIMEOUT_S)
        assert done.code == 137, done

    def _without_evaluation(self, place: Place) -> None:
        kept = ("config.yaml", "sft", "grpo")
        self._parts("whole", place, "data", "outputs/stages/*", *(f"outputs/run/{name}" for name in kept))

    def _exported(self, place: Place) -> None:
        """A whole run, its adapter exported to `exported`, and what that answers, in `answers`."""
        self.made("whole").copy(place.folder)
        trial = self.trial(place)
        _check(trial.call("export", f"run={place.run}", f"output_dir={place.folder / 'exported'}", "kind=merged"))
        _check(trial.call("predict", *asking(place, "answers")))

    def _prepared(self, place: Place) -> None:
        """Data as `prepare` leaves them, and a run that was trained on them."""
        place.folder.mkdir()
        sizes = "corpus.num_clips={train: 12, val: 2, test: 2}"
        trial = self.trial(place, *on_prepared(place))
        prepare = ("corpus=soundscapes", sizes)
        _check(trial.call("prepare", *prepare, f"out={place.data}"))
        _check(trial.start().wait(TIMEOUT_S))


def on_prepared(place: Place) -> tuple[str, ...]:
    return "data=prepared", f"data.folder={place.data}", "class_list=soundscapes"


def asking(place: Place, answers: str) -> tuple[str, ...]:
    """Arguments of `predict` for the exported folder."""
    recordings = next(place.data.glob("*/test"))
    model, out = place.folder / "exported", place.folder / answers
    return f"checkpoint={model}", f"audio={recordings}", "task=sed", f"output_dir={out}"


def _check(done: Done) -> None:
    assert done.code == 0, (done.code, done.out[-2000:], done.err[-4000:])
