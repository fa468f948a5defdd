from __future__ import annotations

from pathlib import Path

import numpy as np

from timepro_lit.data.costs import Costs, num_frames
from timepro_lit.data.dataset import Clips
from timepro_lit.data.manifest import write_manifest
from timepro_lit.data.table import ExampleTable
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.records import Event, Example
from timepro_lit.settings.schemas import ROOT
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.time_prompt.prompt import TimePrompt

TASKS = {"ag": Grounding(), "dac": DenseCaptioning()}
WORDS = ("a dog barks", "rain falls on a roof", "an engine runs", "a bell rings twice")


def test_frames_of_clips() -> None:
    frontend = Qwen2_5Omni(str(ROOT / "src/timepro_lit/assets/tiny_base")).frontend(None)
    assert num_frames(frontend, np.array([0.04, 10.0, 17.3, 30.0])).tolist() == [1, 250, 432, 750]


def test_costs_are_close_to_what_collation_makes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    examples = []
    for n in range(200):
        duration_s = round(float(rng.uniform(1.0, 30.0)), 2)
        words = [WORDS[rng.integers(4)] for _ in range(1 if n % 2 else rng.integers(1, 6))]
        events = tuple(Event(0.1 * i, 0.1 * i + 0.5, label) for i, label in enumerate(words))
        audio = f"{n // 2}.wav"
        examples.append(
            Example(f"{n}", "ag" if n % 2 else "dac", audio, duration_s, events, words[0] if n % 2 else None)
        )
    write_manifest(tmp_path / "train.jsonl", examples)
    frontend = Qwen2_5Omni(str(ROOT / "src/timepro_lit/assets/tiny_base")).frontend(TimePrompt())
    costs = Costs(frontend, TASKS, ExampleTable([(tmp_path / "train.jsonl", "")]), with_answers=True)
    exact = []
    for example in examples:
        task, frames = TASKS[example.task], frontend.num_frames(round(example.duration_s * 16_000))
        exact.append(
            len(frontend.prompt_ids(task.prompt(example), frames)) + len(frontend.answer_ids(task.target(example)))
        )
    estimated = costs.audio + costs.text
    assert np.abs(estimated / np.array(exact) - 1).mean() < 0.02
    assert costs.of_rows(Clips(np.arange(200))).tolist() == (np.ceil(estimated / 16) * 16).tolist()
    together = costs.of_rows(Clips(np.arange(200) // 2))
    assert together[0] == np.ceil((costs.audio[0] + costs.text[0] + costs.text[1]) / 16) * 16
