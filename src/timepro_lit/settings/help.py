"""What `--help` of a door says: its keys with a line on each, and the groups it chooses from.

Read from where these things stand, the schemas and the yaml files, so that it cannot grow old; and without Hydra, which
takes a second to list the groups of all doors, used or not.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from timepro_lit.settings.schemas import CONF, LAYERS, PACKAGE, SCHEMAS, Paths

WIDTH, COLUMN = 120, 26
ONE_OPTION = ("paths", "hydra")
"""Groups without a choice."""


def help_text(door: str) -> str:
    """The whole of it, for one door."""
    schema, groups = SCHEMAS[door], chosen_groups(door)
    defaults, docs = key_defaults(schema), key_docs(schema)
    module = ast.parse((PACKAGE / f"{door}.py").read_text(encoding="utf-8"))
    lines = [str(ast.get_docstring(module)), "", "Keys (??? has to be given):"]
    lines += [_entry(f"{key}={_written(defaults[key])}", docs[key]) for key in defaults if not is_group(key)]
    lines += [_entry("paths.NAME=FOLDER", str(inspect.getdoc(Paths)))]
    if groups:
        lines += ["", "Groups, of which an option is chosen, or several, as in group=[one,another]:"]
    for group, default in groups.items():
        shown = defaults[group] if default is None else default
        lines.append(_entry(f"{group}={_written(shown or None)}", ", ".join(options(group))))
    for group, outer in inner_groups(door).items():
        lines.append(_entry(f"{group}=...", f"{', '.join(options(group))}; comes with {' or '.join(outer)}"))
    if door == "train":
        lines += ["", "On top of all others, in this order:"]
        lines += [_entry(f"+{layer}=...", ", ".join(options(layer))) for layer in LAYERS]
        lines += ["", "-m '+experiment=glob(ablation_*)' seed=1,2,3 runs one job for each combination."]
    lines += [
        "",
        "--cfg job shows all settings without running, --info defaults-tree the files that they come from.",
        "Those deeper down are set by their path, as in paths.data=/scratch.",
    ]
    return "\n".join(lines)


def is_group(key: str) -> bool:
    """Whether a folder of conf holds the options of this key."""
    return (CONF / key).is_dir()


def options(group: str) -> list[str]:
    """What can be chosen."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def chosen_groups(door: str) -> dict[str, Any]:
    """The groups of a door, each with what is chosen by default."""
    return {group: default for group, default in _defaults(CONF / f"{door}.yaml") if group not in ONE_OPTION}


def inner_groups(door: str) -> dict[str, list[str]]:
    """The groups that options of its groups choose from, each with those groups."""
    inner: dict[str, list[str]] = {}
    for outer in chosen_groups(door):
        for group in {group for path in (CONF / outer).glob("*.yaml") for group, _ in _defaults(path)}:
            inner.setdefault(group, []).append(outer)
    return inner


def key_defaults(schema: type) -> dict[str, Any]:
    """The default of each field of a dataclass."""
    return {
        field.name: field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        for field in dataclasses.fields(schema)
    }


def key_docs(schema: type) -> dict[str, str]:
    """The string under each field of a dataclass."""
    (definition,) = ast.parse(inspect.getsource(schema)).body
    assert isinstance(definition, ast.ClassDef)
    docs = {}
    for field, below in pairwise(definition.body):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            docs[ast.unparse(field.target)] = str(below.value.value)
    return docs


def _defaults(path: Path) -> Iterator[tuple[str, Any]]:
    """Groups of a yaml's defaults list that stand at the top of the settings."""
    settings = OmegaConf.to_container(OmegaConf.load(path))
    for entry in settings.get("defaults", []) if isinstance(settings, Mapping) else []:
        for group, option in entry.items() if isinstance(entry, Mapping) else ():
            if path.parent == CONF or group.startswith("/"):
                yield group.removeprefix("/"), option


def _entry(left: str, right: str) -> str:
    """Two columns; a left one that is too long has a line of its own."""
    text = textwrap.indent(textwrap.fill(right, WIDTH - COLUMN), " " * COLUMN)
    left = f"  {left}"
    return left.ljust(COLUMN) + text[COLUMN:] if len(left) < COLUMN else f"{left}\n{text}"


def _written(value: Any) -> str:
    """As it is written on the command line."""
    return value if isinstance(value, str) else json.dumps(value).replace(" ", "").replace('"', "")
