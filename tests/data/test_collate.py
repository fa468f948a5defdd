from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from timepro_lit.data.collate import ROW_MULTIPLE, Collate, CollateInterviews, interview, pad
from timepro_lit.records import Event, Example, Sample
from timepro_lit.tasks.grounding import Grounding

PAD, END, AUDIO = 0, 1, 2


class CharacterFrontend:
    """A token a character (its code point), an audio frame 4 samples, a mel bin the sample itself."""

    sampling_rate = 16_000
    max_duration_s = 30.0
    pad_id = PAD

    def num_frames(self, num_samples: int) -> int:
        return num_samples // 4

    def features(self, waveforms: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        length = max(len(waveform) for waveform in waveforms)
        padded = np.stack([np.pad(waveform, (0, length - len(waveform))) for waveform in waveforms])
        mask = torch.tensor([[i < len(waveform) for i in range(length)] for waveform in waveforms])
        return torch.from_numpy(padded)[:, None], mask

    def prompt_ids(self, prompt: str, num_frames: int) -> list[int]:
        return [AUDIO] * num_frames + [ord(character) for character in prompt]

    def answer_ids(self, text: str) -> list[int]:
        return [*(ord(character) for character in text), END]


def sample(query: str, num_samples: int) -> Sample:
    example = Example(query, "ag", "a.wav", 4.0, (Event(1.0, 2.5, query),), query)
    return Sample(example, torch.arange(1.0, num_samples + 1.0))


def characters(ids: Tensor) -> str:
    return "".join(chr(i) for i in ids.tolist())


def test_prompts_end_together() -> None:
    task = Grounding()
    batch = Collate(CharacterFrontend(), {"ag": task})([sample("dog", 9), sample("railroad", 5)])
    assert [example.id for example in batch.examples] == ["dog", "railroad"]
    for i, num_frames in enumerate((2, 1)):
        example = batch.examples[i]
        prompt = batch.prompt_ids[i][batch.prompt_mask[i]]
        assert prompt[:num_frames].tolist() == [AUDIO] * num_frames
        assert characters(prompt[num_frames:]) == task.prompt(example)
    # Rows are padded before their prompts, and nowhere else.
    assert batch.prompt_ids.shape[1] % ROW_MULTIPLE == 0
    gap = batch.prompt_ids.shape[1] - int(batch.prompt_mask[0].sum())
    assert gap > 0
    assert batch.prompt_mask[0].tolist() == [False] * gap + [True] * (batch.prompt_ids.shape[1] - gap)
    assert batch.prompt_ids[0, :gap].tolist() == [PAD] * gap
    assert batch.features.tolist() == [[[1, 2, 3, 4, 5, 6, 7, 8, 9]], [[1, 2, 3, 4, 5, 0, 0, 0, 0]]]
    assert batch.feature_mask.sum(1).tolist() == [9, 5]


def test_rows_of_ids_are_padded_on_the_asked_side() -> None:
    ids, mask = pad([[5, 6, 7], [8]], pad_id=9, side="left")
    assert ids.tolist() == [[5, 6, 7], [9, 9, 8]]
    assert mask.tolist() == [[True, True, True], [False, False, True]]
    ids, mask = pad([[5, 6, 7], [8]], pad_id=9, side="right")
    assert ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert mask.tolist() == [[True, True, True], [True, False, False]]
    assert pad([[5, 6, 7], [8]], pad_id=9, side="right", multiple=2)[0].tolist() == [[5, 6, 7, 9], [8, 9, 9, 9]]


def test_an_unknown_task_and_a_clip_without_a_frame_are_named() -> None:
    with pytest.raises(ValueError, match=r"'dog' is of task 'ag', not of \['sed'\]"):
        Collate(CharacterFrontend(), {"sed": Grounding()})([sample("dog", 8)])
    with pytest.raises(ValueError, match="'dog' is too short: 3 samples make no frame"):
        Collate(CharacterFrontend(), {"ag": Grounding()})([sample("dog", 3)])


def test_an_interview_shares_what_the_prompts_share() -> None:
    ids, branch, depth, is_answer = interview([([7, 7, 1, 1], [4]), ([7, 7, 1, 2, 3], [5, 6])])
    assert ids == [7, 7, 1, 1, 4, 2, 3, 5, 6]
    assert branch == [0, 0, 0, 1, 1, 2, 2, 2, 2]
    assert depth == [0, 1, 2, 0, 1, 0, 1, 2, 3]
    assert is_answer == [0, 0, 0, 0, 1, 0, 0, 1, 1]


def test_a_single_question_keeps_a_token_of_its_own() -> None:
    assert interview([([7, 8], [4])]) == ([7, 8, 4], [0, 1, 1], [0, 0, 1], [0, 0, 1])


def test_interviews_hold_each_clip_once() -> None:
    clips = [(sample("dog", 9), sample("bell", 9)), (sample("railroad", 5),)]
    batch = CollateInterviews(CharacterFrontend(), {"ag": Grounding()})(clips)
    assert [[e.id for e in of_clip] for of_clip in batch.examples] == [["dog", "bell"], ["railroad"]]
    assert batch.features.shape == (2, 1, 9)
    assert (batch.ids == AUDIO).sum(1).tolist() == [2, 1]
    for row, number, text in ((0, 1, "dog"), (0, 2, "bell"), (1, 1, "railroad")):
        answer = batch.ids[row][(batch.branch[row] == number) & batch.is_answer[row]]
        assert characters(answer[:-1]) == f'{{"{text}": [1.00, 2.50]}}'
        assert answer[-1] == END
    assert batch.branch[1, -1] == -1 and not batch.is_answer[1, -1]
