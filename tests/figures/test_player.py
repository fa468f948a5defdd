from __future__ import annotations

import base64
import io
import math
from pathlib import Path

import soundfile
import torch

from timepro_lit.figures.player import audio_uri, mulaw_wav


def tone(num_samples: int) -> torch.Tensor:
    return 0.5 * torch.sin(2 * math.pi * 440 * torch.arange(num_samples) / 16_000)


def decoded(uri: str, media_type: str) -> bytes:
    head, content = uri.split(",")
    assert head == f"data:{media_type};base64"
    return base64.b64decode(content)


def test_small_flac_and_wav_files_are_embedded_as_they_are(tmp_path: Path) -> None:
    for name, media_type in (("a.flac", "audio/flac"), ("a.wav", "audio/wav")):
        path = tmp_path / name
        soundfile.write(path, tone(1600).numpy(), 16_000)
        assert decoded(audio_uri(path, tone(1600), 100_000), media_type) == path.read_bytes()


def test_a_mulaw_copy_is_the_same_sound_in_an_eighth_bit_file() -> None:
    samples, rate = soundfile.read(io.BytesIO(mulaw_wav(tone(1601))), dtype="float32")
    assert (rate, len(samples)) == (16_000, 1601)
    assert (torch.from_numpy(samples) - tone(1601)).abs().max() < 0.02


def test_mulaw_decodes_to_what_libsndfile_s_own_encoder_gives() -> None:
    ramp = torch.linspace(-1, 1, 4001)
    theirs = io.BytesIO()
    soundfile.write(theirs, torch.round(ramp * 32767).to(torch.int16).numpy(), 16_000, subtype="ULAW", format="WAV")
    theirs.seek(0)
    ours = soundfile.read(io.BytesIO(mulaw_wav(ramp)), dtype="int16")[0]
    assert ours.tolist() == soundfile.read(theirs, dtype="int16")[0].tolist()


def test_a_large_file_becomes_a_copy_within_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(160_000).numpy(), 16_000)
    content = decoded(audio_uri(path, tone(160_000), 90_000), "audio/wav")
    assert len(content) <= 90_000
    info = soundfile.info(io.BytesIO(content))
    assert (info.samplerate, info.subtype, info.duration) == (8_000, "ULAW", 10.0)


def test_other_formats_are_copied(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    soundfile.write(path, tone(16_000).numpy(), 16_000)
    content = decoded(audio_uri(path, tone(16_000), 100_000), "audio/wav")
    assert soundfile.info(io.BytesIO(content)).samplerate == 16_000
