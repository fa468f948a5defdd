from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from timepro_lit.data.audio import AUDIO_SUFFIXES
from timepro_lit.data.media import MEDIA_SUFFIXES
from timepro_lit.data.splits import hash_of, hold_out, recording_key, video_key


@pytest.mark.parametrize(
    "audio",
    [
        "audio/validation/validation/Yb0RFKhbpFJA_30.000_40.000.wav",  # DESED
        "wav/Yb0RFKhbpFJA.flac",  # AudioCaps, AudioGrounding
        "b0RFKhbpFJA.WAV",  # CASTELLA, UnAV-100
        "b0RFKhbpFJA_30.mp3",
        "b0RFKhbpFJA_30_40.ogg",
        "b0RFKhbpFJA_30000.opus",  # AudioSet's segment_id
        "b0RFKhbpFJA_30000_40000.m4a",
        "b0RFKhbpFJA_210.0_360.0.flac",  # QVHighlights
        "b0RFKhbpFJA_000030.mp4",  # VGGSound
        "yt_b0RFKhbpFJA.wav",
        "YouTube-b0RFKhbpFJA_30.wav",
        "b0RFKhbpFJA_0-10.wav",
        "b0RFKhbpFJA_0.5s_10s.wav",
        "b0RFKhbpFJA_10s.wav",
        "b0RFKhbpFJA_10sec.wav",
        "b0RFKhbpFJA_30000ms.wav",
        "b0RFKhbpFJA_seg1.wav",
        "Yb0RFKhbpFJA_Clip_02.wav",
        "yt_b0RFKhbpFJA_part-3.wav",
        "b0RFKhbpFJA.mov",
        "b0RFKhbpFJA_30.aifc",
        "Yb0RFKhbpFJA.WMA",
        "b0RFKhbpFJA",
    ],
)
def test_a_video_is_one_recording_under_all_its_names_and_from_any_start(audio: str) -> None:
    assert video_key(audio) == recording_key("mine", audio) == "audioset:b0RFKhbpFJA"


@pytest.mark.parametrize("suffix", [*AUDIO_SUFFIXES, *MEDIA_SUFFIXES])
def test_a_recording_is_the_same_in_every_format_that_is_read(suffix: str) -> None:
    assert video_key(f"b0RFKhbpFJA{suffix}") == "audioset:b0RFKhbpFJA"
    assert recording_key("mine", f"night/owl.2{suffix}") == "mine:night/owl.2"


def test_what_is_no_format_stays_in_the_name() -> None:
    assert video_key("b0RFKhbpFJA.txt") is None
    assert recording_key("mine", "b0RFKhbpFJAxmov") == "mine:b0RFKhbpFJAxmov"


@pytest.mark.parametrize(
    "video",
    [
        "--0w1YA1Hm4", "zwoqJY03yHE", "rqfQRErjfk8", "7bHrke6zbLk", "-2FKhYSw_zU", "YjAtyabiPOg", "ypY1zYRcfIc",
        "4SfBKQfHckI", "0vOYSyU0tR8", "sSgA3LDkCRU", "GMP8m09j5vk", "AtkD-3GjXMw", "TJERhGzxRK8",
    ],
)  # fmt: skip
def test_real_ids_are_known(video: str) -> None:
    for name in (video, f"Y{video}", f"{video}_30", f"Y{video}_0.000_10.000", f"{video}_0-10"):
        assert video_key(f"{name}.wav") == f"audioset:{video}"


@pytest.mark.parametrize("video", ["0KIeuaHWFpo", "-O-s44NpuEo", "85dylFBVD40"])
def test_an_id_that_half_reads_as_words_needs_a_prefix(video: str) -> None:
    assert video_key(f"{video}.wav") is None
    assert video_key(f"Y{video}.wav") == video_key(f"yt_{video}_30.wav") == f"audioset:{video}"


@pytest.mark.parametrize("video", ["1a2B3c4D_-6", "audio000001", "dog_barking"])
def test_the_names_of_audioset_itself_need_no_look_at_the_id(video: str) -> None:
    assert video_key(f"Y{video}_30.000_40.000.wav") == f"audioset:{video}"


@pytest.mark.parametrize(
    "name",
    [
        "12", "soundscape1", "soundscape4", "00000000001", "00000000004", "train-000012", "train-00004_0_10",
        "dog_barking", "Dog_barking", "CarHorn0004", "A_Dog_Barks", "recording-0", "background0", "a002_60_120",
        "Singapore_0.0_60.0", "1-17092-A-0", "2024-05-104", "WALKING_004", "Yes_we_can_g", "Yes_we_can_talk_30.000",
        "Scene1Clip4", "Scene1Clip0_10", "Rec01Take04", "Day1Site2A4", "Room12Mic08", "Kitchen1Ab8", "SN001Dog004",
        "Cam2Shot010", "AudioClip04", "dogBark0012", "IMG_2021_03", "2021-03-041", "2021-03-0412", "2021Mar0410",
        "12Jan2021_0", "20210304T12", "DogBarking0", "TheBigBang0", "MyRecording", "OneTwoThree", "dogAndCat04",
        "Bus_Stop_A4", "Take1Scene0", "Mic1Take004", "Node3Ch2_00", "Tascam_0008", "DR0000_0014", "Sub01Ses02E",
        "S01E02Clip4", "P01Rec2Seg4", "spk12Utt004", "Fold1Clip_8", "Rec_01_A_04", "Rec1_Ch2_04", "devB_Loc2_4",
        "Noise_5dB_0", "Rain1Wind2A", "Owl_Night_4", "T60_Room1_4", "3fa9c0b1d20", "0A9F3C77B10", "Scene1Clip4_seg1",
        "YScene1Clip0", "YouTubeClip4", "YDogBark0012", "YCam2Shot010", "YellowBird_0", "Yard1Dog2_04",
        "YTake01Mic04_10s", "yt_Scene1Clip4", "youtube_Room12Mic08_0-10", "Yesterday_04", "Yellow_bird0_30",
        "youtube_dog_barking", "b0RFKhbpFJB", "b0RFKhbpFJA_30_40_50", "b0RFKhbpFJA_0-10-20", "b0RFKhbpFJA-mono",
        "b0RFKhbpFJA_mono", "bé0RFKhbpFA",
    ],
)  # fmt: skip
def test_words_and_numbers_of_eleven_characters_are_no_ids(name: str) -> None:
    assert video_key(f"{name}.wav") is None
    assert recording_key("one", f"train/{name}.wav") == f"one:train/{name}"


def test_formats_of_one_file_are_one_recording_and_a_dot_in_a_name_is_none() -> None:
    assert recording_key("a", "x/12.wav") == recording_key("a", "./x/12.flac") == "a:x/12"
    assert recording_key("a", "x/take.1") != recording_key("a", "x/take.2")


def test_hashes_are_fixed_and_even() -> None:
    assert hash_of("audioset:1a2B3c4D_-6") == pytest.approx(0.303987, abs=1e-6)
    numbers = [hash_of(f"audioset:{n}") for n in range(10_000)]
    assert np.histogram(numbers, 10, (0, 1))[0].min() > 900


def test_as_many_questions_are_held_out_as_are_wanted() -> None:
    questions = [(f"clip{n % 500}", "ag") for n in range(1_000)] + [(f"clip{n % 900}", "dac") for n in range(1_500)]
    chosen = hold_out(questions, {"ag": 48, "dac": 74})
    assert Counter(task for key, task in questions if key in chosen) == {"ag": 48, "dac": 74}
    assert chosen == hold_out(reversed(questions), {"ag": 48, "dac": 74})


def test_fewer_are_held_out_where_there_are_no_more() -> None:
    assert hold_out([("a", "ag"), ("b", "dac")], {"ag": 5}) == {"a"}


def test_a_corpus_that_writes_nothing_else_behind_its_y_is_believed() -> None:
    assert recording_key("ftar", "wav/Yabcdefghij0.wav") == "audioset:abcdefghij0"
    assert recording_key("mine", "wav/Yabcdefghij0.wav") == "mine:wav/Yabcdefghij0"
    assert recording_key("desed", "train/soundscape4.wav") == "desed:train/soundscape4"
