"""A run's plan on one page: what it will do and take, what it shares, and what is missing for it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import torch

from timepro_lit.lalm.lora import refuse_other_lora
from timepro_lit.lalm.presence import of_model
from timepro_lit.lalm.shape import shape_of
from timepro_lit.lit.forecast import StageForecast, frontend_of, method_of, training_examples
from timepro_lit.lit.presence import of_data, of_programs
from timepro_lit.lit.setting import ADAPTER, Parts
from timepro_lit.planning.hours import H100
from timepro_lit.planning.memory import readable
from timepro_lit.planning.page import PROCESSES, StagePlan, disk, page
from timepro_lit.planning.presence import Item, listing
from timepro_lit.planning.shape import Shape
from timepro_lit.planning.work import Placement, Work
from timepro_lit.records import RunDescription
from timepro_lit.runs.directory import Run
from timepro_lit.runs.foreseen import foreseen
from timepro_lit.runs.origin import Grounds


def plan_of_run(
    parts: Parts,
    directory: Path,
    store: Path,
    grounds: Mapping[str, Grounds],
    described: RunDescription,
    placement: Placement,
    asks_meteor: bool,
    init_from: str | None,
    seed: int,
    checkpoint_every: int | None,
) -> str:
    """The page.

    Reads manifests, tokenizer and configuration, where they are here, and writes nothing but the Arrow files beside the
    manifests. Raises ValueError where a stage could not run as it is set.
    """
    head = [
        f"plan of {described.name} at the scale {described.scale}, seed {seed}: no weight is read, nothing is made",
        f"run directory: {directory} ({_progress(directory)})",
    ]
    stages: list[StagePlan] = []
    shape, said = _shape(parts)
    head.append(f"sizes of the model: {said}")
    items = [*of_model(parts.model, parts.time_prompt)]
    data = parts.data
    if init_from is not None and (Path(init_from) / ADAPTER).exists():
        refuse_other_lora(Path(init_from) / ADAPTER, parts.lora)
    if parts.stage:
        stages, notes = _stages(parts, store, grounds, placement, init_from, seed)
        head += notes
        items += of_data(data, (data.train_split, data.validation_split, data.test_split))
    else:
        head.append("no stage is trained: the base model answers the test split")
        items += of_data(data, (data.test_split,))
    items += of_programs(asks_meteor, placement)
    if shape is not None and stages:
        items.append(_room(store, disk(stages, shape, checkpoint_every is not None)))
    machine = H100 if placement.on_gpu else None
    return f"{page(head, stages, shape, machine)}\n{listing(items)}"


def _shape(parts: Parts) -> tuple[Shape | None, str]:
    try:
        shape, said = shape_of(parts.model)
    except ValueError as error:
        return None, f"not known, so no operations and no memory ({error})"
    ends = shape.decoder.embedding * (1 if shape.decoder.head_is_embedding else 2)
    total = shape.decoder.weights + ends + shape.encoder.weights
    return shape, f"{total / 1e9:.3g} billion weights, {said}"


def _stages(
    parts: Parts,
    store: Path,
    grounds: Mapping[str, Grounds],
    placement: Placement,
    init_from: str | None,
    seed: int,
) -> tuple[list[StagePlan], list[str]]:
    frontend, tokens_said = frontend_of(parts.model, parts.time_prompt)
    try:
        examples, examples_said = training_examples(parts.data, frontend.max_duration_s)
    except ValueError as error:
        return [], [f"training examples: none to plan with ({error})"]
    notes = [f"training examples: {examples_said}", f"tokens: {tokens_said}"]
    counts = PROCESSES if placement.on_gpu else (1, placement.num_processes or 1)
    plans, alone, works = {}, {}, {}
    for name, stage in parts.stage.items():
        try:
            forecast = StageForecast(stage, parts.data, examples, frontend, seed)
            alone[name] = forecast.work(1, placement)
            more = {n: _work(forecast, n, placement) for n in counts if n != 1}
            works[name] = {1: alone[name], **more}
        except ValueError as error:
            raise ValueError(f"stage.{name}: {error}") from error
        plans[name] = forecast
    lengths = {
        name: {"max_steps": alone[name].num_steps, "batch_size": stage.batch_size}
        for name, stage in parts.stage.items()
    }
    shared = foreseen(store, grounds, lengths, init_from)
    found = []
    for name, forecast in plans.items():
        first = alone[name]
        own = placement.num_processes or max(1, torch.cuda.device_count())
        of_own = works[name].get(own, first)
        micro = of_own.num_micro_batches if isinstance(of_own, Work) else first.num_micro_batches
        method = method_of(parts.stage[name], parts, placement, micro)
        found.append(StagePlan(name, shared[name].key, shared[name].said, forecast.epoch(), method, works[name]))
    return found, notes


def _work(forecast: StageForecast, num_processes: int, placement: Placement) -> Work | str:
    """The work, or why so many processes cannot share it."""
    try:
        return forecast.work(num_processes, placement)
    except ValueError as error:
        return str(error)


def _progress(directory: Path) -> str:
    if not directory.exists():
        return "not there yet"
    return "finished" if Run(directory).finished is not None else "begun"


def _room(folder: Path, needed: float) -> Item:
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    said = f"{readable(needed)} to be written, {readable(free)} free in {there}"
    return Item("room on the disk", free > needed, said)
