"""What a command line may say, in our words and before Hydra reads it: its keys, their options and kinds of values."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from difflib import get_close_matches
from itertools import pairwise
from typing import TextIO

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from timepro_lit.files.visible_text import visible
from timepro_lit.settings.help import is_group, options
from timepro_lit.settings.schemas import LAYERS, SCHEMAS

KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
"""What keys take, by how schemas write it."""
FLAGS_WITH_VALUE = (
    "--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd",
)  # fmt: skip
"""Hydra's own, whose value is the next argument."""
_OTHER_CONF = ("--config-", "-cp", "-cn", "-cd", "hydra.searchpath", "+hydra.searchpath")
_ITS_PLACES = re.compile(
    r"Set the environment variable|Config search path|\s+provider=|See https|\s+(full_key|object_type|refe)"
)
_NO_KEY = re.compile(r"Could not override '(.+)'\.")


def override_fault(door: str, argument: str) -> str | None:
    """What is wrong with one override, in a sentence that begins with its key; None for what only composing can tell.

    >>> override_fault("prepare", "nonerate=1")
    'nonerate: there is no such key; did you mean none_rate?'
    """
    try:
        override = OverridesParser.create().parse_override(argument)
    except HydraException:
        return f"{argument!r} is nothing that Hydra can read, as in key=value or 'key=\"a text, in quotes\"'"
    key = override.key_or_group
    top = re.split(r"[./@]", key)[0]
    keys = {field.name: str(field.type) for field in fields(SCHEMAS[door])}
    if top == "hydra" or override.is_delete():
        return None
    if key in LAYERS and not (override.is_add() or override.is_force_add()):
        return f"{key}: is put on top of all else: write +{argument}"
    if top not in keys and not is_group(top):
        return f"{key}: there is no such key{_near(top, keys)}"
    if is_group(key) and "@" not in key:
        return _option_fault(key, override)
    return _value_fault(door, key, keys[key], override) if key in keys and not override.is_sweep_override() else None


def _option_fault(group: str, override: Override) -> str | None:
    """Of a group: one option or several, each with a file of its own."""
    value = override.value()
    chosen = value.list if isinstance(value, ChoiceSweep) else value if isinstance(value, list) else [value]
    known = options(group)
    for one in chosen:
        if isinstance(one, str | int | float) and str(one) not in known and "/" not in str(one):
            return f"{group}: is {one}, not one of {', '.join(known)}{_near(str(one), known)}"
    return None


def _value_fault(door: str, key: str, kind: str, override: Override) -> str | None:
    try:
        OmegaConf.update(OmegaConf.structured(SCHEMAS[door]), key, override.value())
    except OmegaConfBaseException:
        written = override.get_value_element_as_str()
        if kind.startswith("list") and not isinstance(override.value(), list):
            return f"{key}: is {written}, not a list: write {key}=[{written}]"
        wanted = KINDS.get(kind.partition(" ")[0], "what it takes")
        return f"{key}: is {written}, not {wanted}{', or null' if kind.endswith('None') else ''}"
    return None


def _near(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.7) or [one for one in known if name in one]
    return f"; did you mean {near[0]}?" if near else ""


def check_overrides(door: str, arguments: Sequence[str]) -> None:
    """End the process with one sentence where the command line holds what no composing could make sense of."""
    if any(argument.startswith(_OTHER_CONF) for argument in arguments):  # which may have keys and options of its own
        return
    if {"-sc", "--shell-completion"} & set(arguments):
        return
    for before, argument in pairwise(("", *arguments)):
        given = before not in FLAGS_WITH_VALUE and not argument.startswith("-") and "=" in argument
        if given and (fault := override_fault(door, argument)) is not None:
            print(f"error: {visible(fault, max_chars=None)}", file=sys.stderr)
            sys.exit(1)


class _Held(io.StringIO):
    """Keeps what is written until it is let go; then it goes where it went before."""

    def __init__(self, behind: TextIO) -> None:
        super().__init__()
        self.behind = behind

    def write(self, text: str) -> int:
        return super().write(text) if sys.stderr is self else self.behind.write(text)


@contextmanager
def hydras_words() -> Iterator[None]:
    """Holds back what is written to stderr until `composed`, so that a failed composition is told in one sentence."""
    sys.stderr = _Held(sys.stderr)
    said: Callable[[str], str] = str
    try:
        yield
    except SystemExit:
        said = sentence_of_hydra
        raise
    finally:
        composed(said)


def composed(said: Callable[[str], str] = str) -> None:
    """Lets go of what `hydras_words` held back, where it still does, as `said` of it."""
    held = sys.stderr
    if isinstance(held, _Held):
        sys.stderr = held.behind
        sys.stderr.write(said(held.getvalue()))


def sentence_of_hydra(said: str) -> str:
    """What Hydra says of a composition that failed, without the places it looked at; other texts as they are.

    >>> sentence_of_hydra("Could not override 'trainer.foo'.\\nSet the environment variable HYDRA_FULL_ERROR=1")
    'error: trainer.foo: there is no such key; --cfg job shows those that there are, and +trainer.foo=... adds one\\n'
    """
    if "HYDRA_FULL_ERROR" not in said:
        return said
    if found := _NO_KEY.search(said):
        added = f"--cfg job shows those that there are, and +{found[1]}=... adds one"
        return f"error: {found[1]}: there is no such key; {added}\n"
    lines = [line.strip().rstrip(".") for line in said.splitlines() if line.strip() and not _ITS_PLACES.match(line)]
    return f"error: {': '.join(lines)}\n"
