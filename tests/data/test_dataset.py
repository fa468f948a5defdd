from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from timepro_lit.data.audio import write_audio
from timepro_lit.data.dataset import ClipDataset, Clips, InterviewDataset
from timepro_lit.data.manifest import write_manifest
from timepro_lit.data.store import AudioFolder
from timepro_lit.data.table import ExampleTable
from timepro_lit.records import Example, Sample, Skipped


def example(audio: str = "a.wav", duration_s: float = 2.0) -> Example:
    return Example("sed-1", "sed", audio, duration_s, ())


def clips_in(root: Path, *examples: Example) -> ClipDataset:
    return ClipDataset(examples, AudioFolder(root))


def ramp() -> torch.Tensor:
    return torch.linspace(-0.5, 0.5, 32_000)


def test_an_index_gives_the_example_and_its_waveform(tmp_path: Path) -> None:
    write_audio(tmp_path / "sub/a.wav", ramp(), 16_000)
    dataset = clips_in(tmp_path, example("sub/a.wav"))
    assert len(dataset) == 1
    sample = dataset[0]
    assert isinstance(sample, Sample)
    assert sample.example == example("sub/a.wav")
    torch.testing.assert_close(sample.waveform, ramp(), atol=1 / 32768, rtol=0)


def test_a_recording_that_has_become_shorter_is_skipped(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav", ramp()[:16_000], 16_000)
    assert clips_in(tmp_path, example())[0] == Skipped(
        example(), "truncated", f"{tmp_path}/a.wav: lasts 1.00 s, the manifest says 2.00 s"
    )


def test_digital_silence_is_skipped(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav", torch.zeros(32_000), 16_000)
    assert clips_in(tmp_path, example())[0] == Skipped(example(), "silent", f"{tmp_path}/a.wav: every sample is 0")


def test_a_link_may_stay_below_the_root_but_not_leave_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_audio(root / "inside.wav", ramp(), 16_000)
    write_audio(tmp_path / "outside.wav", ramp(), 16_000)
    (root / "good.wav").symlink_to("inside.wav")
    (root / "bad.wav").symlink_to("../outside.wav")
    good, bad = clips_in(root, example("good.wav"), example("bad.wav"))
    assert isinstance(good, Sample)
    assert isinstance(bad, Skipped)
    assert (bad.kind, bad.message) == ("outside_root", f"bad.wav leads out of {root}")


def test_a_worker_process_says_the_same(tmp_path: Path) -> None:
    loader = DataLoader(clips_in(tmp_path, example("gone.wav")), batch_size=None, num_workers=1)
    [skipped] = loader
    assert skipped == Skipped(example("gone.wav"), "missing", f"{tmp_path}/gone.wav: there is no such audio file")


def test_an_interview_decodes_its_clip_once_or_skips_it_whole(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav", ramp(), 16_000)
    examples = [example("a.wav"), example("gone.wav"), Example("tag-1", "tag", "a.wav", 2.0, ())]
    clips = Clips(np.array([5, 9, 5]))
    assert list(clips) == [[0, 2], [1]]
    assert clips.firsts.tolist() == [0, 1]
    dataset = InterviewDataset(clips_in(tmp_path, *examples), clips)
    first, second = dataset[0]
    assert (first.example.task, second.example.task, len(dataset)) == ("sed", "tag", 2)
    assert first.waveform is second.waveform
    assert isinstance(dataset[1], Skipped)


def test_of_two_lengths_of_a_clip_the_wrong_one_is_skipped(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav", ramp(), 16_000)
    write_manifest(tmp_path / "t.jsonl", [replace(example(duration_s=s), id=str(s)) for s in (2.0, 9.0)])
    table = ExampleTable([(tmp_path / "t.jsonl", "")])
    dataset = InterviewDataset(clips_in(tmp_path, *table), Clips(table.clips))
    assert [isinstance(dataset[n], Skipped) for n in range(len(dataset))] == [False, True]
