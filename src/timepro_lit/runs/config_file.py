"""config.yaml of a run directory: settings that refer to nothing but their own `paths`.

A run directory may come from anybody, and a reference of OmegaConf can read the environment of whoever resolves it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml
from omegaconf import OmegaConf

from timepro_lit.files.atomic import write_if_changed
from timepro_lit.files.json_object import shown

CONFIG = "config.yaml"
_SEAL = "# sha256 of the lines above: "
_OF_PATHS = re.compile(r"\$\{paths\.(\w+)\}")
_FLOAT = re.compile(
    r"[-+]?(\d[\d_]*\.[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)?|[-+]?\d[\d_]*[eE][-+]?\d+|[-+]?\.inf|\.nan", re.I
)
_TIMESTAMP, _DECIMAL = "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:float"


class _Loader(yaml.CSafeLoader):
    """YAML as OmegaConf reads it: 1e-3 is a number, a date is text, a key stands once. In C, as a report reads many."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, shape) for tag, shape in resolvers if tag not in (_TIMESTAMP, _DECIMAL)]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        if len(set(keys)) < len(keys):
            raise ValueError(f"found duplicate key {next(key for n, key in enumerate(keys) if key in keys[:n])}")
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver(_DECIMAL, re.compile(f"(?:{_FLOAT.pattern})$", re.I), list("-+0123456789."))


def write_config(directory: Path, settings: Mapping[str, Any]) -> None:
    """Store settings, which hold their `paths`; the last line is a checksum of the others."""
    text = OmegaConf.to_yaml(OmegaConf.create(dict(settings)))
    write_if_changed(directory / CONFIG, f"{text}{_SEAL}{_digest(text)}\n")


def read_config(directory: Path) -> dict[str, Any]:
    """What a run directory's config.yaml says, references to its `paths` left as they are.

    Raises ValueError where there is none, it was changed since it was stored, it is no mapping with `paths`, or it
    refers to anything else.
    """
    path = directory / CONFIG
    if not path.exists():
        raise ValueError(f"{directory} is no run directory: it holds no {CONFIG}")
    try:
        text, sealed, digest = path.read_text(encoding="utf-8").rpartition(_SEAL)
        settings = yaml.load(text if sealed else digest, _Loader)
    except Exception as error:  # whatever the readers of yaml raise
        raise ValueError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    if sealed and digest.strip() != _digest(text):
        raise ValueError(
            f"{path} is damaged or was changed, by the checksum in its last line; delete that where the change is meant"
        )
    paths = settings.get("paths") if isinstance(settings, dict) else None
    if not isinstance(settings, dict) or not isinstance(paths, dict):
        raise ValueError(f"{path} holds no settings of a run: it has no paths")
    for name, folder in paths.items():
        if not isinstance(folder, str) or "${" in folder:
            raise ValueError(f"{path}: paths.{name} is {folder!r}, which is no folder")
    refuse_references(settings, path, paths)
    return {str(key): value for key, value in settings.items()}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def resolved(settings: Mapping[str, Any], paths: Mapping[str, str]) -> dict[str, Any]:
    """The settings with these `paths` in the place of all references to them."""

    def put_in(node: Any) -> Any:
        if isinstance(node, Mapping):
            return {key: put_in(value) for key, value in node.items()}
        if isinstance(node, list | tuple):
            return [put_in(value) for value in node]
        return _OF_PATHS.sub(lambda found: paths[found[1]], node) if isinstance(node, str) else node

    return {str(key): put_in(value) for key, value in {**settings, "paths": dict(paths)}.items()}


def refuse_references(settings: Mapping[str, Any], file: Path, paths: Collection[str] = ()) -> None:
    """Raise ValueError where a text of settings refers to anything but `paths`."""
    allowed = [f"${{paths.{name}}}" for name in paths]
    for place, value in entries(settings):
        if isinstance(value, str) and "${" in _OF_PATHS.sub(lambda found: "" if found[0] in allowed else "${", value):
            raise ValueError(
                f"{file}: {dotted(place)} is {shown(value)}, but settings in a folder may refer to "
                f"{', '.join(allowed) or 'nothing else'}"
            )


def entries(node: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value inside a tree of settings, at any depth, with the keys and indices that lead to it."""
    inside = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inside:
        yield (*place, key), value
        yield from entries(value, (*place, key))


def dotted(place: tuple[Any, ...]) -> str:
    """Keys and indices as one path.

    >>> dotted(("data", "corpora", 0, "folder"))
    'data.corpora[0].folder'
    """
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place).lstrip(".")
