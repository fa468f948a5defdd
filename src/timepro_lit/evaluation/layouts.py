"""Where each system stands in a table: as they come, or as the paper has them, with the paper's own figures beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from timepro_lit.evaluation.quoted import ABLATION, FINE_TUNED, TIMEPRO_RL, ZERO_SHOT, Figures
from timepro_lit.evaluation.systems import System, told_apart, unlike_most
from timepro_lit.runs.determinants import VOTING
from timepro_lit.settings.methods import ADAPTIVE, EB_F1_ONLY

Layout = Literal["free", "table1", "table3"]
LAYOUTS: tuple[Layout, ...] = ("free", "table1", "table3")
Kind = Literal["ours", "other", "quoted", "missing"]
RANDOM = "random"


@dataclass(frozen=True)
class Line:
    """One row of a table."""

    name: str
    kind: Kind
    about: str = ""
    system: System | None = None
    """Of a row of ours, or of another system."""
    quoted: Figures | None = None
    """Of a row that stands in the paper."""


@dataclass(frozen=True)
class Slot:
    """A row that a table of the paper has."""

    name: str
    timestamps: str | None
    """"random", "" for any other embeddings, None without timestamps."""
    stages: tuple[str, ...]
    reward: str | None = None

    def fits(self, system: System) -> bool:
        """Whether the system's method is the one of this row, whatever its numbers are."""
        method = system.method
        if method is None or (method.stages, method.reward) != (self.stages, self.reward):
            return False
        if any(key.startswith(f"{VOTING}.") for key in method.settings):  # the paper's answers are not voted
            return False
        random = None if method.timestamps is None else RANDOM if method.timestamps == RANDOM else ""
        return random == self.timestamps


TABLE_1 = {
    "zero-shot": (Slot("zero-shot", None, ()), ZERO_SHOT),
    "fine-tuned": (Slot("fine-tuned", None, ("sft",)), FINE_TUNED),
    "TimePro-RL": (Slot("TimePro-RL", "", ("sft", "grpo"), ADAPTIVE), TIMEPRO_RL),
}
TABLE_3 = (
    Slot("SFT baseline", None, ("sft",)),
    Slot("+ ASTP, random init", RANDOM, ("sft",)),
    Slot("+ ASTP", "", ("sft",)),
    Slot("+ ASTP + RL (Eb-F1 only)", "", ("sft", "grpo"), EB_F1_ONLY),
    Slot("+ ASTP + RL (adaptive)", "", ("sft", "grpo"), ADAPTIVE),
)


def laid_out(systems: Sequence[System], layout: Layout, quoted: bool) -> tuple[list[Line], list[System]]:
    """The rows of a table, and the systems that have no place in it; `quoted`: with the paper's figures."""
    if layout == "free":
        return _unique([_own(system.short, system) for system in systems]), []
    lines = _table_3(systems, quoted) if layout == "table3" else _table_1(systems, quoted)
    placed = [line.system for line in lines]
    return _unique(lines), [system for system in systems if system not in placed]


def _unique(lines: Sequence[Line]) -> list[Line]:
    """A row that is called as one before it, as another system may be, gets a number."""
    names = [line.name for line in lines]
    return [
        replace(line, name=f"{line.name} [{names[: n + 1].count(line.name)}]") if line.name in names[:n] else line
        for n, line in enumerate(lines)
    ]


def _table_3(systems: Sequence[System], quoted: bool) -> list[Line]:
    lines = []
    for slot in TABLE_3:
        lines += _filled(slot.name, [system for system in systems if slot.fits(system)], systems)
        lines += _quoted({slot.name: ABLATION[slot.name]}, "") if quoted else []
    return [*lines, *(_own(system.short, system) for system in systems if system.method is None)]


def _table_1(systems: Sequence[System], quoted: bool) -> list[Line]:
    models = dict.fromkeys(system.method.model for system in systems if system.method)
    lines = []
    for name, (slot, figures) in TABLE_1.items():
        lines += _quoted(figures, f"{name} ") if quoted else []
        if name == "fine-tuned":
            lines += [_own(system.short, system) for system in systems if system.method is None]
        for model in models:
            fitting = [s for s in systems if slot.fits(s) and s.method is not None and s.method.model == model]
            lines += _filled(f"{name} {model}", fitting, systems)
    return lines


def _filled(name: str, fitting: Sequence[System], systems: Sequence[System]) -> list[Line]:
    """The systems at one place; none is a missing row. One that differs in more than its row does says in what."""
    if not fitting:
        return [Line(name, "missing")]
    if len(fitting) > 1:
        return [_own(f"{name} ({told_apart(system, fitting)})", system) for system in fitting]
    odd = unlike_most(fitting[0], systems)
    return [_own(f"{name} ({', '.join(odd)})" if odd else name, fitting[0])]


def _own(name: str, system: System) -> Line:
    return Line(name, "other" if system.method is None else "ours", system.about, system)


def _quoted(figures: Mapping[str, Figures], before: str) -> list[Line]:
    return [
        Line(f"{before}{name}, quoted", "quoted", "is quoted from the paper", quoted=of) for name, of in figures.items()
    ]
