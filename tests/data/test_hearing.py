from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from timepro_lit.data.dataset import ClipDataset
from timepro_lit.data.hearing import CollateHearing
from timepro_lit.data.store import AudioFolder
from timepro_lit.records import Example, Sample, Skipped
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding

TASKS = {"ag": Grounding(), "dac": DenseCaptioning()}


class SmallFrontend:
    """Frames of 100 samples; prompts are the frames, as 7s between 1 and 2, then the letters of the query."""

    sampling_rate = 16_000
    max_duration_s = 30.0
    pad_id = 0

    def num_frames(self, num_samples: int) -> int:
        return num_samples // 100

    def features(self, waveforms: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(len(waveforms), 1, 1), torch.ones(len(waveforms), 1, dtype=torch.bool)

    def prompt_ids(self, prompt: str, num_frames: int) -> list[int]:
        return [1, *[7] * num_frames, 2, *prompt.encode()]


def sample(id_: str, waveform: torch.Tensor, query: str | None) -> Sample:
    return Sample(Example(id_, "ag" if query else "dac", "", len(waveform) / 16_000, (), query), waveform)


def test_prompts_are_cut_where_those_about_a_clip_part() -> None:
    one, two = torch.full((200,), 0.1), torch.full((400,), 0.1)
    asked = [("a", one, "rain"), ("b", one.clone(), "rainfall"), ("c", two, "rain"), ("d", one, None)]
    samples = [sample(*each) for each in asked]
    hearing = CollateHearing(SmallFrontend(), TASKS, multiple=1)(
        [samples[0], Skipped(samples[0].example, "x", ""), *samples[1:]]
    )
    assert [example.id for example in hearing.examples] == [*"abcd"] and len(hearing.skipped) == 1
    assert hearing.clip.tolist() == [0, 0, 1, 2]  # the last does not follow upon the others
    prompts = [
        SmallFrontend().prompt_ids(TASKS[s.example.task].prompt(s.example), len(s.waveform) // 100) for s in samples
    ]
    shared = [ids[mask].tolist() for ids, mask in zip(hearing.shared_ids, hearing.shared_mask, strict=True)]
    own = [ids[mask].tolist() for ids, mask in zip(hearing.own_ids, hearing.own_mask, strict=True)]
    assert [shared[clip] + rest for clip, rest in zip(hearing.clip, own, strict=True)] == prompts
    assert bytes(shared[0]).endswith(b'"rain') and [len(rest) for rest in own[2:]] == [1, 1]
    assert hearing.shared_mask[:, -1].all() and hearing.own_mask[:, 0].all()
    assert len(hearing.features) == 3 and len(hearing) == 4


def test_where_no_clip_is_asked_twice_prompts_are_whole() -> None:
    samples = [sample("a", torch.ones(200), "rain"), sample("b", torch.ones(300), "a bell")]
    hearing = CollateHearing(SmallFrontend(), TASKS, multiple=1)(samples)
    assert hearing.own_ids.shape == hearing.own_mask.shape == (2, 0)
    whole = SmallFrontend().prompt_ids(TASKS["ag"].prompt(samples[1].example), 3)
    assert hearing.shared_ids[1].tolist() == whole


def test_where_all_are_skipped_there_are_no_questions() -> None:
    skipped = Skipped(sample("a", torch.ones(200), "rain").example, "silent", "a.wav: every sample is 0")
    hearing = CollateHearing(SmallFrontend(), TASKS)([skipped])
    assert len(hearing.to("cpu")) == 0 and hearing.skipped == (skipped,)


def test_a_clip_is_decoded_once_for_the_questions_of_a_batch_about_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(16_000, 0.5), 16_000)
    soundfile.write(tmp_path / "b.wav", np.zeros(16_000), 16_000)
    examples = [Example(f"{name}{n}", "ag", f"{name}.wav", 1.0, (), "rain") for name in "ab" for n in range(2)]
    dataset, opened = ClipDataset(examples, AudioFolder(tmp_path)), []
    open_ = dataset.store.open
    monkeypatch.setattr(AudioFolder, "open", lambda self, path: opened.append(path) or open_(path))
    first, second, *others = dataset.__getitems__([0, 1, 2, 3])
    assert opened == ["a.wav", "b.wav"]
    assert first.waveform is second.waveform and (first.example.id, second.example.id) == ("a0", "a1")
    assert [(one.kind, one.example.id) for one in others] == [("silent", "b0"), ("silent", "b1")]
