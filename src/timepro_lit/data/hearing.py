"""Samples -> `Hearing`: questions to be answered, those about one clip behind one hearing of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from timepro_lit.data.collate import ROW_MULTIPLE, Frontend, num_shared, pad, question
from timepro_lit.records import Example, Sample, Skipped

if TYPE_CHECKING:
    from timepro_lit.tasks.base import Task

OWN_MULTIPLE = 8
"""What questions do not share is a few dozen tokens, and padded finer than whole prompts are."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """N questions about B clips, ready for a `LALM` to answer.

    A prompt is cut in two: what all prompts about a clip begin with, its audio among it, stands once; the rest of each
    follows as a branch behind it.
    """

    examples: tuple[Example, ...]
    """N of them; those about one clip stand side by side."""
    features: Tensor
    """(B, M, T) float32 log-mel spectrogram."""
    feature_mask: Tensor
    """(B, T) bool, true on the clip's own mel frames."""
    shared_ids: Tensor
    """(B, P) int64, left-padded: how the prompts about a clip begin, placeholders and timestamps interleaved."""
    shared_mask: Tensor
    """(B, P) bool."""
    own_ids: Tensor
    """(N, S) int64, right-padded: how each prompt goes on, with a token at least.

    S = 0 where no clip is asked twice: the whole prompts are in `shared_ids`.
    """
    own_mask: Tensor
    """(N, S) bool."""
    clip: Tensor
    """(N,) int64, ascending: which clip a question is about."""
    skipped: tuple[Skipped, ...] = ()
    """Those that should have been in this batch as well."""

    def __len__(self) -> int:
        return len(self.examples)

    def to(self, device: torch.device | str) -> Hearing:
        """The same hearing with every tensor on `device`."""
        return replace(self, **{name: tensor.to(device, non_blocking=True) for name, tensor in self._tensors().items()})

    def pin_memory(self) -> Hearing:
        """The same hearing in page-locked memory, out of which `to` copies to a GPU while it computes."""
        return replace(self, **{name: tensor.pin_memory() for name, tensor in self._tensors().items()})

    def _tensors(self) -> dict[str, Tensor]:
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in found.items() if isinstance(value, Tensor)}


class CollateHearing:
    """Callable for a DataLoader: samples -> `Hearing`. Runs in worker processes.

    Samples that follow upon each other are about one clip where their waveforms are equal. Where every sample was
    skipped, there are no questions. Raises ValueError as `Collate` does.
    """

    def __init__(self, frontend: Frontend, tasks: Mapping[str, Task], multiple: int = ROW_MULTIPLE) -> None:
        self.frontend = frontend
        self.tasks = tasks
        self.multiple = multiple

    def __call__(self, loaded: Sequence[Sample | Skipped]) -> Hearing:
        samples = [one for one in loaded if isinstance(one, Sample)]
        skipped = tuple(one for one in loaded if isinstance(one, Skipped))
        if not samples:
            none, never = torch.zeros(0, 0), torch.zeros(0, 0, dtype=torch.bool)
            return Hearing((), none, never, none.long(), never, none.long(), never, none[:, :0].long(), skipped)
        clips = by_clip(samples)
        prompts = [[question(sample, self.frontend, self.tasks) for sample in of_clip] for of_clip in clips]
        is_asked_twice = len(samples) > len(clips)
        ends = [num_shared(of_clip) if is_asked_twice else len(of_clip[0]) for of_clip in prompts]
        beginnings = [of_clip[0][:end] for of_clip, end in zip(prompts, ends, strict=True)]
        rests = [prompt[end:] for of_clip, end in zip(prompts, ends, strict=True) for prompt in of_clip]
        return Hearing(
            tuple(sample.example for sample in samples),
            *self.frontend.features([of_clip[0].waveform.numpy() for of_clip in clips]),
            *pad(beginnings, self.frontend.pad_id, "left", self.multiple),
            *pad(rests, self.frontend.pad_id, "right", min(self.multiple, OWN_MULTIPLE)),
            torch.tensor([clip for clip, of_clip in enumerate(clips) for _ in of_clip]),
            skipped,
        )


def by_clip(samples: Sequence[Sample]) -> list[list[Sample]]:
    """The samples in their order, those that follow upon each other with equal waveforms together."""
    clips: list[list[Sample]] = []
    for sample in samples:
        if clips and same_clip(clips[-1][0], sample):
            clips[-1].append(sample)
        else:
            clips.append([sample])
    return clips


def same_clip(one: Sample, other: Sample) -> bool:
    """Whether two samples have one waveform. It decides, not the name: arrays have none, and it costs little to see."""
    return one.waveform is other.waveform or torch.equal(one.waveform, other.waveform)
