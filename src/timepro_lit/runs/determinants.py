"""Which settings a result depends on: those of a stage, and those of the answers of a trained model.

What is not known to leave a result as it is counts. Bases, examples and recordings count by their content, which is
looked at elsewhere, so where they lie does not count here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from timepro_lit.runs.code import PACKAGE, code_of, targets_of
from timepro_lit.runs.origin import Grounds

SHARED_GROUPS = ("lora", "time_prompt", "task", "seed")
PLACEMENT = (
    "_target_", "_partial_", "accelerator", "devices", "num_nodes", "strategy", "default_root_dir", "benchmark",
    "profiler", "log_every_n_steps", "enable_checkpointing", "enable_progress_bar", "enable_model_summary",
    "detect_anomaly", "num_sanity_val_steps", "use_distributed_sampler", "logger", "barebones", "limit_test_batches",
)  # fmt: skip
"""Trainer settings that say where a stage runs and what it shows, not what comes out."""
PLAIN_STRATEGIES = (None, "auto", "single_device", "ddp")
"""They sum the same gradient on any number of processes; also with what is added as in `ddp_find_unused_...`."""
PRESENCE = ("audio", "max_skipped_share")
"""Settings of the data that say where its recordings are and how many may be missing, not what is learnt from them."""
CONTENT = (
    "corpus", "folder", "tasks", "train_split", "validation_split", "test_split", "batch_size", "eval_batch_size",
    "num_workers", "recordings", "absent_share", *PRESENCE,
)  # fmt: skip
"""Settings of the data that its content stands for, or the stage, and those that change speed and memory alone."""
WORDS = ("label", "about")
"""Settings of a stage, and of its reward, that say what it is called and change nothing else."""
SPEED = ("local_files_only", "capture_steps", "gradient_checkpointing")
"""Settings of the model that change speed and memory alone."""
LOADING = ("checkpoint", "folder", "revision", *SPEED)
"""The same, and those that its base's content stands for."""
LATER = ("max_duration_s",)
"""Settings of the model and of stages that earlier versions did not have; null is as if they were not said."""
MICRO = ("micro_batch_size", "micro_batch_tokens")
"""Settings of a stage that change speed and memory alone."""
LENGTHS = ("batch_size", "max_epochs", "max_steps")
"""Settings of a stage that count as what comes of them: the run knows how many rows to how many steps."""
OBSERVERS = ("DeviceStatsMonitor", "LearningRateMonitor", "ModelSummary", "RichProgressBar", "TQDMProgressBar")
"""Callbacks of Lightning that watch and leave everything as it is."""
STAGE_CODE = ("lit.fit",)
ANSWERS_CODE = ("lit.base", "lit.datamodule", "inference.answering", "lalm.checkpoint")
"""What makes them besides what the settings name."""
VOTING = "voting"
"""Of the settings of answers that were voted over: how."""
VOTES_CODE = ("tasks.voted", "tasks.merged")
"""What makes one answer of several, which is done anew each time as well."""
LIMITED = "limited"
"""Of the settings of a trainer, how much a limit on batches of evaluation lets through."""
WINDOWS = "windows"
"""Of the settings of answers, where a recording was longer than is heard at once: how it was cut."""
_READERS = (
    "absence", "brackets", "denials", "entries", "keyed", "labels", "merged", "named_times", "names", "prose", "ranges",
    "reading", "rows", "thinking", "times", "typography", "voted", "well_formed",
)  # fmt: skip
READING = ("events/", "metrics/", "rewards/", *(f"tasks/{name}.py" for name in _READERS))
"""Code that reads and scores answers, which is done anew each time."""


def grounds_of_stages(settings: Mapping[str, Any], package: Path = PACKAGE) -> dict[str, Grounds]:
    """What the settings say that each stage's result depends on, and the code, below `package`, that makes it."""
    shared = [settings[group] for group in ("model", "lora", "time_prompt", "task")]
    shared += [without(settings["data"], ("corpus", "tasks")), settings.get("callbacks")]
    found = {}
    for name, determining in determinants(settings).items():
        stage = without(determining["stage"], LENGTHS)
        stage |= {"fit": without(stage["fit"], LENGTHS)} if "fit" in stage else {}
        code = code_of([*_own(STAGE_CODE), *targets_of([*shared, settings["stage"][name]])], package)
        found[name] = Grounds(determining | {"stage": stage}, code)
    return found


def grounds_of_answers(
    settings: Mapping[str, Any], package: Path = PACKAGE, voting: Mapping[str, Any] | None = None
) -> Grounds:
    """The same for a model's answers; those voted over are others than greedy ones, by their `voting`."""
    named = [settings["model"], settings["task"], without(settings["data"], ("corpus", "tasks"))]
    code = code_of([*_own(ANSWERS_CODE), *targets_of(named)], package)
    kept = {name: digest for name, digest in code.items() if not name.startswith(READING)}
    said = {"model": answering_model(settings["model"]), "task": settings["task"], "trainer": _answering(settings)}
    return Grounds(said | ({VOTING: dict(voting)} if voting else {}), kept)


def answering_model(model: Mapping[str, Any]) -> dict[str, Any]:
    """What of a model's settings its answers depend on, beside its files."""
    return _said(without(model, LOADING))


def on_processes(grounds: Grounds, count: Callable[[], int]) -> Grounds:
    """Grounds by which a limit on batches of evaluation, which each process has, is one of as many as there are.

    Asked are those alone whose settings leave the number to the machine, as `devices: -1` does.
    """
    trainer = grounds.settings["trainer"]
    if not isinstance(trainer.get(LIMITED, {}).get("processes"), Mapping):
        return grounds
    counted = {**trainer, LIMITED: {**trainer[LIMITED], "processes": count()}}
    return replace(grounds, settings={**grounds.settings, "trainer": counted})


def determinants(settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """For each stage the settings that its result depends on; logging, folders and other stages' settings do not.

    The reward counts where a stage refers to it.
    """
    shared = {group: settings[group] for group in SHARED_GROUPS}
    shared["model"] = answering_model(settings["model"])
    shared["data"] = without(settings["data"], CONTENT)
    shared |= {"callbacks": acting} if (acting := _acting(settings)) else {}
    found = {}
    for name, node in settings["stage"].items():
        limit = {**settings["trainer"], **(node.get("fit") or {})}.get("limit_val_batches")
        trainer = _trainer(settings["trainer"]) | _batches_of(limit, settings)
        found[name] = without_num_workers(shared | {"trainer": trainer, "stage": _stage(node)})
    return found


def method_of(settings: Mapping[str, Any], stages: Collection[str]) -> dict[str, Any]:
    """All that the settings say a model depends on after these stages of its run, but the seed it began from.

    Where things lie counts as far as it is said without `paths`; contents are not looked at.
    """
    groups = ("model", "lora", "time_prompt", "task", "init_from") if stages else ("model", "task")
    found = {group: settings.get(group) for group in groups}
    found["model"] = _said(without(settings["model"], SPEED))
    found["trainer"] = _trainer(settings["trainer"]) if stages else _answering(settings)
    if stages:
        found["callbacks"] = _acting(settings)
        found["time_prompt"] = _unseeded(found["time_prompt"], settings["seed"])
        found["data"] = without(without_presence(settings["data"]), ("tasks", "eval_batch_size"))
        if not found["data"].get("absent_share"):  # as in runs from before it was a setting
            found["data"] = without(found["data"], ("absent_share",))
        found["stage"] = {name: _stage(settings["stage"][name]) for name in stages}
        for stage in found["stage"].values():
            stage["module"] = _unseeded(stage["module"], settings["seed"])
    plain: dict[str, Any] = without_num_workers(found)
    return plain


def _unseeded(node: Mapping[str, Any] | None, seed: int) -> dict[str, Any] | None:
    """A node without its seed, where that is the run's own."""
    return node if node is None or node.get("seed") != seed else without(node, ("seed",))


def _acting(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The callbacks that do not watch alone."""
    callbacks = settings.get("callbacks") or {}
    return {name: node for name, node in callbacks.items() if str(node["_target_"]).split(".")[-1] not in OBSERVERS}


def grounds_of_scores(tasks: Mapping[str, Any], package: Path = PACKAGE) -> Grounds:
    """What the scores of given answers depend on: the settings of the tasks, and the code that reads and scores."""
    code = code_of([*_own(VOTES_CODE), *targets_of(tasks)], package)
    return Grounds(scored_alike(tasks), {name: digest for name, digest in code.items() if name.startswith(READING)})


def scored_alike(tasks: Mapping[str, Any]) -> dict[str, Any]:
    """What the settings of tasks say of their scores; in what order classes are named counts for questions alone."""
    return {"task": {name: {**node, "classes": sorted(node.get("classes") or [])} for name, node in tasks.items()}}


def unnamed(node: Mapping[str, Any]) -> dict[str, Any]:
    """A stage or a reward without what it is called."""
    kept = without(node, WORDS)
    module = node.get("module")
    if isinstance(module, Mapping) and isinstance(module.get("reward"), Mapping):
        kept["module"] = {**module, "reward": unnamed(module["reward"])}
    return kept


def without(node: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """A node without these keys of its own."""
    return {key: value for key, value in node.items() if key not in keys}


def _said(node: Mapping[str, Any]) -> dict[str, Any]:
    """A node without what is not said in it."""
    return {key: value for key, value in node.items() if key not in LATER or value is not None}


def without_presence(data: Any) -> Any:
    """The settings of the data without `PRESENCE`, of whichever of its corpora."""
    if isinstance(data, Mapping):
        return {key: without_presence(value) for key, value in data.items() if key not in PRESENCE}
    return data


def without_num_workers(node: Any) -> Any:
    """Numbers of worker processes change speed alone, wherever they stand."""
    if isinstance(node, Mapping):
        return {key: without_num_workers(value) for key, value in node.items() if key != "num_workers"}
    return node


def _stage(node: Mapping[str, Any]) -> dict[str, Any]:
    kept = _said(without(unnamed(node), MICRO))
    return kept | ({"fit": without(kept["fit"], PLACEMENT)} if "fit" in kept else {})


def _trainer(node: Mapping[str, Any]) -> dict[str, Any]:
    strategy = node.get("strategy")
    return without(node, PLACEMENT) | ({} if _is_plain(strategy) else {"strategy": strategy})


def _answering(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of a trainer's settings, those that answers depend on."""
    node = settings["trainer"]
    limit = {"limit": limit} if (limit := node.get("limit_test_batches")) is not None else {}
    kept = {key: node[key] for key in ("precision", "plugins") if key in node}
    return kept | limit | _batches_of(node.get("limit_test_batches"), settings)


def _batches_of(limit: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """How much a limit on batches of evaluation lets through: it counts those of one process. Nothing without one."""
    if not limit or (limit == 1.0 and isinstance(limit, float)):
        return {}
    node = settings["trainer"]
    # how many all devices are is for `on_processes` to say
    processes = num_processes(node) or {key: node.get(key) for key in ("devices", "num_nodes")}
    return {LIMITED: {"eval_batch_size": settings["data"].get("eval_batch_size"), "processes": processes}}


def num_processes(trainer: Mapping[str, Any]) -> int | None:
    """How many the settings of a trainer name; None where they leave it to the machine."""
    devices = trainer.get("devices", "auto")
    counted = len(devices) if isinstance(devices, list) else devices if isinstance(devices, int) else -1
    return None if counted < 1 else counted * (trainer.get("num_nodes") or 1)


def _is_plain(strategy: Any) -> bool:
    if isinstance(strategy, Mapping):
        named = str(strategy.get("_target_")).split(".")[-1]
        return named in ("DDPStrategy", "SingleDeviceStrategy") and "ddp_comm_hook" not in strategy
    return strategy in PLAIN_STRATEGIES or str(strategy).startswith("ddp_find_unused_parameters")


def _own(modules: tuple[str, ...]) -> list[str]:
    return [f"timepro_lit.{module}" for module in modules]
