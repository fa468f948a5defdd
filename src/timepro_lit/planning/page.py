"""A plan as text: one column a stage."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from timepro_lit.planning import hours, memory
from timepro_lit.planning.flops import readable as readable_flops
from timepro_lit.planning.hours import Machine
from timepro_lit.planning.memory import readable
from timepro_lit.planning.shape import Shape
from timepro_lit.planning.work import Epoch, Method, Work

PROCESSES = (1, 8, 64)
"""For which a plan is made."""
WIDTH = 120


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What is known of a stage beforehand."""

    name: str
    key: str
    """Equal in two runs that share its result."""
    result: str
    """Whether it is stored already, in words."""
    epoch: Epoch
    method: Method
    works: Mapping[int, Work | str]
    """By number of processes; a sentence where it refuses them."""

    @property
    def smallest(self) -> Work:
        """On as few processes as are planned for."""
        return next(work for work in self.works.values() if isinstance(work, Work))


def page(head: Sequence[str], stages: Sequence[StagePlan], shape: Shape | None, machine: Machine | None) -> str:
    """The whole plan but for its list: `head` are lines, `shape` of the model and `machine` None where unknown."""
    lines = list(head)
    if stages:
        lines += [drawn(_table(stages, shape, machine)), *_notes(stages, shape, machine)]
    return "\n".join(lines)


def disk(stages: Sequence[StagePlan], shape: Shape, states: bool) -> float:
    """Bytes that a run writes at most at a time: all results, and two states of the largest stage."""
    results = sum(memory.result_on_disk(shape, stage.method) for stage in stages)
    return results + (2 * max((memory.state_on_disk(shape, s.method) for s in stages), default=0.0) if states else 0.0)


def drawn(table: Table) -> str:
    """A table as text, as wide as it may be."""
    text = io.StringIO()
    Console(file=text, width=WIDTH).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def _table(stages: Sequence[StagePlan], shape: Shape | None, machine: Machine | None) -> Table:
    table = Table("", *(stage.name for stage in stages), pad_edge=False)

    counts = _counts(stages)

    def row(name: str, cell: Callable[[StagePlan], str]) -> None:
        table.add_row(name, *(cell(stage) for stage in stages))

    row("key (equal keys: one stage for all)", lambda s: s.key)
    row("result", lambda s: s.result)
    table.add_section()
    row("optimiser steps", lambda s: f"{s.smallest.num_steps:,}")
    row("rows an epoch, in steps", lambda s: f"{s.epoch.num_rows:,} in {s.epoch.num_steps:,}")
    row("questions", lambda s: ", ".join(f"{name} {count:,}" for name, count in s.epoch.num_examples.items()))
    row("prompt tokens an epoch", lambda s: f"{s.epoch.num_prompt_tokens / 1e6:.4g} M")
    row("answer tokens an epoch", lambda s: f"{s.epoch.num_answer_tokens / 1e6:.4g} M")
    row("audio frames an epoch", lambda s: f"{s.epoch.num_frames / 1e6:.4g} M ({s.epoch.audio_s / 3600:.4g} h)")
    row(f"micro-batches to a step on {counts} processes", lambda s: _each(s, lambda w: f"{w.num_micro_batches}"))
    row("largest micro-batch", lambda s: f"{s.smallest.largest.rows} x {s.smallest.largest.length:,} tokens")
    if shape is not None:
        _costs(table, stages, shape, machine)
    return table


def _costs(table: Table, stages: Sequence[StagePlan], shape: Shape, machine: Machine | None) -> None:
    flops = [hours.of_all_steps(shape, stage.method, stage.smallest) for stage in stages]
    table.add_section()
    for name in dict.fromkeys(name for counts in flops for name in counts):
        cells = [readable_flops(counts[name]) if name in counts else "" for counts in flops]
        table.add_row(f"operations: {name}", *cells)
    table.add_row("operations in all", *(readable_flops(sum(counts.values())) for counts in flops))
    if machine is not None:
        cells = [_hours(stage, shape, machine) for stage in stages]
        table.add_row(f"hours on {_counts(stages)} {machine.name}", *cells)
    table.add_section()
    peaks = [{n: memory.peak(shape, s.method, w, n) for n, w in s.works.items() if isinstance(w, Work)} for s in stages]
    firsts = [next(iter(of_stage.values())) for of_stage in peaks]
    for name in dict.fromkeys(name for parts in firsts for name in parts):
        table.add_row(f"memory: {name}", *(readable(parts[name]) if parts.get(name) else "" for parts in firsts))
    totals = [_totals(stage, of_stage) for stage, of_stage in zip(stages, peaks, strict=True)]
    table.add_row(f"memory of each of {_counts(stages)} {'GPUs' if machine else 'processes'}", *totals)
    table.add_section()
    table.add_row("stored result", *(readable(memory.result_on_disk(shape, stage.method)) for stage in stages))
    table.add_row("stored state", *(readable(memory.state_on_disk(shape, stage.method)) for stage in stages))


def _hours(stage: StagePlan, shape: Shape, machine: Machine) -> str:
    return _each(stage, lambda work: f"{hours.of_stage(shape, stage.method, work, machine):.3g}")


def _totals(stage: StagePlan, peaks: Mapping[int, Mapping[str, float]]) -> str:
    return " / ".join(readable(sum(peaks[n].values())) if n in peaks else "-" for n in stage.works)


def _each(stage: StagePlan, cell: Callable[[Work], str]) -> str:
    return " / ".join(cell(work) if isinstance(work, Work) else "-" for work in stage.works.values())


def _counts(stages: Sequence[StagePlan]) -> str:
    return " / ".join(map(str, stages[0].works))


def _notes(stages: Sequence[StagePlan], shape: Shape | None, machine: Machine | None) -> list[str]:
    """What a reader of the table must know."""
    notes = [
        f"{stage.name} on {n} processes: {work}"
        for stage in stages
        for n, work in stage.works.items()
        if isinstance(work, str)
    ]
    notes.append(
        "Jobs of a sweep that show the same key for a stage share it: whichever comes first makes it, the others wait "
        "for it or find it stored."
    )
    if any(stage.result.startswith("stored") for stage in stages):
        notes.append("What is stored is taken if base and data are what they were, which a plan does not look at.")
    if machine is not None and shape is not None:
        notes.append(
            f"Hours: {machine.share_of_flops:.0%} of {machine.flops_per_s / 1e12:.0f} TFLOP/s (bfloat16, dense), in "
            f"decoding {machine.share_of_bytes:.0%} of {machine.bytes_per_s / 1e12:.2f} TB/s, as measured in "
            "experiments/benchmarks; validation and loading come on top. Answers are taken for as long as the "
            "reference's, in memory for as long as allowed."
        )
    if shape is not None:
        notes.append("Memory: leave a tenth of the card for what is not counted (docs/planning.md).")
    return notes
