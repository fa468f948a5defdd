"""What settings must agree on besides their types: bounds, stages with the trainer, sizes with what refers to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from timepro_lit.settings.binding import argument_faults, locate
from timepro_lit.settings.schemas import CONF

BOUNDS: Mapping[str, tuple[float, float | None]] = {
    **dict.fromkeys(("batch_size", "micro_batch_size", "micro_batch_tokens", "eval_batch_size"), (1, None)),
    **dict.fromkeys(("examples_per_task", "max_validation_examples", "max_steps", "max_epochs"), (1, None)),
    **dict.fromkeys(("updates_per_rollout", "max_new_tokens", "rank", "alpha"), (1, None)),
    **dict.fromkeys(("learning_rate", "weight_decay", "kl_coefficient", "num_workers"), (0, None)),
    **dict.fromkeys(("clip_range", "clip_range_high"), (0, None)),
    **dict.fromkeys(("warmup_fraction", "dropout", "max_skipped_share"), (0, 1)),
    "group_size": (2, None),
}
"""Least and greatest value of what is called so; null is no number."""
ENDLESS = ("max_steps", "max_epochs")
"""Those that -1 leaves without a limit."""
OF_STAGES = ("max_epochs", "max_steps", "val_check_interval", "check_val_every_n_epoch", "gradient_clip_val")
"""Arguments of the trainer that stages give."""


def bound_faults(node: Any, path: str) -> Iterator[str]:
    """Numbers of stages, data or LoRA that are too small or too large, wherever below `node` they stand."""
    for key, value in node.items() if isinstance(node, Mapping) else ():
        least, most = BOUNDS.get(key, (None, None))
        if isinstance(value, Mapping):
            yield from bound_faults(value, f"{path}.{key}")
        elif least is None or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        elif value < least and not (key in ENDLESS and value == -1):
            yield f"{path}.{key}: must be at least {least}, not {value}"
        elif most is not None and value > most:
            yield f"{path}.{key}: must be at most {most}, not {value}"


def fit_faults(plain: Mapping[str, Any]) -> Iterator[str]:
    """`stage.<name>.fit` holds arguments of the trainer."""
    trainer = plain["trainer"]
    if not isinstance(trainer, Mapping) or "_target_" not in trainer:
        return
    for name, node in plain["stage"].items():
        if isinstance(node, Mapping) and isinstance(node.get("fit"), Mapping):
            target = trainer["_target_"]
            yield from argument_faults(locate(target), node["fit"], f"stage.{name}.fit", (), target)


def length_faults(plain: Mapping[str, Any]) -> Iterator[str]:
    """Settings of the trainer in which every stage has its own say, so that they would change nothing."""
    trainer = plain["trainer"] if isinstance(plain["trainer"], Mapping) else {}
    fits = [node["fit"] for node in plain["stage"].values() if isinstance(node, Mapping) and "fit" in node]
    for key in trainer:
        if key == "accumulate_grad_batches" and fits:
            yield f"trainer.{key}: comes of a stage's batch_size, its micro-batches and the processes; set those"
        elif key in OF_STAGES and any(key in fit for fit in fits if isinstance(fit, Mapping)):
            yield f"trainer.{key}: is said by each stage: set stage.<name>.fit.{key}"


def precision_faults(plain: Mapping[str, Any]) -> Iterator[str]:
    """Short names of the trainer's, by which only a trainer would know what the model is asked in."""
    trainer = plain["trainer"] if isinstance(plain["trainer"], Mapping) else {}
    if (short := str(trainer.get("precision"))) in ("16", "bf16"):
        yield f"trainer.precision: {short} is short for {short}-mixed; write that"


def unused_sizes(cfg: DictConfig) -> Iterator[str]:
    """A size that no setting refers to while others of its group are in use: most likely a typo."""
    stages = {path.stem for path in (CONF / "stage").glob("*.yaml")}
    raw = OmegaConf.to_yaml(cfg)
    for group, sizes in cfg.sizes.items():
        if group not in stages | {"data", "time_prompt"}:
            yield f"sizes.{group}: there is no stage of this name"
        elif group in cfg.stage or f"${{sizes.{group}." in raw:
            for key in sizes:
                reference = f"${{sizes.{group}.{key}}}"
                if reference not in raw and not _is_given_itself(cfg, reference):
                    yield f"sizes.{group}.{key}: no setting refers to it"


def _is_given_itself(cfg: DictConfig, reference: str) -> bool:
    """Whether the setting that takes a size by default has been given a value: stage.sft.module.learning_rate=1e-3."""
    for path in (path for group in ("stage", "data", "time_prompt") for path in (CONF / group).glob("*.yaml")):
        if reference in path.read_text(encoding="utf-8"):
            node = OmegaConf.load(path)
            node = node if path.parent.name in node else OmegaConf.create({path.parent.name: node})
            for place in _places_of(node, reference):
                if OmegaConf.select(cfg, place, throw_on_missing=False) is not None:
                    return True
    return False


def _places_of(node: Any, value: str) -> Iterator[str]:
    """Dotted paths at which a text stands in yaml, unresolved."""
    plain = OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node
    for key, inner in plain.items() if isinstance(plain, Mapping) else ():
        if inner == value:
            yield str(key)
        else:
            yield from (f"{key}.{place}" for place in _places_of(inner, value))
