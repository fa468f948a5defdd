"""Examples with their decoded audio, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch.utils.data import Dataset

from timepro_lit.data.audio import LENGTH_TOLERANCE_S, AudioError, read_audio
from timepro_lit.records import Example, Sample


class ClipDataset(Dataset[Sample]):
    """Map-style: index -> `Sample`, decoded afresh each time.

    Raises ValueError at once for an example longer than `max_duration_s` (the time prompt ends there), and AudioError
    on access where the file is unusable, leaves `root` through a link, or does not last as long as its example says.
    """

    def __init__(
        self, examples: Sequence[Example], root: str | Path, sampling_rate: int = 16_000, max_duration_s: float = 30.0
    ) -> None:
        for example in examples:
            if example.duration_s > max_duration_s:
                raise ValueError(
                    f"example {example.id!r} ({example.audio}) lasts {example.duration_s:g} s, at most "
                    f"{max_duration_s:g} s can be prompted; cut it into windows of {max_duration_s:g} s"
                )
        self.examples = examples
        self.root = Path(root).resolve()
        self.sampling_rate = sampling_rate
        self.max_duration_s = max_duration_s

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Sample:
        example = self.examples[index]
        path = (self.root / example.audio).resolve()
        if not path.is_relative_to(self.root):
            raise AudioError(f"example {example.id!r}: {example.audio} leads out of {self.root}", "outside_root")
        waveform = read_audio(path, self.sampling_rate, self.max_duration_s)
        decoded_s = len(waveform) / self.sampling_rate
        if abs(decoded_s - example.duration_s) > LENGTH_TOLERANCE_S:
            raise AudioError(
                f"example {example.id!r}: {path} lasts {decoded_s:.2f} s, the manifest says {example.duration_s:.2f} s",
                "truncated",
            )
        return Sample(example, waveform)


class InterviewDataset(Dataset[tuple[Sample, ...]]):
    """Map-style: index -> every question about one clip, whose audio is decoded once.

    `clips` holds, for each clip, the indices of its examples in `dataset`. Raises what `ClipDataset` raises.
    """

    def __init__(self, dataset: ClipDataset, clips: Sequence[Sequence[int]]) -> None:
        self.dataset = dataset
        self.clips = clips

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[Sample, ...]:
        first, *others = self.clips[index]
        sample = self.dataset[first]
        return (sample, *(Sample(self.dataset.examples[other], sample.waveform) for other in others))


def by_clip(examples: Sequence[Example]) -> list[list[int]]:
    """Indices of the examples of each clip, clips in order of first appearance."""
    clips: dict[str, list[int]] = {}
    for index, example in enumerate(examples):
        clips.setdefault(example.audio, []).append(index)
    return list(clips.values())
