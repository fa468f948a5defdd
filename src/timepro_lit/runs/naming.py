"""What a run is called: by what was asked, in words that a person can read."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence

from timepro_lit.runs.determinants import PRESENCE

SPOKEN = ("experiment", "scale", "seed", "name")
"""Overrides that a run's path spells out by themselves."""
SILENT = ("output_dir", "paths", "reuse", "only", "logger", "checkpoint_every", "rows", "hydra")
"""Keys, with all below them, that change nothing about what a run comes to."""
SILENT_PARTS = ("num_workers", *PRESENCE)
"""The same for last parts of keys."""
LOOKING = ("+debug=plan", "+debug=preflight")
"""Overrides that make nothing: they speak of the run that would be made without them."""
DEFAULT_SCALE = "embedded"
MAX_CHARS = 80


def override_key(override: str) -> str:
    """The key that a command-line override sets.

    >>> override_key("+scale=paper")
    'scale'
    """
    return override.partition("=")[0].lstrip("+~")


def experiment_name(overrides: Sequence[str]) -> str:
    """What the command line asks for, fit for a path.

    >>> experiment_name(["+experiment=zero_shot", "seed=3"])
    'zero_shot'
    """
    chosen = [o.partition("=")[2] for o in overrides if override_key(o) == "experiment"]
    return _plain("-".join(chosen)) or "default"


def path_word(arguments: Sequence[str], places: bool = False) -> str:
    """What a report over these names is called; of `places`, which may share their last names, a hash says which.

    >>> path_word(["ablation_astp", "a*"])
    'ablation_astp-a'
    """
    words = _plain("-".join(argument.rstrip("/").rpartition("/")[2] for argument in arguments)).strip("-.") or "all"
    where = [os.path.abspath(argument) for argument in arguments] if places else list(arguments)
    digest = hashlib.sha256("\n".join(where).encode()).hexdigest()[:8]
    return f"{words[:MAX_CHARS]}-{digest}" if places or len(words) > MAX_CHARS else words


def run_path(name: str, overrides: Sequence[str], scale: str, seed: int) -> str:
    """Path of a run below the outputs folder; neither the order of the overrides counts nor what changes no result.

    >>> run_path("ablation_astp", ["time_prompt.stride=5", "logger=wandb"], "embedded", 1)
    'ablation_astp/stride5-seed1'
    """
    others = sorted((o for o in overrides if _tells(o)), key=override_key)
    scales = [] if scale == DEFAULT_SCALE else [_plain(scale)]
    words = "-".join([*scales, *map(_word, others)])
    if len(words) > MAX_CHARS or not all(map(_is_plain, others)):
        digest = hashlib.sha256("\n".join(others).encode()).hexdigest()[:8]
        words = f"{words[:MAX_CHARS].strip('-.')}-{digest}"
    return f"{name}/{words}-seed{seed}".replace("/-", "/")


def _tells(override: str) -> bool:
    key = override_key(override)
    silent = key in SPOKEN or any(key == one or key.startswith((f"{one}.", f"{one}/")) for one in SILENT)
    return not silent and key.rpartition(".")[2] not in SILENT_PARTS and override not in LOOKING


def _word(override: str) -> str:
    """The key without its group, and the value.

    >>> _word("stage.sft.module.learning_rate=1e-3"), _word("trainer=gpu"), _word("~callbacks")
    ('sft.module.learning_rate1e-3', 'trainer-gpu', 'no-callbacks')
    """
    key, _, value = override.partition("=")
    if key.startswith("~"):
        return f"no-{_plain(key)}"
    group, dot, rest = key.lstrip("+").partition(".")
    return _plain(f"{rest}{value}" if dot else f"{group}-{_plain(value)}")


def _is_plain(override: str) -> bool:
    """Whether nothing of the value is lost in `_word`."""
    value = override.partition("=")[2]
    return not override.startswith("~") and value == _plain(value)


def _plain(text: str) -> str:
    """Fit for a path: Hydra's grammar gives a meaning to = , [ ] and quotes, so none of them may occur in one."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-")
