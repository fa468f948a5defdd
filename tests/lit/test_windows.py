"""Questions about windows of recordings go through the loaders as those about whole clips do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.lit.test_datamodule import SmallFrontend
from timepro_lit.data.audio import write_audio
from timepro_lit.data.manifest import write_manifest
from timepro_lit.lit.datamodule import ClipDataModule, prepared_folder
from timepro_lit.records import Event, Example
from timepro_lit.tasks.grounding import Grounding

RAIN = (Event(0.1, 0.3, "rain"), Event(0.5, 0.6, "rain"))


def windows_of(audio: str, *ids: str) -> list[Example]:
    return [
        Example(id_, "moments", audio, 0.8, () if n else RAIN, "rain", None, 0.8 * n, 2.4) for n, id_ in enumerate(ids)
    ]


@pytest.fixture
def data(tmp_path: Path) -> ClipDataModule:
    again = Example("a0-bell", "moments", "a.wav", 0.8, (), "a bell", None, 0.0, 2.4)
    for split, audio in (("train", "a"), ("val", "b"), ("test", "c")):
        write_audio(tmp_path / f"{audio}.wav", torch.linspace(-0.5, 0.5, 38_400), 16_000)
        questions = windows_of(f"{audio}.wav", f"{audio}0", f"{audio}1", f"{audio}2")
        write_manifest(tmp_path / f"{split}.jsonl", [*questions, again] if split == "train" else questions)
    data = prepared_folder(str(tmp_path), {"moments": Grounding("moments", "any")}, eval_batch_size=2)
    data.prepare_data()
    data.connect(SmallFrontend())
    return data


def test_each_window_is_a_prompt_and_a_row_of_its_own(data: ClipDataModule) -> None:
    batches = [batch for batch in data.train_loader(2) if len(batch)]
    assert sorted(e.id for batch in batches for e in batch.examples) == ["a0", "a0-bell", "a1", "a2"]
    assert {tuple(batch.feature_mask.sum(dim=1).tolist()) for batch in batches} == {(80, 80)}
    assert not any(batch.skipped for batch in batches)
    rows = [of_row for batch in data.train_loader(4, rows="clip") for of_row in batch.examples]
    assert sorted(sorted(e.id for e in of_row) for of_row in rows) == [["a0", "a0-bell"], ["a1"], ["a2"]]
    answered = [example for batch in data.test_dataloader() for example in batch.examples]
    assert sorted(example.id for example in answered) == ["c0", "c1", "c2"]
    assert sum(not example.events for example in answered) == 2


def test_windows_of_one_recording_may_not_stand_in_two_splits(data: ClipDataModule, tmp_path: Path) -> None:
    write_manifest(tmp_path / "test.jsonl", windows_of("a.wav", "one", "two")[1:])
    with pytest.raises(ValueError, match=r"1 recording is in both 'train' and 'test': a\.wav \('a0' in .*, 'two' in"):
        data.refuse_shared("train", "test")
    write_audio(tmp_path / "c.wav", torch.linspace(-0.5, 0.5, 38_400), 16_000)
    write_manifest(tmp_path / "test.jsonl", windows_of("c.wav", "one"))
    again = prepared_folder(str(tmp_path), {"moments": Grounding("moments", "any")})
    with pytest.raises(ValueError, match=r"1 recording is in both .* under other names: a\.wav is c\.wav"):
        again.refuse_same_content("train", "test")
