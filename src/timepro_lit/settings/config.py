"""From composed yaml to objects: `validate` and `build`, the only place that instantiates.

Yaml wires, Python thinks: past this file no function takes a config, constructors list what they need.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException

from timepro_lit.planning.work import Placement
from timepro_lit.runs.determinants import num_processes
from timepro_lit.settings.agreement import bound_faults, fit_faults, length_faults, precision_faults, unused_sizes
from timepro_lit.settings.binding import UNRESOLVED, locate, node_faults
from timepro_lit.settings.extras import missing_extras

SINGLE = ("model", "lora", "time_prompt", "data", "reward", "trainer")
"""Groups of which one option is chosen: a node with `_target_`, or null."""
KEYED = ("task", "stage", "callbacks", "logger")
"""Groups of which several may be chosen: each option is a node under its own name."""
NEEDED = ("model", "data", "trainer")
KINDS: Mapping[str, str] = {
    "model": "timepro_lit.lalm.checkpoint.Backbone",
    "lora": "timepro_lit.lalm.lora.LoRA",
    "time_prompt": "timepro_lit.time_prompt.prompt.TimePrompt",
    "task": "timepro_lit.tasks.base.Task",
    "data": "timepro_lit.lit.datamodule.ClipDataModule",
    "reward": "timepro_lit.rewards.base.Reward",
    "stage": "timepro_lit.lit.stage.Stage",
    "trainer": "lightning.pytorch.Trainer",
    "callbacks": "lightning.pytorch.Callback",
    "logger": "lightning.pytorch.loggers.Logger",
    "corpus": "timepro_lit.data.corpora.annotated.AnnotatedCorpus",
}
"""What the options of a group make. Imported when asked, so that a model is loaded without Lightning."""
SUPPLIED: Mapping[str, tuple[str, ...]] = {
    "stage": ("load_lalm", "tasks", "metrics"),
    "trainer": ("logger", "callbacks"),
    "logger": ("save_dir", "name", "version"),
}
"""Arguments that the code adds to the `_partial_` nodes of a group."""
FOLDERS = ("folder", "audio", "recordings")
"""Keys of the data that name folders."""
PER_TASK = "timepro_lit.rewards.base.PerTask"
"""Holds a reward for each task."""


def anchor(cfg: DictConfig) -> None:
    """Make the folders that the command names absolute: a run may be looked at again from anywhere."""
    _anchor(cfg.data, FOLDERS)
    _anchor(cfg, ("init_from",))
    if isinstance(cfg.get("model"), DictConfig) and _is_folder(cfg.model, "checkpoint"):  # else a name on the hub
        _anchor(cfg.model, ("checkpoint",))


def _anchor(node: Any, keys: Collection[str]) -> None:
    """What refers to other settings is left to them."""
    if not isinstance(node, DictConfig):
        return
    for key in node:
        if OmegaConf.is_missing(node, key) or OmegaConf.is_interpolation(node, key):
            continue
        value = node[key]
        if key in keys and isinstance(value, str) and "://" not in value:
            node[key] = str(Path(value).expanduser().absolute())
        elif key != "tasks" and keys is FOLDERS:
            _anchor(value, keys)


def _is_folder(node: DictConfig, key: str) -> bool:
    plain = key in node and not OmegaConf.is_interpolation(node, key) and not OmegaConf.is_missing(node, key)
    return plain and isinstance(node[key], str) and Path(node[key]).is_dir()


def validate(cfg: DictConfig) -> None:
    """Check every `_target_` node against the signature it names, before anything is built.

    Raises ValueError that lists all faults, each with its key's path, or says that the experiment refuses the scale.
    """
    _refuse_scale(cfg)
    faults: list[str] = []
    plain = _resolved(cfg, "", faults)
    for group in SINGLE:
        if plain[group] is None and group in NEEDED:
            faults.append(f"{group}: nothing is chosen")
        elif plain[group] is not None:
            faults += _node_faults(plain[group], group, group)
    if not plain["task"]:
        faults.append("task: nothing is chosen")
    for group in KEYED:
        for name, node in plain[group].items():
            faults += _node_faults(node, f"{group}.{name}", group)
    if cfg.checkpoint_every is not None and cfg.checkpoint_every < 1:
        faults.append(f"checkpoint_every: must be at least 1, or null for never, not {cfg.checkpoint_every}")
    if cfg.reuse not in (None, "anyway"):
        faults.append(f"reuse: must be anyway, or null, not {cfg.reuse}")
    if cfg.only not in (None, "plan", "preflight"):
        faults.append(f"only: must be plan or preflight, or null, not {cfg.only}")
    if cfg.seed < 0:
        faults.append(f"seed: must be at least 0, not {cfg.seed}")
    faults += (fault for group in ("stage", "data", "lora") for fault in bound_faults(plain[group], group))
    faults += fit_faults(plain)
    faults += [*length_faults(plain), *precision_faults(plain)]
    faults += unused_sizes(cfg)
    _refuse(faults)


def build(cfg: DictConfig) -> dict[str, Any]:
    """Instantiate all chosen options: an object or None per group of `SINGLE`, a dict by name per group of `KEYED`.

    The reward is left to the stages that refer to it. Raises ValueError with the key's path where a constructor
    refuses a value, or a logger needs what is not installed.
    """
    settings = settings_of(cfg)
    _refuse(list(missing_extras(settings["logger"])))
    return _all_built(settings)


def build_evaluation(cfg: DictConfig) -> dict[str, Any]:
    """What answers and scores, as `build`; whatever else a run was trained with is left out."""
    return _all_built(settings_of(cfg) | {"lora": None, "stage": {}, "callbacks": {}, "logger": {}})


def build_plan(cfg: DictConfig) -> dict[str, Any]:
    """What a run can be planned from, as `build`.

    Without trainer, callbacks, loggers and rewards, which may need a library, a device or a program that is not here.
    """
    plain = settings_of(cfg) | {"trainer": None, "callbacks": {}, "logger": {}}
    bare = {name: node | {"module": _without_reward(node["module"])} for name, node in plain["stage"].items()}
    return _all_built(plain | {"stage": bare})


def _without_reward(module: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in module.items() if key != "reward"}


def placement_of(settings: Mapping[str, Any]) -> Placement:
    """Where a run is to take place, by the settings of its trainer alone."""
    trainer = settings["trainer"]
    strategy = trainer.get("strategy") or "auto"
    named = strategy.get("_target_", "") if isinstance(strategy, Mapping) else str(strategy)
    stage = (strategy.get("config") or {}).get("zero_optimization", {}).get("stage", 0) if named != strategy else 0
    limit = trainer.get("limit_train_batches")
    return Placement(
        on_gpu=trainer.get("accelerator", "auto") not in ("cpu", "mps"),
        num_processes=num_processes(trainer),
        sharded="deepspeed" in named.lower() and (stage >= 1 or named == strategy),
        autocast="mixed" in str(trainer.get("precision", "32-true")),
        strategy=named,
        limit_train_batches=1.0 if limit is None else limit,
        overfit_batches=trainer.get("overfit_batches", 0.0),
    )


def _all_built(plain: Mapping[str, Any]) -> dict[str, Any]:
    single = {group: _built(plain[group], group) for group in SINGLE if group not in ("reward", "trainer")}
    single["trainer"] = _made_anew(plain["trainer"], "trainer")
    keyed = {g: {name: _built(node, f"{g}.{name}") for name, node in plain[g].items()} for g in KEYED}
    return single | keyed


def tasks_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The tasks of a run, by name. Raises ValueError that lists all faults of their settings."""
    _refuse([fault for name, node in settings["task"].items() for fault in _node_faults(node, f"task.{name}", "task")])
    return {name: _built(node, f"task.{name}") for name, node in settings["task"].items()}


def build_data(settings: Mapping[str, Any]) -> Any:
    """The data of stored settings. Raises ValueError that lists all their faults."""
    _refuse(list(_node_faults(settings["data"], "data", "data")))
    return _built(settings["data"], "data")


def build_source(settings: Mapping[str, Any]) -> tuple[Any, Any]:
    """The backbone and the time prompt (or None) of stored settings. Raises ValueError that lists all their faults."""
    chosen = [group for group in ("model", "time_prompt") if settings[group] is not None]
    _refuse([fault for group in chosen for fault in _node_faults(settings[group], group, group)])
    return _built(settings["model"], "model"), _built(settings["time_prompt"], "time_prompt")


def build_preparation(cfg: DictConfig) -> tuple[Any, dict[str, Any]]:
    """The reader of a corpus and the tasks of its questions. Raises ValueError that lists all faults."""
    faults: list[str] = []
    plain = _resolved(cfg, "", faults)
    faults += _node_faults(plain["corpus"], "corpus", "corpus")
    for name, node in plain["task"].items():
        faults += _node_faults(node, f"task.{name}", "task")
    _refuse(faults)
    settings = settings_of(cfg)
    return _built(settings["corpus"], "corpus"), tasks_of(settings)


def settings_of(cfg: DictConfig) -> dict[str, Any]:
    """The settings as plain dicts, lists and scalars, all interpolations resolved; rewards of the run's tasks alone."""
    settings = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    assert isinstance(settings, dict)
    plain = {str(key): value for key, value in settings.items()}
    return {key: _of_asked_tasks(value, plain.get("task", {})) for key, value in plain.items()}


def portable(cfg: DictConfig) -> dict[str, Any]:
    """The settings with folder names in place of the folders, so that they say the same on every machine."""
    names = {"paths": {name: f"<{name}>" for name in cfg.paths}}
    return settings_of(OmegaConf.merge(cfg, names))  # type: ignore[arg-type]


def _of_asked_tasks(node: Any, tasks: Collection[str]) -> Any:
    """Without the rewards of tasks that are not asked: they may need what is not there, and determine nothing."""
    if isinstance(node, list):
        return [_of_asked_tasks(item, tasks) for item in node]
    if not isinstance(node, Mapping):
        return node
    inside = {key: _of_asked_tasks(value, tasks) for key, value in node.items()}
    if node.get("_target_") == PER_TASK:
        inside["rewards"] = {name: reward for name, reward in inside["rewards"].items() if name in tasks}
    return inside


def _refuse(faults: list[str]) -> None:
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise ValueError(f"{count} in the settings: " + "; ".join(dict.fromkeys(faults)))


def _built(node: Any, path: str) -> Any:
    if node is None:
        return None
    try:
        return instantiate(node, _convert_="all")
    except InstantiationException as error:
        if isinstance(error.__cause__, ValueError | OSError):
            raise type(error.__cause__)(f"{path}: {error.__cause__}") from error
        raise


def _made_anew(node: Any, path: str) -> Callable[..., Any]:
    """A partial node's callable that builds all in it at each call: no two Trainers can share a strategy."""
    _built(node, path)  # so that what it refuses is refused now

    def make(**arguments: Any) -> Any:
        try:
            return _built(node, path)(**arguments)
        except Exception as error:
            if type(error).__name__ not in ("MisconfigurationException", "TypeError"):  # as Lightning says so
                raise
            raise ValueError(f"{path}: {error}") from error

    return make


def _resolved(node: Any, path: str, faults: list[str]) -> Any:
    """Plain containers; what is missing or refers to nothing becomes a fault and `UNRESOLVED`.

    A node that refers to another node is left out as well: its faults are those of the other.
    """
    if OmegaConf.is_list(node):
        return [_resolved_item(node, i, f"{path}[{i}]", faults) for i in range(len(node))]
    return {str(key): _resolved_item(node, key, f"{path}.{key}".lstrip("."), faults) for key in node}


def _resolved_item(node: Any, key: Any, path: str, faults: list[str]) -> Any:
    if OmegaConf.is_missing(node, key):
        faults.append(f"{path}: has no value yet (???)")
        return UNRESOLVED
    refers = OmegaConf.is_interpolation(node, key)
    try:
        value = node[key]
    except InterpolationToMissingValueError:  # which is a fault where it stands
        return UNRESOLVED
    except OmegaConfBaseException as error:
        faults.append(f"{path}: {str(error).splitlines()[0]}")
        return UNRESOLVED
    if not OmegaConf.is_config(value):
        return value
    return UNRESOLVED if refers else _resolved(value, path, faults)


def _node_faults(node: Any, path: str, group: str) -> Iterator[str]:
    if not isinstance(node, Mapping):
        yield f"{path}: {node!r} is no node with _target_"
    elif "_target_" not in node:
        yield f"{path}: has {sorted(node)} but no _target_"
    else:
        yield from node_faults(node, path, SUPPLIED.get(group, ()), locate(KINDS[group]))


def _refuse_scale(cfg: DictConfig) -> None:
    if cfg.scales is not None and cfg.scale not in cfg.scales:
        known = f"scale{'s' if len(cfg.scales) > 1 else ''} {' and '.join(cfg.scales)}"
        raise ValueError(f"this experiment is made for the {known} alone and refuses {cfg.scale}")
