"""The records that cross room borders: frozen dataclasses, units and shapes in the field docs.

Dimension legend, used wherever tensors are named with a suffix:
    B clips (prompts) in a batch     G answers to one prompt     P prompt tokens (left-padded)
    R answer tokens (right-padded)   L any sequence length       D hidden size       V vocabulary
    M mel bins                       T mel frames                N audio frames (25 a second in Qwen)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the pure rooms import records without paying for torch
    import torch
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Event:
    """One labelled stretch of time.

    >>> Event(1.25, 3.5, "a dog barks").duration_s
    2.25
    """

    onset: float
    """Start in seconds from the beginning of the clip."""
    offset: float
    """End in seconds; an answer may hold `offset <= onset`, which scores as nothing."""
    label: str
    """Class name (sound event detection), query (grounding) or caption (dense captioning)."""
    flag: str | None = None
    """What `events.delivery` finds wrong with it when a user gets it: reversed, outside; None everywhere else."""

    score: float | None = None
    """How sure a system is of it, in its own measure; None where it says nothing of that."""

    def __repr__(self) -> str:
        others = "".join(
            f", {name}={value!r}" for name in ("flag", "score") if (value := getattr(self, name)) is not None
        )
        return f"Event(onset={self.onset!r}, offset={self.offset!r}, label={self.label!r}{others})"

    @property
    def duration_s(self) -> float:
        return self.offset - self.onset


@dataclass(frozen=True, slots=True)
class Example:
    """One question about one clip, and its reference answer: a row of a manifest."""

    id: str
    """Unique within a manifest."""
    task: str
    """Name of the task, a key of the `task` config group: ag, sed, dac, ..."""
    audio: str
    """Path of the audio file, relative to the manifest's root."""
    duration_s: float
    """Length of the clip in seconds."""
    events: tuple[Event, ...]
    """Reference events in onset order."""
    query: str | None = None
    """What to look for (grounding only)."""
    recording: str | None = None
    """What the recording is called in every corpus; None where it is known by its path alone."""
    start_s: float = 0.0
    """Where in its recording the clip begins, in seconds; all other times are the clip's own."""
    recording_s: float | None = None
    """How long the recording is that the clip is a window of; None where it is all of it, or where nobody knows."""

    @property
    def is_window(self) -> bool:
        """Whether the clip is a stretch of its recording, and not all of it."""
        return self.start_s > 0 or self.recording_s is not None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What could be read from one answer, made by `Task.parse`, or what several say together (`events.voting.vote`)."""

    events: tuple[Event, ...]
    """In the order of the answer; times are whatever the answer said, finite or not."""
    readable: bool
    """False where no event list could be read at all; such an answer scores 0."""
    repairs: tuple[str, ...] = ()
    """Kinds of repair that reading needed, e.g. ("code_fence", "single_quotes")."""
    presence: float | None = None
    """How sure a system is that what was asked for occurs at all, in [0, 1]; None where it says nothing of that."""
    ranked: tuple[Event, ...] = ()
    """Of a vote, all that any answer held, best first, doubtful segments too; empty where `events` are all there is."""


@dataclass(frozen=True, slots=True)
class Voter:
    """One of several sampled answers to a question, and what could be read from it."""

    text: str
    prediction: Prediction
    truncated: bool
    """Whether the answer was cut at the token limit."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to one question, and what could be read from it."""

    example: Example
    prompt: str
    text: str
    """Empty where answers were voted over, or windows were asked, which have a text each."""
    prediction: Prediction
    truncated: bool
    """Whether the answer, or any that was voted over, was cut at the token limit."""
    voters: tuple[Voter, ...] = ()
    """The answers that `prediction` was voted from; empty for a greedy answer."""
    windows: tuple[Answer, ...] = ()
    """Of a recording that is longer than what is heard at once, the answers that `prediction` was merged from."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a results table: a model at one point of its training."""

    key: str
    """Name of the stage after which it is, or zero_shot."""
    name: str
    """In words, e.g. "SFT with the time prompt"."""
    short: str
    """For narrow places, e.g. "SFT"."""
    about: str
    """What was done to it, as it follows upon `short` in a sentence."""


@dataclass(frozen=True, slots=True)
class RunDescription:
    """What a table or a page says about the run that its figures come from."""

    name: str
    """Of the experiment."""
    scale: str
    model: str
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    """All that the run can have, in the order of its training."""


@dataclass(frozen=True, slots=True)
class Method:
    """One way to come to a model, whatever seed it began from."""

    experiment: str
    scale: str
    model: str
    """Short name of the base."""
    row: Row
    """The point of the training at which the model is."""
    timestamps: str | None
    """What the embeddings of its timestamps begin with, e.g. "digits" or "random"; None without timestamps."""
    stages: tuple[str, ...]
    """Kinds of its stages, in order: sft, grpo."""
    stage_keys: tuple[str, ...]
    """What the run calls them."""
    reward: str | None
    """Of its last stage: adaptive, eb_f1_only, or another one's label."""
    settings: Mapping[str, Any]
    """Dotted key -> value, of all that determines it but the seed: equal for equal methods."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One example with its decoded audio, on the way from the dataset to the collate function."""

    example: Example
    waveform: Tensor
    """(num_samples,) float32, mono, 16 kHz, within [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """An example whose recording cannot be used; it takes no part, and is counted."""

    example: Example
    kind: str
    """What is wrong: a kind of `AudioError`."""
    message: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Prompts of B examples, ready for a `LALM` to answer; left-padded, so that an answer follows without a gap."""

    examples: tuple[Example, ...]
    features: Tensor
    """(B, M, T) float32 log-mel spectrogram."""
    feature_mask: Tensor
    """(B, T) bool, true on the clip's own mel frames."""
    prompt_ids: Tensor
    """(B, P) int64, audio placeholders and timestamps interleaved; ids past the vocabulary are timestamps."""
    prompt_mask: Tensor
    """(B, P) bool."""
    skipped: tuple[Skipped, ...] = ()
    """Those that should have been in this batch as well."""
    whole_step: tuple[Batch, ...] = ()
    """All batches of the optimiser step, of which this is the first that holds an example; empty on the others."""

    def __len__(self) -> int:
        return len(self.examples)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with every tensor on `device`."""
        whole_step = tuple(batch.to(device) for batch in self.whole_step)
        return replace(self, **_tensors_on(self, device), whole_step=whole_step)

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory, out of which `to` copies to a GPU while it computes."""
        whole_step = tuple(batch.pin_memory() for batch in self.whole_step)
        return replace(self, **_pinned(self), whole_step=whole_step)


@dataclass(frozen=True, slots=True)
class Interviews:
    """B clips with questions and reference answers, all those of a clip in one row of L tokens.

    A row is what the prompts share, then a branch a question: the rest of its prompt, and its answer. A branch sees
    the shared part and its own past, so a row says the same as separate ones at the price of one prompt.
    """

    examples: tuple[tuple[Example, ...], ...]
    """Of each clip, its questions in the order of the branches."""
    features: Tensor
    """(B, M, T) float32 log-mel spectrogram."""
    feature_mask: Tensor
    """(B, T) bool, true on the clip's own mel frames."""
    ids: Tensor
    """(B, L) int64, right-padded; ids past the vocabulary are timestamps."""
    branch: Tensor
    """(B, L) int64: 0 on the shared part, q on question q (from 1), -1 on padding."""
    depth: Tensor
    """(B, L) int64: how many tokens of its own branch precede a token."""
    is_answer: Tensor
    """(B, L) bool, true on answers with their end-of-turn token."""
    skipped: tuple[Skipped, ...] = ()
    """Of each clip that should have been in this batch as well, one example."""

    def __len__(self) -> int:
        return len(self.examples)

    def to(self, device: torch.device | str) -> Interviews:
        """The same interviews with every tensor on `device`."""
        return replace(self, **_tensors_on(self, device))

    def pin_memory(self) -> Interviews:
        """The same interviews in page-locked memory, out of which `to` copies to a GPU while it computes."""
        return replace(self, **_pinned(self))


def _tensors_on(record: Batch | Interviews, device: torch.device | str) -> dict[str, Any]:
    return {name: tensor.to(device, non_blocking=True) for name, tensor in _tensors(record).items()}


def _pinned(record: Batch | Interviews) -> dict[str, Any]:
    return {name: tensor.pin_memory() for name, tensor in _tensors(record).items()}


def _tensors(record: Batch | Interviews) -> dict[str, Tensor]:
    others = ("examples", "skipped", "whole_step")
    return {field.name: getattr(record, field.name) for field in fields(record) if field.name not in others}


@dataclass(frozen=True, slots=True)
class Rollouts:
    """G sampled answers to each of B prompts."""

    answer_ids: Tensor
    """(B, G, R) int64, right-padded, end-of-turn token included where one was sampled."""
    answer_mask: Tensor
    """(B, G, R) bool, true up to and including the end-of-turn token."""
    truncated: Tensor
    """(B, G) bool, true where the answer hit the length limit without ending."""

    def of(self, rows: slice) -> Rollouts:
        """Those of some prompts, no longer than their longest answer."""
        mask = self.answer_mask[rows]
        num_tokens = int(mask.any(dim=0).any(dim=0).sum())
        return Rollouts(self.answer_ids[rows, :, :num_tokens], mask[:, :, :num_tokens], self.truncated[rows])
