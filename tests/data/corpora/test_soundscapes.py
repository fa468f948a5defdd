from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.random import RandomState

from timepro_lit.data.audio import read_audio
from timepro_lit.data.corpora.soundscapes import (
    Sound,
    Soundscapes,
    SoundscapeSettings,
    describe,
    examples_of,
    plan_clip,
    render,
)
from timepro_lit.data.corpora.synthesis import SAMPLING_RATE, SYNTHESISERS, Synthesiser
from timepro_lit.data.manifest import read_manifest
from timepro_lit.records import Event

SETTINGS = SoundscapeSettings(7, clip_s=4.0, clip_spread_s=0.4, tick_s=0.04, event_s=(0.4, 2.4), snr_db=(8.0, 26.0))


def plans(count: int, settings: SoundscapeSettings = SETTINGS):
    return [plan_clip(settings, Synthesiser(), RandomState([settings.seed, 1, i])) for i in range(count)]


def test_the_same_seed_gives_these_labels_and_samples_on_any_machine() -> None:
    rng = RandomState([7, 1, 1])
    plan = plan_clip(SETTINGS, Synthesiser(), rng)
    sed = examples_of("train", "train-000001", "a.flac", plan, SETTINGS)[1]
    assert sed.events == (Event(1.4, 3.2, "siren"), Event(2.2, 3.92, "buzzer"))
    samples = np.round(render(plan, SETTINGS, Synthesiser(), rng) * 32767).astype(int)
    assert np.abs(samples[[0, 16_000, 32_000, 48_000]] - [191, 49, 806, -7444]).max() <= 1


def test_a_clip_has_one_to_four_events_one_of_a_class_of_its_own() -> None:
    for plan in plans(300):
        names = [s.label for s in plan.sounds]
        assert 1 <= len(names) <= 4
        assert names.count(names[plan.asked]) == 1
        for s in plan.sounds:
            assert 0 <= s.onset_tick < s.offset_tick <= plan.num_ticks
        for a, b in zip(plan.sounds, plan.sounds[1:], strict=False):
            assert a.label != b.label or b.onset_tick - a.offset_tick >= 7  # 0.28 s


def test_times_lie_on_the_frame_grid_or_off_it_when_asked() -> None:
    def off_frame(settings: SoundscapeSettings) -> int:
        examples = [examples_of("train", "c", "c.flac", p, settings)[1] for p in plans(50, settings)]
        return sum(round(e.onset * 100) % 4 != 0 for x in examples for e in x.events)

    assert off_frame(SETTINGS) == 0
    assert off_frame(SoundscapeSettings(7, 4.0, 0.4, 0.01, (0.4, 2.4), (8.0, 26.0))) > 20


def test_every_class_fills_its_extent() -> None:
    source, rng = Synthesiser(), RandomState(0)
    assert len(source.labels) >= 10
    for label in SYNTHESISERS:
        wave = source.sound(label, "", 12_800, 1.0, rng)
        assert len(wave) == 12_800
        assert np.sqrt(np.mean(wave**2)) == pytest.approx(1.0)
        edges = [np.sqrt(np.mean(part**2)) for part in (wave[:1600], wave[-1600:])]
        assert min(edges) > 0.05, label  # audible from its first to its last tenth of a second


def test_captions_follow_length_pitch_and_level() -> None:
    assert describe(Sound(0, 12, "beep", "", 1.3, 10.0), SETTINGS) == "a short, high beep in the background"
    assert describe(Sound(0, 25, "alarm", "", 1.0, 17.0), SETTINGS) == "an alarm"
    assert describe(Sound(0, 40, "engine", "", 0.75, 25.0), SETTINGS) == "a long, low engine close by"
    assert describe(Sound(0, 40, "cow", "cow.wav", 0.75, 17.0), SETTINGS) == "a long cow"


def test_events_stand_above_the_background_by_their_ratio() -> None:
    plan, source = plans(1)[0], Synthesiser()
    clip = render(plan, SETTINGS, source, RandomState(0))
    inside = np.zeros(len(clip), dtype=bool)
    for s in plan.sounds:
        inside[s.onset_tick * 640 : s.offset_tick * 640] = True
    louder_db = 10 * np.log10(np.mean(clip[inside] ** 2) / np.mean(clip[~inside] ** 2))
    assert louder_db == pytest.approx(max(s.snr_db for s in plan.sounds), abs=3)
    assert np.abs(clip).max() <= 0.9


def test_preparation_is_complete_idempotent_and_resumes(tmp_path: Path) -> None:
    corpus = Soundscapes(str(tmp_path), {"train": 6, "val": 2}, num_workers=1)
    corpus.make_ready()
    train = read_manifest(corpus.manifest("train"))
    assert [e.task for e in train[:3]] == ["ag", "sed", "dac"]
    assert len(train) == 18
    for example in train:
        waveform = read_audio(corpus.root / example.audio)
        assert len(waveform) == round(example.duration_s * SAMPLING_RATE)
    assert not {e.audio for e in train} & {e.audio for e in read_manifest(corpus.manifest("val"))}

    manifest, clip = corpus.manifest("train"), corpus.root / train[3].audio
    text, sound, untouched = manifest.read_bytes(), clip.read_bytes(), corpus.root / train[0].audio
    stamp = untouched.stat().st_mtime_ns
    manifest.unlink()  # as if interrupted after some clips
    clip.unlink()
    Soundscapes(str(tmp_path), {"train": 6}, num_workers=2).make_ready()
    assert manifest.read_bytes() == text
    assert clip.read_bytes() == sound
    clip.unlink()  # beside its manifest
    corpus.make_ready()
    assert clip.read_bytes() == sound
    assert untouched.stat().st_mtime_ns == stamp


def test_other_settings_go_to_another_folder(tmp_path: Path) -> None:
    folders = {Soundscapes(str(tmp_path), {"train": 1}, seed=s, clip_s=c).root for s in (1, 2) for c in (4.0, 5.0)}
    assert len(folders) == 4


def test_base_clips_get_rough_answers_and_the_listening_questions() -> None:
    exact = {e.task: e for e in examples_of("train", "c", "c.flac", plans(2)[1], SETTINGS)}
    questions = examples_of("base", "c", "c.flac", plans(2)[1], SETTINGS)
    base = {e.task: e for e in questions}
    assert list(base) == ["tag", "count", "order", "timeline", "caption", "place", "sed", "dac", "ag"]
    assert [e.query for e in questions if e.task == "place"] == ["a siren wails", "a buzzer buzzes"]
    assert len({e.id for e in questions}) == len(questions) == 11
    assert base["place"].events == (Event(2.2, 3.92, "a buzzer buzzes"),)
    assert base["ag"].events == (Event(2.0, 3.0, "a buzzer buzzes"),)
    assert base["tag"].events == exact["sed"].events == (Event(1.4, 3.2, "siren"), Event(2.2, 3.92, "buzzer"))
    assert base["sed"].events == (Event(1.0, 3.0, "siren"), Event(2.0, 3.0, "buzzer"))
    assert base["dac"].events == (Event(1.0, 3.0, "a siren"), Event(2.0, 3.0, "a buzzer"))  # the clip lasts 3.92 s


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"num_clips": {"tset": 1}}, "unknown splits"),
        ({"num_clips": {"test": 1}, "clip_s": 0.5}, "shortest event"),
        ({"num_clips": {"test": 1}, "tick_s": 0.005}, "hundredths"),
    ],
)
def test_impossible_settings_are_refused(tmp_path: Path, arguments: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Soundscapes(str(tmp_path), **arguments)
