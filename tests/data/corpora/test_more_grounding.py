"""AudioGrounding v2 and AudioTime: sources of grounding questions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from timepro_lit.data.corpora.annotated import Annotation, Dropped
from timepro_lit.data.corpora.audiogrounding import AudioGrounding
from timepro_lit.data.corpora.audiotime import AudioTime
from timepro_lit.records import Event


def test_audiogrounding_asks_for_every_phrase(tmp_path: Path) -> None:
    phrases = [
        {"phrase": "a dog  barks", "start_index": 0, "end_index": 2, "segments": [[0.1, 0.5], [1.0, 1.5]]},
        {"phrase": "rain", "start_index": 4, "end_index": 4, "segments": [[0, 0]]},  # not heard
        {"phrase": "wind", "start_index": 6, "end_index": 6, "segments": [[0.1]]},
    ]
    clip = {"audiocap_id": 91139, "audio_id": " rain  on roof.wav", "tokens": "a dog barks in rain", "phrases": phrases}
    (tmp_path / "test.json").write_text(json.dumps([clip, {"audiocap_id": 1, "audio_id": "Y.wav", "phrases": None}]))
    found = list(AudioGrounding().annotations(tmp_path))
    first, second = (one for one in found if isinstance(one, Annotation))
    assert (first.id, first.audio, first.query, first.split) == (
        "91139_0", "audio/ rain  on roof.wav", "a dog barks", "test")  # fmt: skip
    assert first.events == (Event(0.1, 0.5, "a dog barks"), Event(1.0, 1.5, "a dog barks"))
    assert second.events == ()
    assert [one.where for one in found if isinstance(one, Dropped)] == ["test.json[0].phrases[2]", "test.json[1]"]
    with pytest.raises(FileNotFoundError, match="holds none of train"):
        list(AudioGrounding().annotations(tmp_path / "nowhere"))


def test_audiotime_asks_for_every_label(tmp_path: Path) -> None:
    mixture = {"event": {"Electric shaver, electric razor": [[1.056, 5.158]], "Bark": "?"}, "caption": "..."}
    folder = tmp_path / "train/train5000_timestamp"
    folder.mkdir(parents=True)
    (folder / "timestamp_captions.json").write_text(json.dumps({"syn_1": mixture, "syn_2": {"caption": ""}}))
    shaver, bark, syn_2 = AudioTime().annotations(tmp_path)
    assert isinstance(shaver, Annotation)
    assert (shaver.id, shaver.audio, shaver.query, shaver.split) == (
        "train/train5000_timestamp/syn_1_0", "train/train5000_timestamp/audio/syn_1.wav", "Electric shaver", "train"
    )  # fmt: skip
    assert shaver.events == (Event(1.056, 5.158, "Electric shaver"),)
    assert isinstance(bark, Dropped)
    assert isinstance(syn_2, Dropped)
    for twice in ('{"clip [2]": {"event": {"Bark": [[0, 1]], "Bark": [[5, 6]]}}}', '{"a": {}, "a": {}}'):
        (folder / "timestamp_captions.json").write_text(twice)
        with pytest.raises(ValueError, match=r"timestamp_captions\.json: .* key '(Bark|a)' stands twice"):
            list(AudioTime().annotations(tmp_path))
    (folder / "timestamp_captions.json").write_text('{"clip [2]": {"event": {"Bark": [[0, 1]]}}}')
    [bark] = AudioTime().annotations(tmp_path)
    assert isinstance(bark, Annotation) and bark.audio == "train/train5000_timestamp/audio/clip [2].wav"
    with pytest.raises(FileNotFoundError, match="holds no train/<subset>"):
        list(AudioTime().annotations(tmp_path / "nowhere"))
