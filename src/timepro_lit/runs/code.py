"""Which code makes a result: the modules that its settings name, and what these import of the rooms that decide.

Read from the source by ast, nothing is imported. Comments, docstrings and blank lines do not count; nor does where the
package lies, or which Python reads it.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import io
import sysconfig
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
_PYTHON = Path(sysconfig.get_path("stdlib")).resolve()
_INSTALLED = {"site-packages", "dist-packages"}
ROOMS = (
    "records", "events", "time_prompt", "tasks", "data", "lalm", "grpo", "rewards", "metrics", "inference", "lit",
)  # fmt: skip
"""Those that decide what comes out."""
BYSTANDERS = (
    "data.contents", "data.corpora", "data.identity", "data.leakage", "data.measuring", "data.preparation",
    "data.questions", "lit.completions", "lit.health", "lit.loggers", "lit.mlflow_logger", "lit.progress",
    "lit.progress_line", "lit.shown", "lit.told", "lit.trackio_logger", "lit.wandb_logger",
)  # fmt: skip
"""Modules and folders of these rooms that do not: what corpora make is looked at itself, and the rest only shows."""


def code_of(targets: Iterable[str], package: Path = PACKAGE) -> dict[str, str]:
    """File inside the package -> digest of its code, for all that these dotted names bring with them.

    So do modules of a user's own, by their names; what is installed is left out: it has a version.
    """
    targets = list(targets)
    found = _own_code([target for target in targets if target.split(".")[0] != package.name])
    waiting = [module for target in targets for module in _modules(target, package)]
    while waiting:
        module = waiting.pop()
        path = _file(module, package)
        name = path.relative_to(package).as_posix()
        if name not in found and _decides(module):
            found[name], imported = _read(path, path.read_text(encoding="utf-8"), package)
            waiting += imported
    return dict(sorted(found.items()))


def targets_of(node: Any) -> Iterator[str]:
    """Every `_target_` in a tree of settings."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield str(node["_target_"])
        for value in node.values():
            yield from targets_of(value)
    elif isinstance(node, list):
        for item in node:
            yield from targets_of(item)


def essence(source: str) -> str:
    """Source without comments, docstrings, blank lines and trailing space; texts of the program stay as they are.

    >>> essence('def one():  # the first' + chr(10) * 2 + '    return 1')
    'def one():\\n    return 1'
    """
    lines, tree = source.splitlines(), ast.parse(source)
    spans = [_span(node, lines) for node in ast.walk(tree) if _says_nothing(node)]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    spans += [(token.start, token.end) for token in tokens if token.type == tokenize.COMMENT]
    texts = [_span(n, lines) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) or _is_text(n)]
    # A line that goes on within a text ends in something that is printed.
    kept = {row for start, end in texts if (start, end) not in spans for row in range(start[0], end[0])}
    for (row, column), (end_row, end_column) in sorted(spans, reverse=True):
        rest = lines[end_row - 1][end_column:]
        lines[row - 1 : end_row] = [lines[row - 1][:column] + rest, *[""] * (end_row - row)]
    stripped = [line if row in kept else line.rstrip() for row, line in enumerate(lines, start=1)]
    return "\n".join(line for row, line in enumerate(stripped, start=1) if line or row in kept)


def imported_names(tree: ast.AST, above: Sequence[str]) -> list[str]:
    """Dotted names that a module imports, wherever the import stands; `above` are the packages that it lies in."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(above[: len(above) - node.level + 1]) if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            names += [f"{origin}.{alias.name}" for alias in node.names]
    return names


@lru_cache(maxsize=1024)
def _read(path: Path, source: str, package: Path) -> tuple[str, tuple[str, ...]]:
    """Digest of a file's code, and the modules of the package that it imports, wherever the import stands."""
    above = [package.name, *path.relative_to(package).parts[:-1]]
    names = imported_names(ast.parse(source), above)
    imported = [module for name in names for module in _modules(name, package)]
    return hashlib.sha256(essence(source).encode()).hexdigest()[:16], tuple(dict.fromkeys(imported))


def _modules(dotted: str, package: Path) -> list[str]:
    """What a dotted name makes Python import: the innermost module in it, and the packages that it lies in."""
    owner, *parts = dotted.split(".")
    if owner != package.name:
        return []
    inside = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
    return [module for module in inside if _file(module, package).is_file()]


def _file(module: str, package: Path) -> Path:
    path = package.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _own_code(targets: Iterable[str]) -> dict[str, str]:
    """Module -> digest of its code, for modules that are neither installed nor part of Python."""
    found: dict[str, str] = {}
    waiting = list(targets)
    while waiting:
        module = _own_module(waiting.pop())
        if module is None or module[0] in found:
            continue
        name, path = module
        source = path.read_text(encoding="utf-8")
        found[name] = hashlib.sha256(essence(source).encode()).hexdigest()[:16]
        above = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
        waiting += imported_names(ast.parse(source), above)
    return found


def _own_module(dotted: str) -> tuple[str, Path] | None:
    """The innermost module of a dotted name and its file, where it is a user's own."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, AttributeError, ValueError):
            continue
        if spec is not None:
            path = Path(spec.origin or "built-in").resolve()
            others = path.suffix != ".py" or not _INSTALLED.isdisjoint(path.parts)
            return None if others or path.is_relative_to(_PYTHON) or path.is_relative_to(PACKAGE) else (name, path)
    return None


def _decides(module: str) -> bool:
    below = any(module == name or module.startswith(f"{name}.") for name in BYSTANDERS)
    return module.split(".")[0] in ROOMS and not below


def _says_nothing(node: ast.AST) -> bool:
    """A docstring, of whatever it stands below."""
    return isinstance(node, ast.Expr) and _is_text(node.value)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _span(node: Any, lines: list[str]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows from 1 and columns from 0 of a node, in characters; ast counts bytes."""
    ends = ((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset))
    start, end = ((row, len(lines[row - 1].encode()[:column].decode())) for row, column in ends)
    return start, end
