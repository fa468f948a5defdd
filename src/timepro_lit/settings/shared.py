"""A shared folder is data, not code: what the settings in one may name.

`_target_` names what is called, and settings that come with a model come from whoever made it. Nothing is imported here
to decide: a class is one of ours where the source of its module defines it, and of libraries only a list is known.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from timepro_lit.files.json_object import shown
from timepro_lit.runs.config_file import dotted, entries, refuse_references
from timepro_lit.settings import config
from timepro_lit.settings.config import KEYED, SINGLE
from timepro_lit.settings.schemas import PACKAGE, TrainConfig

ROOMS: Mapping[str, tuple[str, ...]] = {
    "model": ("lalm",),
    "lora": ("lalm.lora",),
    "time_prompt": ("time_prompt",),
    "task": ("tasks",),
    "data": ("lit.datamodule", "data.corpora", "tasks"),
    "reward": ("rewards",),
    "stage": ("lit", "grpo.loss", "rewards"),
}
"""Group -> rooms and modules of this package whose classes may be named within it, at any depth."""
_METEOR = "timepro_lit.metrics.meteor.shared_meteor"
_STRATEGIES = ("DDPStrategy", "DeepSpeedStrategy", "FSDPStrategy", "SingleDeviceStrategy")
_CALLBACKS = (
    "BackboneFinetuning", "DeviceStatsMonitor", "EarlyStopping", "GradientAccumulationScheduler",
    "LearningRateMonitor", "ModelSummary", "RichModelSummary", "RichProgressBar", "StochasticWeightAveraging",
    "TQDMProgressBar", "Timer",
)  # fmt: skip
_LOGGERS = ("CSVLogger", "TensorBoardLogger", "WandbLogger")
NAMED: Mapping[str, tuple[str, ...]] = {
    "data": ("timepro_lit.lit.datamodule.prepared_folder",),
    "reward": (_METEOR,),
    "stage": (_METEOR,),
    "trainer": ("lightning.pytorch.Trainer", *(f"lightning.pytorch.strategies.{name}" for name in _STRATEGIES)),
    "callbacks": tuple(f"lightning.pytorch.callbacks.{name}" for name in _CALLBACKS),
    "logger": (
        "timepro_lit.lit.mlflow_logger.mlflow_logger",
        "timepro_lit.lit.trackio_logger.TrackioLogger",
        "timepro_lit.lit.wandb_logger.wandb_logger",
        *(f"lightning.pytorch.loggers.{name}" for name in _LOGGERS),
    ),
}
"""Group -> what else may be named within it."""
PARTIAL = re.compile(r"trainer|stage\.[^.]+\.module|(callbacks|logger)\.[^.]+")
"""Nodes that are completed by the code."""
OF_MODEL = ("model", "time_prompt", "task", "trainer")
"""Keys that the settings of any model have."""
OF_RUN = (*OF_MODEL, "lora", "data", "stage", "name", "scale", "seed")
"""Keys that the settings of any run have; those that are not here came with later versions."""
OF_STAGE: Mapping[str, Any] = {
    "module": Mapping,
    "module.reward": Mapping | None,
    "module.reward.label": str | None,
    "fit": Mapping,
    "label": str | None,
    "about": str | None,
}
"""Key within a stage -> what is read there, whatever class the stage is of."""


def check_shared(
    settings: Mapping[str, Any],
    file: Path,
    trust: Collection[str] = (),
    needed: Collection[str] = OF_MODEL,
    types: bool = True,
) -> None:
    """Look through settings that were read from `file`, with all keys `needed`, before anything in them is built.

    `trust` are targets that may be named, and called as their nodes say, wherever they stand; without `types`, what a
    value should be is not asked, which takes most of the time. Raises ValueError with
    the key that names anything else, refers to anything, is one of Hydra's own, is no key of a run, or does not hold
    what it should.
    """
    if isinstance(trust, str):  # any part of which would be trusted
        raise ValueError(f"trust: give a list of names, not {shown(trust)}")
    refuse_references(settings, file)
    # Each goes by what the ones before it have found in order.
    for fault in chain(
        _misshapen(settings, needed), _foreign(settings, trust), _nameless(settings), _stage_faults(settings),
        _schema_faults(settings) if types else (),
    ):  # fmt: skip
        raise ValueError(f"{file}: {fault}")


def _misshapen(settings: Mapping[str, Any], needed: Collection[str]) -> Iterator[str]:
    yield from (f"holds no {key}" for key in needed if key not in settings)
    yield from (f"{dotted(place)} has no value" for place, value in entries(settings) if value == MISSING)
    for group in (*SINGLE, *KEYED):
        node = settings.get(group)
        if not isinstance(node, Mapping) and (node is not None or group in (*config.NEEDED, *KEYED)):
            if group in settings:
                yield f"{group} is {shown(node)}, which are no settings"
        elif group in KEYED and node is not None:
            for name, option in node.items():
                # Stages and tasks name folders that are written to.
                if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name):
                    yield f"{group} holds {shown(name)}, which is no name"
                elif not isinstance(option, Mapping):
                    yield f"{group}.{name} is {shown(option)}, which are no settings"


def _foreign(settings: Mapping[str, Any], trust: Collection[str]) -> Iterator[str]:
    nodes = [((), settings), *(entry for entry in entries(settings) if isinstance(entry[1], Mapping))]
    for place, node in nodes:
        trusted = isinstance(node.get("_target_"), str) and node["_target_"] in trust
        for key, value in node.items() if not trusted else ():
            path = dotted((*place, key))
            if key == "_target_" and not isinstance(value, str):
                yield f"{path} is {shown(value)}, which is no name"
            elif key == "_target_" and not _may_name(place, value):
                yield f"{path} names {shown(value)}, which is {_unlike(place)}; {_allowed_by(value)}"
            elif key == "_target_" and _defined(value) == "abstract":
                yield f"{path} names {shown(value)}, which is abstract: nothing can be built of it"
            elif key == "_partial_" and not (value is True and PARTIAL.fullmatch(dotted(place))):
                yield f"{path} is {shown(value)} where nothing is to be completed"
            elif re.fullmatch("_.*_", str(key)) and key not in ("_target_", "_partial_"):
                yield f"{path} is a key of Hydra's own that settings in a folder may not hold"


def _nameless(settings: Mapping[str, Any]) -> Iterator[str]:
    """Nodes that say not what they are; of a trainer an exported folder knows the precision alone."""
    nodes = {group: settings.get(group) for group in SINGLE if group != "trainer"}
    nodes |= {f"{group}.{name}": node for group in KEYED for name, node in settings.get(group, {}).items()}
    for path, node in nodes.items():
        if node is not None and "_target_" not in node:
            yield f"{path} has no _target_"


def _stage_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    for name, stage in settings.get("stage", {}).items():
        if "module" not in stage:
            yield f"stage.{name} holds no module"
        for place, value in entries(stage):
            kind = OF_STAGE.get(dotted(place), object)
            if not isinstance(value, kind):
                unlike = "is no text" if kind == str | None else "are no settings"
                yield f"stage.{name}.{dotted(place)} is {shown(value)}, which {unlike}"


def _schema_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    try:
        OmegaConf.merge(OmegaConf.structured(TrainConfig), dict(settings))
    except ConfigKeyError as error:
        yield f"{shown(error.full_key)} is no key of a run's settings"
    except OmegaConfBaseException as error:
        yield f"{error.full_key}: {str(error).splitlines()[0]}"


def _may_name(place: tuple[Any, ...], target: str) -> bool:
    if not place or (len(place) == 1 and place[0] in KEYED):  # no node of a group
        return False
    group = str(place[0])
    module = target.removeprefix(f"{PACKAGE.name}.").rpartition(".")[0]
    ours = any(module == room or module.startswith(f"{room}.") for room in ROOMS.get(group, ()))
    return target in NAMED.get(group, ()) or (ours and _defined(target) is not None)


def _defined(target: str) -> Literal["concrete", "abstract"] | None:
    """What kind of class of this package a target is; None where it is none."""
    package, _, inside = target.partition(".")
    module, _, name = inside.rpartition(".")
    return _classes(module).get(name) if package == PACKAGE.name else None


@cache
def _classes(module: str) -> dict[str, Literal["concrete", "abstract"]]:
    """The classes that a module of this package defines at its top; none where there is no such module."""
    path = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
    if not re.fullmatch(r"\w+(\.\w+)*", module) or not path.is_file():
        return {}
    classes = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
    return {node.name: "abstract" if _is_abstract(node) else "concrete" for node in classes}


def _is_abstract(node: ast.ClassDef) -> bool:
    """Whether a class leaves it to others to say what it does: methods, or values of its class attributes."""
    bases = {ast.unparse(base).partition("[")[0].split(".")[-1] for base in node.bases}
    methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
    decorators = {ast.unparse(name).split(".")[-1] for method in methods for name in method.decorator_list}
    unset = [part for part in node.body if isinstance(part, ast.AnnAssign) and part.value is None]
    owed = any(ast.unparse(part.annotation).startswith("ClassVar") for part in unset)
    return owed or bool(bases & {"Protocol", "ABC"}) or "abstractmethod" in decorators


def _unlike(place: tuple[Any, ...]) -> str:
    group = place[0] if place else "the top"
    rooms = ", ".join(f"{PACKAGE.name}.{room}" for room in ROOMS.get(group, ()))
    return f"no class of {rooms}" if rooms else f"nothing that {group} of a shared folder may hold"


def _allowed_by(target: str) -> str:
    return f"if you trust whoever made the folder, allow it: trust=[{shown(target)}]"
