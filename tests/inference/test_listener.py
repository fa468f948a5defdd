from __future__ import annotations

import inspect
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from timepro_lit.data.audio_error import AudioError
from timepro_lit.events.voting import Voting
from timepro_lit.inference.attending import clip_of
from timepro_lit.inference.listener import How, Listener, hear
from timepro_lit.inference.prediction import check_heard
from timepro_lit.inference.windowing import windowing_of
from timepro_lit.settings.schemas import PredictConfig
from timepro_lit.tasks.grounding import Grounding

# A model that hears 16 kHz, frames of 40 ms and no more than 2 s.
FRONTEND = SimpleNamespace(sampling_rate=16_000, max_duration_s=2.0, num_frames=lambda num_samples: num_samples // 640)


def test_what_is_said_in_python_is_called_as_on_the_command_line() -> None:
    asked = {name: one.default for name, one in inspect.signature(Listener.ask).parameters.items()}
    for key in ("vote", "vote_temperature", "seed", "window_s", "hop_s"):
        assert asked[key] == getattr(PredictConfig(), key)
    assert list(How.__annotations__) == [*asked][3:]


def clip(path: Path, num_samples: int) -> np.ndarray:
    samples = np.round(np.linspace(-9_000, 9_000, num_samples)).astype(np.int16)
    soundfile.write(path, samples, 8_000, format="WAV")
    return samples


def test_a_file_and_its_samples_are_heard_alike(tmp_path: Path) -> None:
    samples = clip(tmp_path / "a.wav", 8_000)
    heard = hear(tmp_path / "a.wav", FRONTEND)
    assert heard.shape == (16_000,)
    for array in (hear(samples, FRONTEND, 8_000), hear((samples, 8_000), FRONTEND)):
        assert torch.equal(array, heard)
    assert hear(samples, FRONTEND).shape == (8_000,)  # at the model's own rate
    with pytest.raises(ValueError, match=r"sampling_rate: .*a\.wav says its own"):
        hear(tmp_path / "a.wav", FRONTEND, 8_000)


def test_what_no_frame_is_made_of_is_too_short(tmp_path: Path) -> None:
    samples = clip(tmp_path / "a.wav", 80)
    for audio in (tmp_path / "a.wav", (samples, 8_000)):
        with pytest.raises(AudioError, match=r"160 samples at 16000 Hz are too short to be heard") as error:
            hear(audio, FRONTEND)
        assert error.value.kind == "empty"
    with pytest.raises(AudioError, match=r"array: lasts 2\.50 s, at most 2 s are read"):
        hear(np.zeros(40_000), FRONTEND)


def test_a_stretch_of_a_file_is_named_with_it(tmp_path: Path) -> None:
    clip(tmp_path / "a.wav", 24_000)  # three seconds
    listener = SimpleNamespace(waveform=lambda audio: hear(audio, FRONTEND), lalm=SimpleNamespace(frontend=FRONTEND))
    assert clip_of(listener, f"{tmp_path}/a.wav#t=0.5,2.5").shape == (32_000,)
    with pytest.raises(AudioError, match=r"lasts 3\.00 s, at most 2 s are read: .* 'audio=\".*a\.wav#t=0,2\"'"):
        clip_of(listener, f"{tmp_path}/a.wav")
    with pytest.raises(AudioError, match=r"a\.wav#t=0,3: lasts 3\.00 s, at most 2 s .*a\.wav#t=0,2"):
        clip_of(listener, f"{tmp_path}/a.wav#t=0,3")
    with pytest.raises(AudioError, match="there is no such audio file"):
        clip_of(listener, f"{tmp_path}/b.wav")
    clip(tmp_path / "b#t=1,2", 8_000)  # a file may be called so
    assert clip_of(listener, f"{tmp_path}/b#t=1,2").shape == (16_000,)


def test_where_nothing_can_be_heard_no_model_is_needed_to_say_so(tmp_path: Path) -> None:
    short, right, long = (tmp_path / f"{name}.wav" for name in ("short", "right", "long"))
    for path, num_samples in ((short, 80), (right, 8_000), (long, 20_000)):
        clip(path, num_samples)
    windowing, once = windowing_of(None, None, None, 2.0), (Grounding(), None)
    check_heard([short, right], FRONTEND, windowing)
    check_heard([short, long], FRONTEND, windowing)
    check_heard([long], FRONTEND, windowing, Grounding(), Voting(2))
    with pytest.raises(
        AudioError, match=r"^.*long\.wav: is longer than what is heard at once, and task=ag .*task=moments"
    ):
        check_heard([long], FRONTEND, windowing, *once)
    with pytest.raises(AudioError, match=r"none of 2 recordings can be read, .*short\.wav: 160 samples"):
        check_heard([short, long], FRONTEND, windowing, *once)
