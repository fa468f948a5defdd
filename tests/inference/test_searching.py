from __future__ import annotations

import os
from pathlib import Path

from timepro_lit.inference.searching import passed_over, recordings_below


def test_all_that_is_called_like_a_recording_is_found_once_on_each_way(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    for name in ("b.WAV", "sub/a.m4a", "notes.txt", "take1", "x.wav/d.mp3", "../disk/c.flac"):
        (clips / name).parent.mkdir(parents=True, exist_ok=True)
        (clips / name).touch()
    (clips / "more").symlink_to(tmp_path / "disk")
    (clips / "sub/back").symlink_to(clips)
    (tmp_path / "disk/ring").symlink_to(tmp_path / "disk")
    (clips / "gone.ogg").symlink_to("nowhere")
    (clips / "zero.wav").symlink_to("/dev/zero")
    os.mkfifo(clips / "pipe.wav")
    os.mkfifo(clips / "pipe")
    assert [path.relative_to(clips).as_posix() for path in recordings_below(clips)] == [
        "b.WAV", "gone.ogg", "more/c.flac", "pipe.wav", "sub/a.m4a", "x.wav", "x.wav/d.mp3", "zero.wav"
    ]  # fmt: skip
    says = "passed over: 3 files are not called like a recording: notes.txt, pipe, take1\n"
    assert passed_over(clips) == says
    assert passed_over(tmp_path / "disk") == ""


def test_many_files_are_counted_and_odd_names_made_visible(tmp_path: Path) -> None:
    for name in ("\x1b[2J", *"abcdef"):
        (tmp_path / name).touch()
    assert passed_over(tmp_path) == (
        "passed over: 7 files are not called like a recording: \\x1b[2J, a, b, c, d, ...\n"
    )
    assert recordings_below(tmp_path) == []
