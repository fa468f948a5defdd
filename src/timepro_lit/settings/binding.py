"""Does a tree of settings fit the signatures that it names? Asked without calling anything.

Every function yields faults: sentences that begin with the key's path, e.g.
"trainer.max_stepz: lightning.pytorch.Trainer takes no such argument; did you mean max_steps?".
"""

from __future__ import annotations

import builtins
import importlib
import inspect
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

CONTROL_KEYS = frozenset({"_target_", "_partial_", "_convert_", "_recursive_"})
SCALARS = (bool, int, float, str)
MAPPINGS = (Mapping, dict)
LISTS = (Iterable, Collection, Sequence, list, tuple)


class Unresolved:
    """Stands for a value whose own fault is reported elsewhere; fits everywhere."""


UNRESOLVED = Unresolved()


def node_faults(node: Mapping[str, Any], path: str, supplied: Collection[str] = (), hint: Any = Any) -> Iterator[str]:
    """Faults of one node with `_target_`, and of all nodes inside it.

    `supplied` names the arguments that the code adds to `_partial_` nodes; `hint` is the type of what is to be made.
    """
    try:
        target = locate(node["_target_"])
    except ImportError as error:
        yield f"{path}._target_: {error}"
        return
    if inspect.isclass(target) and not any(_makes(target, option) for option in _options(hint)):
        yield f"{path}._target_: {node['_target_']} makes no {_written(hint)}"
        return
    arguments = {key: value for key, value in node.items() if key not in CONTROL_KEYS}
    yield from argument_faults(target, arguments, path, supplied, node["_target_"], bool(node.get("_partial_")))


def argument_faults(
    target: Callable[..., Any],
    arguments: Mapping[str, Any],
    path: str,
    supplied: Collection[str],
    name: str,
    partial: bool = False,
) -> Iterator[str]:
    """Unknown, missing and wrongly typed arguments of `target`, called `name` in the sentences.

    Only a partial call may lack the arguments in `supplied`, here or further inside.
    """
    parameters = inspect.signature(target).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    named = {k: p for k, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    for key, value in arguments.items():
        if key in named:
            yield from _value_faults(value, _hint(target, named[key]), f"{path}.{key}", supplied)
        elif not open_ended:
            close = get_close_matches(key, named, n=1)
            guess = f"; did you mean {close[0]}?" if close else f" (it takes {', '.join(named)})"
            yield f"{path}.{key}: {name} takes no such argument{guess}"
    for key, parameter in named.items():
        lacking = key not in arguments and not (partial and key in supplied)
        if parameter.default is parameter.empty and lacking:
            yield f"{path}.{key}: {name} needs this argument"


def locate(dotted: str) -> Callable[..., Any]:
    """The class or function at a dotted path. Raises ImportError with one sentence."""
    module_name, _, attribute = str(dotted).rpartition(".")
    if not module_name:
        raise ImportError(f"{dotted!r} is not a dotted path")
    try:
        found = getattr(importlib.import_module(module_name), attribute, None)
    except ImportError as error:
        raise ImportError(f"cannot import {dotted}: {error}") from error
    if not callable(found):
        raise ImportError(f"cannot import {dotted}: module {module_name} has no class or function {attribute}")
    return typing.cast(Callable[..., Any], found)


def _value_faults(value: Any, hint: Any, path: str, supplied: Collection[str]) -> Iterator[str]:
    """`hint` is a type, or Any where the annotation says nothing that can be checked."""
    if isinstance(value, Mapping) and "_target_" in value:
        yield from node_faults(value, path, supplied, hint)
    elif isinstance(value, Mapping):
        yield from _mapping_faults(value, hint, path, supplied)
    elif isinstance(value, list) and _holds(hint, LISTS):
        for index, item in enumerate(value):
            yield from _value_faults(item, _item_hint(hint, LISTS), f"{path}[{index}]", supplied)
    elif value is not UNRESOLVED and not any(_fits(value, option) for option in _options(hint)):
        yield f"{path}: {value!r} is not {_written(hint)}"


def _mapping_faults(value: Mapping[str, Any], hint: Any, path: str, supplied: Collection[str]) -> Iterator[str]:
    if not _holds(hint, MAPPINGS):
        yield f"{path}: has {sorted(map(str, value))} but no _target_"
        return
    mixed = any(isinstance(item, Mapping) and "_target_" in item for item in value.values())
    for key, item in value.items():
        if mixed and isinstance(item, Mapping) and "_target_" not in item:
            yield f"{path}.{key}: has {sorted(map(str, item))} but no _target_"
        else:
            yield from _value_faults(item, _item_hint(hint, MAPPINGS), f"{path}.{key}", supplied)


def _fits(value: Any, option: Any) -> bool:
    """Whether a scalar, None or list may be given where one type of a union is asked."""
    if typing.get_origin(option) is typing.Literal:
        return value in typing.get_args(option)
    if option is Any or option is Unresolved or isinstance(option, typing.TypeVar):
        return True
    if value is None or option in (None, type(None)):
        return value is None and option in (None, type(None))
    if option is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if option in SCALARS:
        return type(value) is option
    # Of what a library's class can be made, a path or a strategy, only the callee knows more. Ours take no scalars.
    ours = str(getattr(option, "__module__", "")).startswith(__name__.partition(".")[0] + ".")
    return not isinstance(value, list) and not ours and _origin(option) not in MAPPINGS + LISTS


def _makes(target: type, option: Any) -> bool:
    """Whether an object of class `target`, or what is completed to one, may be given where `option` is asked.

    A protocol asks for methods alone: attributes may be set by the constructor.
    """
    kind = _origin(option)
    if kind is Callable:
        return all(_makes(target, result) for result in typing.get_args(option)[-1:])
    if not inspect.isclass(kind) or kind in (Any, Unresolved) or typing.is_typeddict(kind):
        return True
    if not getattr(kind, "_is_protocol", False):
        return issubclass(target, kind)
    protocols = [base for base in kind.__mro__ if getattr(base, "_is_protocol", False)]
    methods = {name for base in protocols for name, part in vars(base).items() if inspect.isfunction(part)}
    asked = {name for name in methods if name == "__call__" or not name.startswith("_")}
    return asked <= {name for base in target.__mro__ for name in vars(base)}


def _written(hint: Any) -> str:
    return inspect.formatannotation(hint).replace("typing.", "")


def _options(hint: Any) -> tuple[Any, ...]:
    """The members of a union, or the one type itself."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return tuple(option for member in typing.get_args(hint) for option in _options(member))
    return (hint,)


def _origin(hint: Any) -> Any:
    return typing.get_origin(hint) or hint


def _holds(hint: Any, containers: tuple[Any, ...]) -> bool:
    return any(option is Any or _origin(option) in containers for option in _options(hint))


def _item_hint(hint: Any, containers: tuple[Any, ...]) -> Any:
    """Type of the values of the first option that is one of `containers`; Any where that says nothing."""
    for option in _options(hint):
        if _origin(option) in containers:
            arguments = [a for a in typing.get_args(option) if a is not Ellipsis]
            values = arguments[1:] if containers is MAPPINGS else arguments
            return values[0] if len(set(values)) == 1 else Any
    return Any


class _Names(dict[str, Any]):
    """A module's names; one that only type checkers import counts as a class of its own."""

    def __missing__(self, name: str) -> Any:
        return vars(builtins).get(name, Unresolved)


def _hint(target: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The parameter's annotation as a type, Any where it has none or cannot be evaluated."""
    if parameter.annotation is parameter.empty:
        return Any
    if not isinstance(parameter.annotation, str):
        return parameter.annotation
    try:
        return eval(parameter.annotation, {}, _Names(vars(sys.modules[target.__module__])))
    except (AttributeError, TypeError):  # e.g. a subscript of a name that only type checkers import
        return Any
