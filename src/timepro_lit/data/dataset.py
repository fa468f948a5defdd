"""Examples with their decoded audio, one at a time; a recording that cannot be used is said to be skipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from timepro_lit.data.audio import LENGTH_TOLERANCE_S, AudioError, Stream, decode_audio, decode_window
from timepro_lit.data.store import AudioStore
from timepro_lit.data.waveforms import check_length
from timepro_lit.records import Example, Sample, Skipped


class ClipDataset(Dataset[Sample | Skipped]):
    """Map-style: index -> `Sample`, decoded afresh each time, or `Skipped` where its recording is unusable.

    That is one that cannot be read, or does not last as long as its example says. Of a window's recording the window
    alone is decoded.
    """

    def __init__(
        self, examples: Sequence[Example], store: AudioStore, sampling_rate: int = 16_000, max_duration_s: float = 30.0
    ) -> None:
        self.examples = examples
        self.store = store
        self.sampling_rate = sampling_rate
        self.max_duration_s = max_duration_s

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Sample | Skipped:
        return self._loaded(self.examples[index])

    def __getitems__(self, indices: Sequence[int]) -> list[Sample | Skipped]:
        """A batch, as a DataLoader asks for it: a clip is decoded once for the examples side by side about it."""
        found: list[Sample | Skipped] = []
        for example in map(self.examples.__getitem__, indices):
            if found and _clip(found[-1].example) == _clip(example):
                found.append(replace(found[-1], example=example))
            else:
                found.append(self._loaded(example))
        return found

    def _loaded(self, example: Example) -> Sample | Skipped:
        try:
            where = self.store.location(example.audio)
            with self.store.open(example.audio) as stream:
                waveform = self._waveform(stream, where, example)
            decoded_s = len(waveform) / self.sampling_rate
            if abs(decoded_s - example.duration_s) > LENGTH_TOLERANCE_S:
                lasts = f"from {example.start_s:.2f} s on lasts" if example.is_window else "lasts"
                says = f"{lasts} {decoded_s:.2f} s, the manifest says {example.duration_s:.2f} s"
                raise AudioError(f"{where}: {says}", "truncated")
            if not bool(waveform.any()):
                raise AudioError(f"{where}: every sample is 0", "silent")
        except AudioError as error:
            return Skipped(example, error.kind or "unreadable", str(error))
        return Sample(example, waveform)

    def _waveform(self, stream: Stream, where: str, example: Example) -> Tensor:
        if not example.is_window:
            return decode_audio(stream, where, self.sampling_rate, self.max_duration_s)
        check_length(where, example.duration_s, self.max_duration_s)
        window = example.start_s, example.duration_s, example.recording_s
        return decode_window(stream, where, self.sampling_rate, *window)


def _clip(example: Example) -> tuple[str, float, float, float | None]:
    return example.audio, example.start_s, example.duration_s, example.recording_s


class InterviewDataset(Dataset[tuple[Sample, ...] | Skipped]):
    """Map-style: index -> every question about one clip, whose audio is decoded once.

    `clips` holds, for each clip, the indices of its examples in `dataset`.
    """

    def __init__(self, dataset: ClipDataset, clips: Clips) -> None:
        self.dataset = dataset
        self.clips = clips

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[Sample, ...] | Skipped:
        first, *others = self.clips[index]
        sample = self.dataset[first]
        if isinstance(sample, Skipped):
            return sample
        return (sample, *(Sample(self.dataset.examples[other], sample.waveform) for other in others))


class Clips(Sequence[list[int]]):
    """Which examples belong to one clip, in order of first appearance; two arrays, however many clips there are.

    >>> list(Clips(np.array([7, 8, 7])))
    [[0, 2], [1]]
    """

    def __init__(self, clip_of: np.ndarray) -> None:
        _, first, inverse = np.unique(clip_of, return_index=True, return_inverse=True)
        rank = np.empty(len(first), dtype=np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        self.clip_of = rank[inverse]
        """(num_examples,) number of each example's clip."""
        self._examples = np.argsort(self.clip_of, kind="stable")
        self._ends = np.cumsum(np.bincount(self.clip_of))

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> list[int]:  # type: ignore[override]
        start = self._ends[index - 1] if index else 0
        of_clip: list[int] = self._examples[start : self._ends[index]].tolist()
        return of_clip

    @property
    def firsts(self) -> np.ndarray:
        """(num_clips,) index of each clip's first example."""
        return self._examples[np.concatenate([[0], self._ends[:-1]])]
