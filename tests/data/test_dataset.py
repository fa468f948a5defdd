from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from timepro_lit.data.audio import AudioError, write_audio
from timepro_lit.data.dataset import ClipDataset, InterviewDataset, by_clip
from timepro_lit.records import Example


def example(audio: str = "a.wav", duration_s: float = 2.0) -> Example:
    return Example("sed-1", "sed", audio, duration_s, ())


def test_an_index_gives_the_example_and_its_waveform(tmp_path: Path) -> None:
    ramp = torch.linspace(-0.5, 0.5, 32_000)
    write_audio(tmp_path / "sub/a.wav", ramp, 16_000)
    dataset = ClipDataset([example("sub/a.wav")], tmp_path)
    assert len(dataset) == 1
    assert dataset[0].example == example("sub/a.wav")
    torch.testing.assert_close(dataset[0].waveform, ramp, atol=1 / 32768, rtol=0)


def test_an_example_past_the_longest_duration_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'sed-1' \(a\.wav\) lasts 30\.5 s, at most 30 s"):
        ClipDataset([example(duration_s=30.5)], tmp_path)


def test_half_a_file_is_noticed_although_its_own_header_agrees(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_audio(path, torch.zeros(32_000), 16_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match=r"'sed-1': .*a\.wav lasts 1\.00 s, the manifest says 2\.00 s") as error:
        ClipDataset([example()], tmp_path)[0]
    assert error.value.kind == "truncated"


def test_a_link_may_stay_below_the_root_but_not_leave_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_audio(root / "inside.wav", torch.zeros(32_000), 16_000)
    write_audio(tmp_path / "outside.wav", torch.zeros(32_000), 16_000)
    (root / "good.wav").symlink_to("inside.wav")
    (root / "bad.wav").symlink_to("../outside.wav")
    dataset = ClipDataset([example("good.wav"), example("bad.wav")], root)
    assert dataset[0].waveform.shape == (32_000,)
    with pytest.raises(AudioError, match=r"'sed-1': bad\.wav leads out of ") as error:
        dataset[1]
    assert error.value.kind == "outside_root"


def test_a_worker_process_reports_the_same_error(tmp_path: Path) -> None:
    loader = DataLoader(ClipDataset([example("gone.wav")], tmp_path), batch_size=None, num_workers=1)
    with pytest.raises(AudioError, match=r"gone\.wav: there is no such audio file"):
        next(iter(loader))


def test_an_interview_decodes_its_clip_once(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        write_audio(tmp_path / name, torch.zeros(32_000), 16_000)
    examples = [example("a.wav"), example("b.wav"), Example("tag-1", "tag", "a.wav", 2.0, ())]
    clips = by_clip(examples)
    assert clips == [[0, 2], [1]]
    dataset = InterviewDataset(ClipDataset(examples, tmp_path), clips)
    first, second = dataset[0]
    assert (first.example.task, second.example.task, len(dataset)) == ("sed", "tag", 2)
    assert first.waveform is second.waveform
