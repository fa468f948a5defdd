"""Draw docs/clip.svg, the README's picture, from a finished demo: python scripts/readme_picture.py outputs/demo."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path

from timepro_lit.data.audio import read_audio
from timepro_lit.figures.run_report import read_evaluations
from timepro_lit.figures.timeline import clip_figure
from timepro_lit.records import Event

NAMES = {"zero_shot": "zero-shot", "sft": "SFT + time prompt", "grpo": "+ GRPO"}
TARGET = Path(__file__).resolve().parents[1] / "docs" / "clip.svg"


def _one_by_one(reference: list[list], count: int) -> bool:
    return len(reference) == count and all(before[1] <= after[0] for before, after in pairwise(reference))


def main(run: Path) -> None:
    by_row = {
        row: {line["audio"]: line for line in lines if line["task"] == "sed"}
        for row, lines in read_evaluations(run, list(NAMES)).items()
    }
    # The first test clip with three events, one after the other: chosen by its reference, not by any answer.
    audio = next(a for a, line in sorted(by_row["sft"].items()) if _one_by_one(line["reference"], count=3))
    timelines = {"reference": _events(by_row["sft"][audio]["reference"])}
    timelines |= {NAMES[row]: _events(of_row[audio]["events"]) for row, of_row in by_row.items()}
    figure = clip_figure(read_audio(audio), timelines, title="")
    TARGET.parent.mkdir(exist_ok=True)
    figure.savefig(TARGET, metadata={"Date": None})
    print(json.dumps({"clip": Path(audio).name, "written": str(TARGET)}))


def _events(rows: list[list]) -> list[Event]:
    return [Event(float(onset), float(offset), label) for onset, offset, label in rows]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
