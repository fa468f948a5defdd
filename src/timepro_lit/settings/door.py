"""What every door does the same way: --help, the order of +groups, one sentence per error."""

from __future__ import annotations

import functools
import os
import re
import shlex
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ValueType
from hydra.errors import CompactHydraException, HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from timepro_lit.files.visible_text import visible
from timepro_lit.runs.launched import end_with_launcher
from timepro_lit.runs.naming import override_key
from timepro_lit.runs.signals import ended_by_signals
from timepro_lit.settings.command_line import FLAGS_WITH_VALUE, check_overrides, composed, hydras_words
from timepro_lit.settings.help import help_text, options
from timepro_lit.settings.schemas import CONF, LAYERS, free_texts, register
from timepro_lit.settings.sweep import noted_runs

_LOST_WORKER = re.compile(r"DataLoader worker \(pid")
SINGLE_PROCESS = ("cpu", "gpu")
BASIC, SLURM = "basic", ("slurm", "submitit_slurm")
"""Of Hydra's launchers the one that runs jobs in this process, and those of whose jobs Slurm starts every process."""

Main = Callable[[DictConfig], float | None]


def check_order(overrides: Sequence[str]) -> None:
    """Raise ValueError where an earlier layer stands after a later one and would silently undo it."""
    given = [override_key(o) for o in overrides if override_key(o) in LAYERS]
    for before, after in pairwise(given):
        if LAYERS.index(before) > LAYERS.index(after):
            line = " ".join(f"+{layer}=..." for layer in LAYERS if layer in given)
            raise ValueError(f"+{before} stands before +{after}, which would silently undo it: write {line}")
    for layer in LAYERS:
        if given.count(layer) > 1:
            raise ValueError(f"+{layer} is given twice: write +{layer}=[a,b] to put b on top of a")


def check_sweep(mode: RunMode | None, trainer: str, launcher: str) -> None:
    """Raise ValueError where a launcher has nothing to launch, or the trainer's own processes would start it again."""
    if mode != RunMode.MULTIRUN and launcher != BASIC:
        raise ValueError(f"hydra/launcher={launcher} launches the jobs of a sweep, and this is none: write -m")
    if mode == RunMode.MULTIRUN and launcher not in SLURM and trainer not in SINGLE_PROCESS:
        raise ValueError(
            f"trainer={trainer} starts processes by itself, each of which would start this sweep again: "
            f"sweep with trainer={' or '.join(SINGLE_PROCESS)}, or with hydra/launcher=slurm"
        )


def check_launcher(arguments: Sequence[str]) -> None:
    """End the process where the command line names a launcher that is not installed, which Hydra calls unknown."""
    for argument in arguments:
        key, _, launcher = argument.partition("=")
        if key == "hydra/launcher" and launcher in (*SLURM, "submitit_local") and find_spec("submitit") is None:
            print(f"error: {argument} needs the extra cluster: pip install 'timepro_lit[cluster]'", file=sys.stderr)
            sys.exit(1)


def check_given(cfg: DictConfig) -> None:
    """Raise ValueError that names every key of the command line that has to be given and is not."""
    missing = [str(key) for key in cfg if OmegaConf.is_missing(cfg, key)]
    if missing:
        written = [f"{key}={'|'.join(options(key)) or '...'}" for key in missing]
        raise ValueError(f"nothing was given for {', '.join(missing)}: write {' '.join(written)}")


def check_grammar(module: str, free_text: Sequence[str]) -> None:
    """End the process, with the command as it should be written, where Hydra would misread a free text.

    To Hydra's grammar commas, apostrophes and brackets in a value mean something; `free_text` are the keys whose
    values mean nothing but themselves.
    """
    given = sys.argv[1:]
    written = [_quoted(argument, free_text) for argument in given]
    if written != given:
        command = shlex.join(["python", "-m", module, *written])
        print(f"error: Hydra gives commas, quotes and brackets a meaning of its own; write\n{command}", file=sys.stderr)
        sys.exit(1)


def with_plain(arguments: Sequence[str], key: str) -> list[str]:
    r"""The command line with its plain arguments as the list `key`; one with = is plain where there is such a file.

    >>> with_plain(["outputs/a", "layout=table3", "outputs/it's"], "runs")
    ['layout=table3', 'runs=["outputs/a","outputs/it\'s"]']
    """
    plain, rest = [], []
    for before, argument in pairwise(["", *arguments]):
        is_flag = argument.startswith(("-", "+", "~")) or before in FLAGS_WITH_VALUE
        named = not is_flag and ("=" not in argument or os.path.lexists(argument))
        (plain if named else rest).append(argument)
    return [*rest, f"{key}=[{','.join(map(_in_quotes, plain))}]"] if plain else rest


def _in_quotes(text: str) -> str:
    """As Hydra's grammar reads it back."""
    text = text.replace("${", "\\${")
    return '"' + re.sub(r'(\\*)"', r'\1\1\\"', re.sub(r"(\\+)$", r"\1\1", text)) + '"'


def _quoted(argument: str, free_text: Sequence[str]) -> str:
    key, equals, value = argument.partition("=")
    if not equals or key not in free_text or value == "null" or _reads_as(argument) == value:
        return argument
    if value[:1] in ("'", '"') and value[:1] == value[-1:] and _reads_as(argument) is not None:  # quoted already
        return argument
    return key + '="' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _reads_as(argument: str) -> str | None:
    """The text that Hydra takes an override's value for; None where it reads no plain text."""
    try:
        override = OverridesParser.create().parse_override(argument)
    except HydraException:
        return None
    value = override.value()
    return str(value) if override.value_type in (ValueType.ELEMENT, None) and isinstance(value, str) else None


def overrides() -> list[str]:
    """The command line's overrides, those of Hydra itself left out; a sweep's job has its own."""
    return list(HydraConfig.get().overrides.task)


def given_paths(cfg: DictConfig) -> dict[str, str]:
    """Those of `paths` that the command line names, by name: they go before the ones of a stored run."""
    named = set(map(override_key, overrides()))
    return {str(name): cfg.paths[name] for name in cfg.paths if f"paths.{name}" in named}


def door(
    name: str, plain: str | None = None, after_sweep: Callable[[Sequence[Path]], None] | None = None
) -> Callable[[Main], Callable[[], None]]:
    """Makes a function of settings the `main` of the door `name`, whose settings `conf/<name>.yaml` composes.

    Arguments that set no key are the elements of the list `plain`. `after_sweep` is called with the run directories of
    a sweep's jobs that have ended well.
    """

    def of(main: Main) -> Callable[[], None]:
        register()
        through_hydra = hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)(guarded(main))

        @functools.wraps(main)
        def called() -> None:
            if {"-h", "--help"} & set(sys.argv[1:]):
                print(help_text(name))
            else:
                if plain is not None:
                    sys.argv[1:] = with_plain(sys.argv[1:], plain)
                check_launcher(sys.argv[1:])
                if not {"-m", "--multirun"} & set(sys.argv[1:]):  # where commas stand between values to try
                    check_grammar(f"timepro_lit.{name}", free_texts(name))
                check_overrides(name, sys.argv[1:])
                try:
                    with hydras_words():
                        through_hydra()
                finally:
                    if after_sweep is not None and (runs := noted_runs()):
                        after_sweep(runs)

        return called

    return of


def sentence_of(error: Exception) -> str | None:
    """What to tell a user; None for a bug, whose traceback is what counts."""
    lost = _LOST_WORKER.search(str(error)) or (isinstance(error, ConnectionError) and _between_processes(error))
    if isinstance(error, ValueError | OSError) and not lost:
        return str(error)
    if lost:
        return (
            "a process that loads recordings was ended from outside, most often for want of memory; give it more or "
            f"set data.num_workers lower, and the same command goes on ({str(error).strip()})"
        )
    return None


def _between_processes(error: Exception) -> bool:
    """Whether it comes of what multiprocessing reads or writes, and not of a network."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and Path(frames[-1].filename).parent.name == "multiprocessing"


def guarded(main: Main) -> Main:
    """Check the command line, then run `main`; an error that has a sentence is one line on stderr and exit code 1.

    HYDRA_FULL_ERROR=1 or a +debug option that trains shows the traceback. A failed job does not end its sweep.
    """

    @functools.wraps(main)
    def checked(cfg: DictConfig) -> float | None:
        composed()
        end_with_launcher()
        job = HydraConfig.get()
        choices = job.runtime.choices
        launcher, looks_only = choices["hydra/launcher"], OmegaConf.select(cfg, "only")
        try:
            check_order(overrides())
            if looks_only != "plan":  # which starts no process
                check_sweep(job.mode, choices.get("trainer") or "cpu", launcher)
            check_given(cfg)
            # Notes of libraries to their own developers; what goes wrong is an error here, never a warning.
            warnings.filterwarnings("ignore", module=r"(lightning|torchdata|torchmetrics|transformers|torch)\.")
            with ended_by_signals():
                return main(cfg)
        except Exception as error:
            whole = os.environ.get("HYDRA_FULL_ERROR") == "1" or (choices.get("debug") and not looks_only)
            said = None if whole else sentence_of(error)
            # Names of files and texts of others may hold codes that would command the terminal.
            sentence = visible(" ".join((said or "").split()), max_chars=None)
            if said is not None:
                which = f" in job {job.job.num} ({' '.join(overrides())})" if job.mode == RunMode.MULTIRUN else ""
                print(f"error{which}: {sentence}", file=sys.stderr)
            elif launcher == BASIC:
                raise
            else:
                traceback.print_exc()
            if job.mode == RunMode.MULTIRUN and launcher == BASIC:
                raise CompactHydraException(f"error: {sentence}") from None
            # From a launcher's job, too: Hydra would keep the exception and exit with 0, for which Slurm would take the
            # job as done, while its other processes wait for this one.
            sys.exit(1)

    return checked
