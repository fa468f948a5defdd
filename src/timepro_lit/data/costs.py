"""What a row of a batch will cost, in tokens, known before anything is decoded or tokenised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from timepro_lit.data.collate import BUDGET_MULTIPLE, Frontend
from timepro_lit.data.dataset import Clips

if TYPE_CHECKING:
    from timepro_lit.data.batches import Examples
    from timepro_lit.tasks.base import Task

_MEASURED = 256
"""Examples of each task that are tokenised to learn how its texts translate into tokens."""


def num_frames(frontend: Frontend, durations_s: np.ndarray) -> np.ndarray:
    """(n,) int64 audio frames of clips of these lengths."""
    samples, place = np.unique(np.round(durations_s * frontend.sampling_rate).astype(np.int64), return_inverse=True)
    return np.array([frontend.num_frames(int(n)) for n in samples], dtype=np.int64)[place]


class Costs:
    """Tokens of rows: audio frames and timestamps exactly, texts by what those of a few hundred examples took.

    Tokenising millions of texts would take minutes, and tells batches apart no better: audio is most of a row.
    """

    def __init__(
        self,
        frontend: Frontend,
        tasks: Mapping[str, Task],
        examples: Examples,
        with_answers: bool,
        multiple: int = BUDGET_MULTIPLE,
    ) -> None:
        self.multiple = multiple
        counts, place = np.unique(num_frames(frontend, examples.durations_s), return_inverse=True)
        one_frame = len(frontend.prompt_ids("?", 1))
        self.audio = np.array([len(frontend.prompt_ids("?", int(n))) - one_frame for n in counts])[place]
        """(n,) tokens of each example's audio past the first frame, timestamps included."""
        task_of, text = examples.tasks, examples.text_lengths
        self.text = np.zeros(len(examples))
        """(n,) tokens of all the rest: question, first frame and, where asked for, the answer."""
        for name, task in tasks.items():
            members = np.flatnonzero(task_of == name)
            if not len(members):
                continue
            tried = members[np.unique(np.linspace(0, len(members) - 1, _MEASURED).astype(np.int64))]
            tokens = []
            for index in tried:
                example = examples[int(index)]
                answer = len(frontend.answer_ids(task.target(example))) if with_answers else 0
                tokens.append(len(frontend.prompt_ids(task.prompt(example), 1)) + answer)
            slope, start = _line(text[tried], np.array(tokens))
            self.text[members] = start + slope * text[members]

    def of_rows(self, clips: Clips) -> np.ndarray:
        """(num_clips,) tokens of rows that hold all questions about a clip, its audio once, with their padding.

        Rows of one padded length are alike to a sampler, which may then shuffle them.
        """
        of_texts = np.bincount(clips.clip_of, self.text, minlength=len(clips))
        return np.ceil((self.audio[clips.firsts] + of_texts) / self.multiple) * self.multiple


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope and start of the line through points, by least squares; flat where all x are equal."""
    spread = x - x.mean()
    power = float((spread**2).sum())
    slope = float((spread * (y - y.mean())).sum() / power) if power else 0.0
    return slope, float(y.mean() - slope * x.mean())
