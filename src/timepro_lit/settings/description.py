"""What a run's settings say about it in words: its name, its model, and a row of the table for each of its stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from timepro_lit.events.voting import Voting
from timepro_lit.events.windows import Cut
from timepro_lit.records import Row, RunDescription

ZERO_SHOT = "zero_shot"
"""Key of the base model's row, beside those of the stages."""
EXPORT = "exported"
"""Key of the row of an exported folder, which has no other."""


def described(settings: Mapping[str, Any]) -> RunDescription:
    """The run of these settings."""
    model = settings["model"]
    return RunDescription(
        name=settings["name"] or "default",
        scale=settings["scale"],
        model=PurePath(str(model.get("checkpoint") or model["_target_"])).name,
        seeds=(settings["seed"],),
        rows=tuple(rows_of(settings)),
    )


def described_export(settings: Mapping[str, Any], folder: str) -> RunDescription:
    """The model of an exported folder of this name, by the folder's settings."""
    timestamps, _ = _timestamps(settings["time_prompt"])
    row = Row(EXPORT, f"Exported model {timestamps}", "Exported", "is the model of the folder as it is")
    known = replace(described(settings | {"name": settings.get("name"), "scale": settings.get("scale")}), rows=(row,))
    return replace(known, model=folder)


def rows_of(settings: Mapping[str, Any]) -> list[Row]:
    """The base model, then the model after each stage."""
    rows = [Row(ZERO_SHOT, "Zero-shot", "Zero-shot", "is the base model as it comes")]
    timestamps, heard = _timestamps(settings["time_prompt"])
    for number, (key, stage) in enumerate(settings["stage"].items()):
        label, about = stage.get("label") or key, stage.get("about") or "goes on from there"
        reward = (stage["module"].get("reward") or {}).get("label")
        name = f"{label} {timestamps}"
        parts = [about, heard if number == 0 else None, f"the reward: {reward}" if reward else None]
        rows.append(Row(key, f"{name}, {reward}" if reward else name, label, "; ".join(part for part in parts if part)))
    shorts = [row.short for row in rows]
    return [replace(row, short=row.key) if shorts.count(row.short) > 1 else row for row in rows]


def last_row(settings: Mapping[str, Any]) -> str:
    """Key of the model at the end of a run."""
    return [ZERO_SHOT, *settings["stage"]][-1]


def with_votes(row: Row, voting: Voting) -> Row:
    """A row whose answers were voted over."""
    return _answering(row, f"{voting.num_answers} votes", f"its answers are what {voting} agree on")


def in_other_windows(row: Row, cut: Cut | None) -> Row:
    """A row whose recordings were heard in other windows than those of the rest; None = whole."""
    said = "in whole recordings" if cut is None else f"in windows of {cut.window_s:g} s"
    return _answering(row, said, "it is asked " + (said if cut is None else f"in {cut}"))


def _answering(row: Row, said: str, about: str) -> Row:
    return replace(row, name=f"{row.name}, {said}", short=f"{row.short}, {said}", about=f"{row.about}; {about}")


def check_rows(wanted: Sequence[str], described: RunDescription, key: str = "rows") -> None:
    """Raise ValueError for a row, given as `key`, that the run cannot have."""
    known = [row.key for row in described.rows]
    if unknown := [row for row in wanted if row not in known]:
        raise ValueError(f"{key}: the run has no {', '.join(unknown)}; it has {', '.join(known)}")


def _timestamps(time_prompt: Mapping[str, Any] | None) -> tuple[str, str]:
    """As a row's name goes on, and as a sentence about its first stage goes on."""
    if time_prompt is None:
        return "without timestamps", "it hears the audio without timestamps"
    stride = time_prompt.get("stride", 1)
    every = "" if stride == 1 else f", one to {stride} frames"
    every += ", each before its frame" if time_prompt.get("before") else ""
    kinds = {
        "random": ("random timestamps", "timestamps with random embeddings stand between its frames"),
        "ordered": ("ordered timestamps", "timestamps whose digits weigh by their place stand between its frames"),
        "text": ("time as text", "the time stands between its frames in digits"),
    }
    usual = ("the time prompt", "timestamps stand between the audio frames that it hears")
    name, heard = kinds.get(str(time_prompt.get("init")), usual)
    return f"with {name}{every}", f"{heard}{every}"
