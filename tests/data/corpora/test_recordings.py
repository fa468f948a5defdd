"""Soundscapes of recorded sounds: whose takes are whose, and where the labels end."""

from __future__ import annotations

import os
import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.random import RandomState

from timepro_lit.data.audio import read_audio
from timepro_lit.data.corpora.audibility import as_heard
from timepro_lit.data.corpora.clip_plans import ClipPlan, Sound, SoundscapeSettings
from timepro_lit.data.corpora.recordings import Recordings
from timepro_lit.data.corpora.soundscapes import SPLITS, Soundscapes
from timepro_lit.data.corpora.synthesis import SAMPLING_RATE
from timepro_lit.data.manifest import read_manifest

SETTINGS = SoundscapeSettings(7, clip_s=4.0, clip_spread_s=0.4, tick_s=0.04, event_s=(0.4, 2.4), snr_db=(8.0, 26.0))


def write(path: Path, wave: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, SAMPLING_RATE, format="OGG" if path.suffix == ".oga" else None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten takes each of a tone between two silences and of a bell that decays, and a second of noise."""
    root = tmp_path_factory.mktemp("recordings")
    tone, bell = np.arange(8000) / SAMPLING_RATE, np.arange(48_000) / SAMPLING_RATE
    for i in range(10):
        low = 0.5 * np.sin(2 * np.pi * (900 + i) * tone)
        write(root / "foreground" / "low" / f"{i}.wav", np.concatenate([np.zeros(3200), low, np.zeros(4800)]))
        struck = 0.5 * np.sin(2 * np.pi * (1000 + i) * bell) * np.exp(-bell / 0.3)
        write(root / "foreground" / "bell" / f"{i}.oga", struck)
    write(root / "background" / "room.flac", 0.1 * RandomState(0).standard_normal(SAMPLING_RATE).clip(-3, 3))
    return root


def test_recorded_sounds_are_labelled_where_their_energy_is(folder: Path, tmp_path: Path) -> None:
    source = Recordings(folder).of("test")
    assert source.labels == ("bell", "low")
    take, length_s = source.draw("low", (0.4, 2.4), RandomState(0))
    assert length_s == pytest.approx(0.5, abs=0.011)
    wave = source.sound("low", take, 8000, 1.0, RandomState(0))
    assert np.abs(wave[:160]).max() > 0.5  # no silence before the onset
    corpus = Soundscapes(str(tmp_path), {"test": 8}, recordings=str(folder), num_workers=1)
    corpus.make_ready()
    examples = [e for e in read_manifest(corpus.manifest("test")) if e.task == "sed"]
    low = [e for x in examples for e in x.events if e.label == "low"]
    assert low and all(abs(e.duration_s - 0.5) < 0.021 for e in low)
    assert [e for x in examples for e in x.events if e.label == "bell"]
    for example in examples:
        assert list(example.events) == sorted(example.events, key=lambda e: e.onset)
        assert len(read_audio(corpus.root / example.audio)) == round(example.duration_s * SAMPLING_RATE)


@pytest.mark.parametrize("snr_db", [8.0, 14.0, 20.0])
def test_a_decaying_sound_ends_where_the_background_hides_it(folder: Path, snr_db: float) -> None:
    source = Recordings(folder).of("train")
    take, length_s = source.draw("bell", (0.4, 2.4), RandomState(0))
    sounds = (Sound(10, 10 + round(length_s / 0.04), "bell", take, 1.0, snr_db),)
    plan = ClipPlan(100, sounds, 0)
    rng = RandomState(5)
    [sound] = as_heard(plan, SETTINGS, source, rng).sounds
    assert RandomState(5).randint(1 << 30) == rng.randint(1 << 30)  # the clip is rendered from the same draw
    # 1 dB above the background is a sound 5.9 dB below it; this one falls by 10 dB in 0.345 s.
    wave = source.sound("bell", take, (sounds[0].offset_tick - 10) * 640, 1.0, rng)
    peak_db = snr_db + 10 * np.log10(np.mean(wave[:640] ** 2))
    expected_s = min(0.02 + (peak_db + 5.9) * 0.0345, length_s)
    first, end = sound.heard_ticks
    assert first == 10 and (sound.onset_tick, sound.offset_tick) == (10, sounds[0].offset_tick)
    assert (end - first) * 0.04 == pytest.approx(expected_s, abs=0.08)


def test_a_steady_sound_is_labelled_whole_and_a_hidden_one_too(folder: Path) -> None:
    source = Recordings(folder).of("train")
    take, _ = source.draw("low", (0.4, 2.4), RandomState(0))
    for snr_db in (8.0, 26.0, -40.0):
        plan = ClipPlan(100, (Sound(20, 32, "low", take, 1.0, snr_db),), 0)
        assert as_heard(plan, SETTINGS, source, RandomState(0)).sounds[0].heard_ticks == (20, 32)


def test_the_asked_sound_stays_the_asked_one(folder: Path) -> None:
    source = Recordings(folder).of("train")
    low, bell = (source.draw(label, (0.4, 2.4), RandomState(0))[0] for label in ("low", "bell"))
    sounds = (Sound(20, 60, "bell", bell, 1.0, 20.0), Sound(20, 32, "low", low, 1.0, 20.0))
    for asked, sound in enumerate(sounds):
        plan = as_heard(ClipPlan(100, sounds, asked), SETTINGS, source, RandomState(0))
        assert plan.sounds[plan.asked].label == sound.label


def test_no_two_splits_share_a_take(folder: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "copied"))
    shutil.copy(copied / "foreground/low/0.wav", copied / "foreground/low/copy.wav")  # is no other take
    whole = Recordings(copied)
    takes = {split: set(whole.of(split)._takes["low"]) for split in SPLITS}
    assert all(not takes[one] & takes[other] for one, other in combinations(SPLITS, 2))
    assert {split: len(found) for split, found in takes.items()} == {"base": 2, "train": 5, "val": 1, "test": 2}
    assert whole.content == Recordings(folder).content  # wherever it lies, and whatever files are called
    rooms = [set(whole.of(split)._backgrounds) for split in SPLITS]
    assert rooms == [rooms[0]] * 4  # one background is heard in all splits
    for i in range(4):
        write(copied / "background" / f"{i}.wav", 0.1 * RandomState(i).standard_normal(SAMPLING_RATE).clip(-3, 3))
    rooms = [set(Recordings(copied).of(split)._backgrounds) for split in SPLITS]
    assert all(rooms) and not any(one & other for one, other in combinations(rooms, 2))


def test_another_content_is_another_corpus(folder: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "copied"))
    root = Soundscapes(str(tmp_path), {"test": 1}, recordings=str(folder)).root
    assert Soundscapes(str(tmp_path), {"test": 1}, recordings=str(copied)).root == root
    (copied / "foreground/low/0.wav").unlink()
    assert Soundscapes(str(tmp_path), {"test": 1}, recordings=str(copied)).root != root


def test_folders_that_do_not_serve_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="foreground/<class> holds no recordings"):
        Recordings(tmp_path)
    copied = Path(shutil.copytree(folder, tmp_path / "copied"))
    for name in (".checkpoints", "empty"):
        (copied / "foreground" / name).mkdir()
    with pytest.raises(ValueError, match="foreground/empty holds no recordings"):
        Recordings(copied)
    (copied / "foreground" / "empty").rmdir()
    for i in range(1, 10):
        (copied / "foreground" / "low" / f"{i}.wav").unlink()
    Recordings(copied).of("train")
    with pytest.raises(ValueError, match=r"low holds 1 different recordings, and no two splits .*: test needs 2"):
        Recordings(copied).of("test")
    shutil.copy(copied / "foreground/low/0.wav", copied / "foreground/bell/0.wav")
    with pytest.raises(ValueError, match="are the same recording, in two classes"):
        Recordings(copied)
    shutil.rmtree(copied / "background")
    with pytest.raises(ValueError, match="background holds no recordings"):
        Recordings(copied)


def test_what_a_folder_holds_besides_recordings_is_passed_over_or_named(folder: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "copied"))
    (copied / "foreground" / "low" / "._0.wav").write_bytes(b"of the file system")
    (copied / "foreground" / "low" / "notes.txt").write_text("mine")
    assert Recordings(copied).content == Recordings(folder).content
    os.mkfifo(copied / "foreground" / "low" / "pipe.wav")
    with pytest.raises(ValueError, match=r"pipe\.wav is no file"):
        Recordings(copied)


def test_a_silent_stretch_of_a_background_is_drawn_again(folder: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "copied"))
    gated = np.concatenate([np.zeros(SAMPLING_RATE * 8), 0.1 * np.ones(SAMPLING_RATE * 2)])
    write(copied / "background" / "room.flac", gated)
    source = Recordings(copied).of("train")
    for seed in range(20):
        assert np.mean(source.background(SAMPLING_RATE, RandomState(seed)) ** 2) == pytest.approx(1.0)
    (copied / "background" / "room.flac").unlink()
    write(copied / "background" / "hall.flac", np.concatenate([np.zeros(SAMPLING_RATE * 800), np.ones(1) * 0.1]))
    with pytest.raises(ValueError, match=r"hall\.flac is silent for longer than a clip"):
        Recordings(copied).of("train").background(4, RandomState(0))
