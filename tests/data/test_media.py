from __future__ import annotations

import sys
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest

from tests.data.containers.recordings import heard
from timepro_lit.data.audio import read_audio

SILENCE_S = 1.0
CODECS = {
    "ipod": "aac", "mp4": "alac", "mov": "pcm_s16le", "3gp": "aac", "adts": "aac", "webm": "libopus",
    "matroska": "flac", "asf": "wmav2", "amr": "libopencore_amrnb",
}  # fmt: skip


def recorded(container: str, pause_s: float = 0.0, **options: str) -> bytes:
    """A second of silence, then a second of a tone, before which the recorder pauses."""
    rate, codec = (8_000 if container == "amr" else 48_000), CODECS[container]
    samples = 0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate)
    samples[: round(SILENCE_S * rate)] = 0
    file = BytesIO()
    with av.open(file, "w", format=container, options=options) as output:
        track = output.add_stream(codec, rate=rate, layout="mono")
        track.bit_rate = 12_200 if container == "amr" else 64_000
        source = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
        source.sample_rate = rate
        size = track.codec_context.frame_size or 1024
        resampler = av.AudioResampler(track.codec_context.format.name, "mono", rate, frame_size=size)
        place = 0
        for frame in [*resampler.resample(source), *resampler.resample(None)]:
            pause = round(pause_s * rate) if place >= 0.9 * SILENCE_S * rate else 0
            frame.pts, frame.time_base = place + pause, Fraction(1, rate)
            place += frame.samples
            output.mux(track.encode(frame))
        output.mux(track.encode(None))
    return file.getvalue()


@pytest.mark.parametrize("container", CODECS)
def test_a_sound_stays_where_it_was_and_half_a_file_is_refused(container: str, tmp_path: Path) -> None:
    content = recorded(container)
    (tmp_path / "clip").write_bytes(content)
    waveform = read_audio(tmp_path / "clip")
    assert abs(len(waveform) / 16_000 - 2.0) < 0.06
    assert abs(int((waveform.abs() > 0.1).nonzero()[0]) / 16_000 - SILENCE_S) < 0.06
    for cut_off in (content[: len(content) // 2], content[:-1]):
        assert heard(cut_off, tmp_path) in ("truncated", "unreadable")


@pytest.mark.parametrize("container", ["ipod", "webm", "matroska"])
def test_a_pause_of_the_recorder_lasts_as_long_as_it_did(container: str, tmp_path: Path) -> None:
    (tmp_path / "clip").write_bytes(recorded(container, pause_s=2.5))
    waveform = read_audio(tmp_path / "clip")
    assert abs(len(waveform) / 16_000 - 4.5) < 0.06
    assert abs(int((waveform.abs() > 0.1).nonzero()[0]) / 16_000 - SILENCE_S - 2.5) < 0.06
    assert heard(recorded(container, pause_s=4000.0), tmp_path) == "unreadable"


def film(container: str, codec: str, rate: int, sound_s: float, picture_s: float | None = 0.0) -> bytes:
    """Two seconds of a tone and as long a picture, or none, which begin at these times."""
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate)
    file = BytesIO()
    with av.open(file, "w", format=container) as output:
        track = output.add_stream(codec, rate=rate, layout="mono")
        if picture_s is not None:
            picture = output.add_stream("libvpx" if container == "webm" else "mpeg4", rate=25)
            picture.width = picture.height = 64
            for number in range(50):
                image = av.VideoFrame(64, 64, "yuv420p")
                image.pts, image.time_base = number + round(25 * picture_s), Fraction(1, 25)
                output.mux(picture.encode(image))
            output.mux(picture.encode(None))
        source = av.AudioFrame.from_ndarray(tone[None].astype(np.float32), format="fltp", layout="mono")
        source.sample_rate, source.pts, source.time_base = rate, round(sound_s * rate), Fraction(1, rate)
        size = track.codec_context.frame_size or 1024
        resampler = av.AudioResampler(track.codec_context.format.name, "mono", rate, frame_size=size)
        for frame in [*resampler.resample(source), *resampler.resample(None)]:
            output.mux(track.encode(frame))
        output.mux(track.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [("mp4", "aac", 48_000), ("mp4", "aac", 8_000), ("mov", "pcm_s16le", 16_000), ("webm", "libopus", 48_000),
     ("mp4", "libopus", 48_000), ("matroska", "flac", 44_100)],
)  # fmt: skip
def test_times_count_from_where_the_picture_begins(container: str, codec: str, rate: int, tmp_path: Path) -> None:
    begins_s = []
    for sound_s, picture_s in ((0.0, 0.0), (1.5, 0.0), (3.5, 2.0), (0.0, 2.0)):
        (tmp_path / "clip").write_bytes(film(container, codec, rate, sound_s, picture_s))
        loud = (read_audio(tmp_path / "clip").abs() > 0.1).nonzero()
        begins_s.append(int(loud[0]) / 16_000)
    together_s, late_s, later_s, early_s = begins_s
    # An encoder may begin before what it is given, by 1,024 samples at most.
    assert late_s == pytest.approx(1.5, abs=0.01) and later_s == pytest.approx(late_s, abs=0.01)
    assert together_s == pytest.approx(early_s, abs=1e-4) and early_s <= 1024 / rate + 0.01


def test_sound_alone_begins_with_its_first_frame(tmp_path: Path) -> None:
    for container, codec in (("mp4", "aac"), ("webm", "libopus")):
        (tmp_path / "clip").write_bytes(film(container, codec, 48_000, 1.5, picture_s=None))
        loud = (read_audio(tmp_path / "clip").abs() > 0.1).nonzero()
        assert int(loud[0]) / 16_000 < 0.03


def test_what_a_codec_leaves_out_at_the_start_is_no_silence(tmp_path: Path) -> None:
    for rate, codec, container in ((8_000, "aac", "mp4"), (48_000, "aac", "mp4"), (48_000, "libopus", "webm")):
        for sound_s in (0.0, 0.03):
            content = film(container, codec, rate, sound_s)
            with av.open(BytesIO(content)) as output:
                frames = [frame.to_ndarray() for frame in output.decode(audio=0)]
            (tmp_path / "clip").write_bytes(content)
            assert len(read_audio(tmp_path / "clip", rate)) == np.concatenate(frames, axis=1).shape[1]


def test_what_a_browser_sends_says_no_sizes(tmp_path: Path) -> None:
    assert heard(recorded("webm", live="1"), tmp_path) == 2.0
    assert heard(recorded("mp4", movflags="frag_keyframe+empty_moov"), tmp_path) == pytest.approx(2.0, abs=0.11)


def test_other_contents_and_lengths_are_named(tmp_path: Path) -> None:
    content = recorded("adts")
    assert heard(b"ID3\4\0\0\0\0\1\0" + bytes(128) + content, tmp_path) == 2.0
    assert heard(content * 20, tmp_path) == "too_long"
    assert heard(b"\0\0\0\x1cftypM4A \0\0\2\0M4A isomiso2" + bytes(500), tmp_path) == "unreadable"
    assert heard(b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n", tmp_path) == "unreadable"  # a playlist is no recording


def test_without_the_extra_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "memo.m4a").write_bytes(b"\0\0\0\x1cftypM4A \0\0\2\0M4A isomiso2")
    with pytest.raises(ValueError, match=r"memo\.m4a: is MPEG-4 .* needs pip install 'timepro_lit\[media\]'"):
        read_audio(tmp_path / "memo.m4a")
