"""What a run's own evaluation says, for tests that ask its models again."""

from __future__ import annotations

import json
from pathlib import Path

import soundfile

from timepro_lit.events.delivery import delivered
from timepro_lit.records import Event


def stored(run: Path, row: str = "sft") -> list[dict]:
    """The answers of the run's own evaluation."""
    lines = (run / "evaluation" / row / "predictions.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def told(answer: dict) -> tuple[Event, ...]:
    """What a user gets of a stored answer."""
    return delivered([Event(*event) for event in answer["events"]], soundfile.info(answer["audio"]).duration)
