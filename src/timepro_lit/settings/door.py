"""What every door does the same way: --help, the order of +groups, one sentence per error."""

from __future__ import annotations

import functools
import os
import shlex
import sys
import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ValueType
from hydra.errors import CompactHydraException, HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from timepro_lit.runs.directory import override_key
from timepro_lit.settings.help import help_text, options
from timepro_lit.settings.schemas import CONF, LAYERS, register

SINGLE_PROCESS = ("cpu", "gpu")

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
    """Raise ValueError where every process that the trainer starts would start the whole sweep again."""
    if mode == RunMode.MULTIRUN and launcher == "basic" and trainer not in SINGLE_PROCESS:
        raise ValueError(
            f"trainer={trainer} starts processes by itself, each of which would start this sweep again: "
            f"sweep with trainer={' or '.join(SINGLE_PROCESS)}, or with hydra/launcher=submitit_slurm"
        )


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


def _quoted(argument: str, free_text: Sequence[str]) -> str:
    key, equals, value = argument.partition("=")
    if not equals or key not in free_text or _reads_as(argument) == value:
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


def door(name: str) -> Callable[[Main], Callable[[], None]]:
    """Makes a function of settings the `main` of the door `name`, whose settings `conf/<name>.yaml` composes."""

    def of(main: Main) -> Callable[[], None]:
        register()
        through_hydra = hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)(guarded(main))

        @functools.wraps(main)
        def called() -> None:
            if {"-h", "--help"} & set(sys.argv[1:]):
                print(help_text(name))
            else:
                through_hydra()

        return called

    return of


def guarded(main: Main) -> Main:
    """Check the command line, then run `main`; a ValueError or OSError becomes one line on stderr and exit code 1.

    HYDRA_FULL_ERROR=1 or a +debug option that trains shows the traceback. A failed job does not end its sweep.
    """

    @functools.wraps(main)
    def checked(cfg: DictConfig) -> float | None:
        job = HydraConfig.get()
        choices = job.runtime.choices
        looks_only = OmegaConf.select(cfg, "only")
        try:
            check_order(overrides())
            if looks_only != "plan":  # which starts no process
                check_sweep(job.mode, choices.get("trainer") or "cpu", choices["hydra/launcher"])
            check_given(cfg)
            # Notes of libraries to their own developers; what goes wrong is an error here, never a warning.
            warnings.filterwarnings("ignore", module=r"(lightning|torchdata|torchmetrics|transformers|torch)\.")
            return main(cfg)
        except (ValueError, OSError) as error:
            if os.environ.get("HYDRA_FULL_ERROR") == "1" or (choices.get("debug") and not looks_only):
                raise
            sentence = " ".join(str(error).split())
            if job.mode == RunMode.MULTIRUN:
                print(f"error in job {job.job.num} ({' '.join(overrides())}): {sentence}", file=sys.stderr)
                raise CompactHydraException(f"error: {sentence}") from None
            print(f"error: {sentence}", file=sys.stderr)
            sys.exit(1)

    return checked
