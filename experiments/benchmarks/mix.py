"""Questions on clips of FTAR's and DESED's lengths, for the benchmarks."""

from __future__ import annotations

import numpy as np

from timepro_lit.records import Event, Example
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.sound_events import SoundEventDetection

CLASSES = ("dog", "bell", "siren")
TASKS = {"ag": Grounding(), "sed": SoundEventDetection(CLASSES), "dac": DenseCaptioning()}
CAPTIONS = ("a dog barks twice", "rain falls on a roof", "an engine runs", "a bell rings", "people talk in a room")


def ftar_like(num: int, seed: int) -> list[Example]:
    """Most clips last 10 s, the others 1 to 30 s, about 10.5 s on average; tasks in the paper's proportions."""
    rng = np.random.default_rng(seed)
    examples = []
    for n in range(num):
        task = ("ag", "dac", "sed")[int(rng.choice(3, p=(0.37, 0.54, 0.09)))]
        usual = task == "sed" or rng.uniform() < 0.6
        duration_s = 10.0 if usual else float(np.clip(rng.lognormal(2.3, 0.6), 1.0, 30.0))
        onsets = np.sort(rng.uniform(0, duration_s - 0.5, 1 if task == "ag" else int(rng.integers(1, 6)))).tolist()
        labels = [str(rng.choice(CLASSES if task == "sed" else CAPTIONS)) for _ in onsets]
        events = tuple(Event(onset, onset + 0.4, label) for onset, label in zip(onsets, labels, strict=True))
        examples.append(Example(str(n), task, f"{n}.wav", duration_s, events, labels[0] if task == "ag" else None))
    return examples
