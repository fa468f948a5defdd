"""Examples about recordings that are longer than what is heard at once, as examples about their windows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from timepro_lit.data.audio import LENGTH_TOLERANCE_S, AudioError
from timepro_lit.data.dataset import ClipDataset
from timepro_lit.data.store import AudioStore
from timepro_lit.data.streaming import Decoding
from timepro_lit.data.table import ExampleTable
from timepro_lit.events.windows import Cut
from timepro_lit.files.fragments import with_fragment
from timepro_lit.records import Example, Sample, Skipped

_FAR_S = 30.0
"""What others answer is decoded on the way where it is no longer than this: opening a file anew costs about as much."""


class WindowedExamples(Sequence[Example]):
    """Examples that are no longer than `whole_s` as they are, the others as their windows, which know no reference.

    Those about one clip stand together, window after window with all its questions, so that one pass through a
    recording serves all that is asked about it.
    """

    def __init__(self, examples: ExampleTable, cut: Cut, whole_s: float) -> None:
        self.examples = examples
        self.cut = cut
        self.whole_s = whole_s
        first: dict[int, int] = {}
        rows = []
        for index, (clip, duration_s) in enumerate(zip(examples.clips, examples.durations_s.tolist(), strict=True)):
            spans = cut.windows(duration_s) if duration_s > whole_s else [(0.0, duration_s)]
            clip_first = first.setdefault(int(clip), index)
            rows += [(clip_first, number, index, *span) for number, span in enumerate(spans)]
        rows.sort()
        self._of = np.array([row[2] for row in rows], dtype=np.int64)
        """(n,) which example each is of."""
        self._spans = np.array([row[3:] for row in rows], dtype=np.float64).reshape(-1, 2)
        """(n, 2) where in it each begins, and how long it is, in seconds."""
        heard = [row[:2] for row in rows]
        self.clips = np.cumsum([n > 0 and heard[n] != heard[n - 1] for n in range(len(heard))], dtype=np.int64)
        """(n,) equal where two are about one window, or one clip."""

    def __len__(self) -> int:
        return len(self._of)

    def __getitem__(self, index: int) -> Example:  # type: ignore[override]
        example = self.whole(index)
        if not self.is_window(index):
            return example
        start_s, length_s = self._spans[index].tolist()
        return replace(
            example,
            id=with_fragment(example.id, start_s, length_s),
            duration_s=length_s,
            events=(),
            start_s=round(example.start_s + start_s, 4),
            recording_s=example.recording_s if example.is_window else example.duration_s,
        )

    def whole(self, index: int) -> Example:
        """The example that is asked in windows, of which this is one."""
        return self.examples[int(self._of[index])]

    def is_window(self, index: int) -> bool:
        """Whether an example is asked in windows, of which this is one."""
        return bool(self.examples.durations_s[self._of[index]] > self.whole_s)

    @property
    def durations_s(self) -> np.ndarray:
        """(n,) float64 length of each one, and of windows that of the longest of their recording."""
        durations_s = self.examples.durations_s[self._of]
        found: np.ndarray = np.where(durations_s > self.whole_s, self.cut.window_s, durations_s)
        return found

    def wholes(self) -> dict[int, list[str]]:
        """Of each example that is asked in windows, by its place, the ids of the windows in their order."""
        found: dict[int, list[str]] = {}
        for index in range(len(self)):
            if self.is_window(index):
                found.setdefault(int(self._of[index]), []).append(self[index].id)
        return found


class WindowDataset(Dataset[Sample | Skipped]):
    """As `ClipDataset`; windows of a recording that are asked for one after the other are decoded in one pass.

    A window may be silent: there is more of its recording, which is skipped as a whole where a window cannot be read.
    """

    def __init__(
        self, examples: WindowedExamples, store: AudioStore, sampling_rate: int, max_duration_s: float
    ) -> None:
        self.examples = examples
        self.store = store
        self.sampling_rate = sampling_rate
        self._clips = ClipDataset(examples, store, sampling_rate, max_duration_s)
        self._tape: Decoding | None = None
        self._wound: tuple[str, float, Any] = ("", 0.0, None)
        """What is being decoded: the recording, the beginning of the last window, and its length as it should be."""
        self._is_sought = True
        self._last: Tensor | None = None
        self._opened: ExitStack | None = None

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Sample | Skipped:
        if not self.examples.is_window(index):
            return self._clips[index]
        example = self.examples[index]
        try:
            return Sample(example, self._window(example))
        except AudioError as error:
            self._tape = None
            return Skipped(self.examples.whole(index), error.kind or "unreadable", str(error))

    def _is_far(self, example: Example) -> bool:
        """Whether others answer so much in between that it is sooner passed over, where that can be, than decoded."""
        return self._is_sought and self._tape is not None and example.start_s - self._tape.position_s > _FAR_S

    def _window(self, example: Example) -> Tensor:
        audio, start_s, recording_s = self._wound
        where = self.store.location(example.audio)
        goes_on = (audio, recording_s) == (example.audio, example.recording_s) and start_s <= example.start_s
        if self._tape is None or not goes_on or self._is_far(example):
            if self._opened is not None:
                self._opened.close()
            self._opened = ExitStack()
            stream = self._opened.enter_context(self.store.open(example.audio))
            self._tape = Decoding(stream, where, self.sampling_rate, example.start_s, example.recording_s)
            self._last = None
            self._is_sought = self._tape.was_sought or example.start_s < _FAR_S
        if self._last is None or start_s != example.start_s:
            self._last = self._tape.window(example.start_s, example.duration_s)
        self._wound = example.audio, example.start_s, example.recording_s
        decoded_s = len(self._last) / self.sampling_rate
        if abs(decoded_s - example.duration_s) > LENGTH_TOLERANCE_S:
            says = f"lasts {decoded_s:.2f} s, the manifest says {example.duration_s:.2f} s"
            raise AudioError(f"{where}: from {example.start_s:.2f} s on {says}", "truncated")
        return self._last


def num_asked(dataset: Dataset[Any]) -> int:
    """How many examples a dataset is of, those that are asked in windows each as one."""
    return len(dataset.examples.examples if isinstance(dataset, WindowDataset) else dataset)  # type: ignore[arg-type]
