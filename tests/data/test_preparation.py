from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from tests.conftest import noise
from timepro_lit.data.audio import AudioError, write_audio
from timepro_lit.data.corpora.audioset_strong import AudioSetStrong
from timepro_lit.data.corpora.audiotime import AudioTime
from timepro_lit.data.corpora.desed import Desed
from timepro_lit.data.corpora.ftar import Ftar
from timepro_lit.data.corpora.prepared import Prepared
from timepro_lit.data.corpora.urbansed import UrbanSed
from timepro_lit.data.manifest import read_manifest, write_manifest
from timepro_lit.data.preparation import prepare
from timepro_lit.events.intervals import within
from timepro_lit.records import Event, Example
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.sound_events import SoundEventDetection

CLASSES = ["Blender", "Cat", "Dog", "Frying", "Speech"]
SED = {"sed": SoundEventDetection(CLASSES)}
FTAR_TASKS = {"ag": Grounding(), "dac": DenseCaptioning()}


def of_file(path: Path) -> dict[str, list[Event]]:
    return {example.id: list(example.events) for example in read_manifest(path)}


def test_desed_becomes_manifests_and_nothing_disappears(desed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    counts = prepare(Desed(CLASSES), desed, out, SED, num_workers=0)
    assert of_file(out / "train.jsonl") == {
        **{f"desed/train/synthetic21_train/soundscapes/{n}": [Event(0.25, 1.125, "Blender")] for n in (1, 2, 3)},
        "desed/train/strong_label_real/YrqfQRErjfk8_30.000_40.000": [Event(0.1, 0.9, "Dog"), Event(0.5, 2.0, "Speech")],
    }
    assert [e.audio for e in read_manifest(out / "test.jsonl")] == [
        "audio/validation/validation/Yvvvvvvvvvvv_0.000_10.000.wav",
        "audio/validation/validation/Yb0RFKhbpFJA_5.000_15.000.wav",
    ]
    assert counts["examples"] == {"public_eval": {"sed": 1}, "test": {"sed": 2}, "train": {"sed": 4}}
    assert counts["dropped"] == {
        "audio missing": {"sed": 1},
        "event cut at the end": {"sed": 1},
        "event of an unknown class": {"sed": 1},
        "event past the end": {"sed": 1},
        "in train and in test": {"sed": 1},
        "no events": {"sed": 2},
    }
    assert json.loads((out / "counts.json").read_text()) == counts
    dropped = [json.loads(line) for line in (out / "dropped.jsonl").read_text().splitlines()]
    assert sorted(one["reason"] for one in dropped) == sorted(
        reason for reason, of_task in counts["dropped"].items() for _ in range(of_task["sed"])
    )
    assert "Yvvvvvvvvvvv" in next(one["where"] for one in dropped if one["reason"] == "in train and in test")


def test_a_line_that_is_repeated_is_one_event(tmp_path: Path) -> None:
    for file, text in {
        "root/annotations/train/a.txt": "".join(
            f"{times}\tsiren\n" for times in ("0.5\t1.25", "0.5\t1.25", "0.5\t1.5", "0.50\t1.25", "-1\t1")
        ),
        "strong/mid_to_display_name.tsv": "/m/0bt9lr\tDog\n",
        "strong/audioset_train_strong.tsv": "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\n"
        + "b0RFKhbpFJA_30000\t0.5\t1.5\t/m/0bt9lr\n" * 2,
    }.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    noise(tmp_path / "root/audio/train/a.wav", 2.0)
    noise(tmp_path / "strong/audio/b0RFKhbpFJA_30000.wav", 2.0)
    tasks = {"sed": SoundEventDetection(["siren", "Dog"])}
    counts = prepare(UrbanSed(["siren"]), tmp_path / "root", tmp_path / "out", tasks, num_workers=0)
    assert of_file(tmp_path / "out/train.jsonl") == {
        "urbansed/train/a": [Event(0.5, 1.25, "siren"), Event(0.5, 1.5, "siren")]
    }
    assert counts["dropped"] == {"event repeated": {"sed": 2}, "event without extent": {"sed": 1}}
    dropped = [json.loads(line) for line in (tmp_path / "out/dropped.jsonl").read_text().splitlines()]
    assert [one["detail"] for one in dropped] == ["0.5 - 1.25 s of 2 s: siren"] * 2 + ["-1 - 1 s of 2 s: siren"]
    counts = prepare(AudioSetStrong(["Dog"]), tmp_path / "strong", tmp_path / "dogs", tasks, num_workers=0)
    assert counts["dropped"] == {"event repeated": {"sed": 1}}
    assert of_file(tmp_path / "dogs/train.jsonl") == {"audioset_strong/b0RFKhbpFJA_30000": [Event(0.5, 1.5, "Dog")]}


def test_ftar_names_every_fault_and_holds_out_a_test_split(ftar: Path, tmp_path: Path) -> None:
    corpus = Ftar(audio_prefix="/corpus/")
    corpus.held_out = {"ag": 1, "dac": 1}  # type: ignore[misc]
    counts = prepare(corpus, ftar, tmp_path / "out", FTAR_TASKS, num_workers=2, count_tokens=len, max_answer_tokens=45)
    assert {reason: of_task.get("ag", 0) for reason, of_task in counts["dropped"].items() if "ag" in of_task} == {
        "audio outside_root": 3,  # an absolute path, a path upwards, a link
        "audio silent": 1,
        "audio truncated": 1,
        "audio unreadable": 1,
        "event cut at the end": 1,
        "event past the end": 1,
        "no events": 1,
        "repeated": 1,
        "unreadable entry": 2,
    }
    assert counts["examples"]["test"] == {"ag": 1, "dac": 1}
    assert counts["note"] == "not the paper's test set: held out by a hash of the recording"
    assert Prepared(str(tmp_path / "out")).note() == counts["note"]
    splits = [read_manifest(tmp_path / f"out/{split}.jsonl") for split in counts["examples"]]
    assert not set.intersection(*({example.audio for example in of_split} for of_split in splits))
    ids = {example.id for of_split in splits for example in of_split}
    assert ids == {"ftar/ag/g1", "ftar/ag/g1+1", "ftar/ag/g2", "ftar/dac/c1", "ftar/dac/c2"}
    assert counts["long_answers"] == {"train": 1}  # the longer caption, in characters


def test_a_test_file_is_used_as_it_is(ftar: Path, tmp_path: Path) -> None:
    (ftar / "test").mkdir()
    item = {
        "id": "t",
        "audio": "/corpus/wav/Yaudio000004.wav",
        "question": "'x'?",
        "answer": "0.1 - 0.2",
        "duration": 2,
    }
    (ftar / "test/temporal_audio_grounding.json").write_text(json.dumps([item]))
    counts = prepare(Ftar(audio_prefix="/corpus/"), ftar, tmp_path / "out", FTAR_TASKS, num_workers=0)
    assert counts["examples"]["test"] == {"ag": 1}
    assert counts["note"] is None


def test_again_changes_nothing_and_looks_at_new_recordings_alone(
    desed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    prepare(Desed(CLASSES), desed, out, SED, num_workers=0)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.iterdir()}
    prepare(Desed(CLASSES), desed, out, SED, num_workers=0)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.iterdir()} == before
    journal = (out / "audio.jsonl").read_text()
    damaged = journal.replace('"duration_s": 2.0', '"duration_s": 2.5', 1)
    assert damaged != journal
    (out / "audio.jsonl").write_text(damaged[: len(journal) // 2])  # and as a killed run leaves it
    listened: list[str] = []
    from timepro_lit.data import measuring

    measure = measuring.measure
    monkeypatch.setattr(measuring, "measure", lambda *a: listened.append(a[-1]) or measure(*a))
    prepare(Desed(CLASSES), desed, out, SED, num_workers=0)
    assert 1 < len(listened) < journal.count("\n")
    assert {path: path.read_bytes() for path in out.iterdir()} == {path: text for path, (text, _) in before.items()}
    (out / "audio.jsonl").write_text(journal.replace('"version": 2', '"version": 1'))
    listened.clear()
    prepare(Desed(CLASSES), desed, out, SED, num_workers=0)
    assert len(listened) == journal.count("\n")  # whoever decodes otherwise finds otherwise


def test_a_second_call_leaves_what_it_did_not_write(desed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(Desed(CLASSES), desed, out, SED, num_workers=0)
    shutil.copy(out / "train.jsonl", out / "small.jsonl")
    prepare(Desed(CLASSES), desed, out, SED, num_workers=0)
    assert (out / "small.jsonl").exists()


def test_what_was_wanting_for_a_recording_may_have_come(
    desed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from timepro_lit.data import measuring

    with monkeypatch.context() as patch:
        fault = AudioError("a.wav: cannot be opened: Permission denied", "unreadable")
        patch.setattr(measuring, "listen", Mock(side_effect=fault))
        with pytest.raises(ValueError, match=r"no question became an example \(.*audio unreadable: 10"):
            prepare(Desed(CLASSES), desed, tmp_path / "out", SED, num_workers=0)
    assert prepare(Desed(CLASSES), desed, tmp_path / "out", SED, num_workers=0)["examples"] != {}


def test_nothing_else_is_written_over(desed: Path, ftar: Path, tmp_path: Path) -> None:
    prepare(Desed(CLASSES), desed, tmp_path / "out", SED, num_workers=0)
    with pytest.raises(FileExistsError, match=r"holds desed from .*; choose another folder"):
        prepare(Ftar(), ftar, tmp_path / "out", FTAR_TASKS, num_workers=0)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/train.jsonl").write_text("by hand")
    with pytest.raises(FileExistsError, match="holds manifests that were not made here"):
        prepare(Desed(CLASSES), desed, tmp_path / "mine", SED, num_workers=0)
    (desed / "metadata/eval/public.tsv").unlink()
    prepare(Desed(CLASSES), desed, tmp_path / "out", SED, num_workers=0)
    assert not (tmp_path / "out/public_eval.jsonl").exists()


def test_what_no_manifest_can_hold_is_dropped(ftar: Path, tmp_path: Path) -> None:
    path = ftar / "train/temporal_audio_grounding.json"
    path.write_text(path.read_text().replace("a dog's bark", "a dog\\ud800's bark"))
    counts = prepare(Ftar(audio_prefix="/corpus/"), ftar, tmp_path / "out", FTAR_TASKS, num_workers=0)
    assert counts["dropped"]["unfit"] == {"ag": 1}


def test_a_corpus_without_recordings_says_so(desed: Path, tmp_path: Path) -> None:
    shutil.rmtree(desed / "audio")
    with pytest.raises(ValueError, match=r"no question became an example \(audio missing: 11, .*dropped\.jsonl"):
        prepare(Desed(CLASSES), desed, tmp_path / "out", SED, num_workers=0)
    assert "there is no such audio file" in (tmp_path / "out/dropped.jsonl").read_text()


def test_a_recording_that_another_corpus_tests_on_is_kept_out(desed: Path, ftar: Path, tmp_path: Path) -> None:
    prepare(Desed(CLASSES), desed, tmp_path / "desed_out", SED, num_workers=0)
    os.rename(ftar / "wav/Yaudio000001.wav", ftar / "wav/Yb0RFKhbpFJA.wav")
    for file in ("temporal_audio_grounding", "dense_audio_caption"):
        path = ftar / f"train/{file}.json"
        path.write_text(path.read_text().replace("Yaudio000001", "Yb0RFKhbpFJA"))
    corpus = Ftar(audio_prefix="/corpus/")
    corpus.held_out = {}  # type: ignore[misc]
    counts = prepare(corpus, ftar, tmp_path / "out", FTAR_TASKS, exclude=[tmp_path / "desed_out"], num_workers=0)
    assert counts["dropped"]["in train and in the test split of another corpus"] == {"ag": 2, "dac": 1}
    assert "Yb0RFKhbpFJA" not in (tmp_path / "out/train.jsonl").read_text()
    with pytest.raises(FileNotFoundError, match=r"exclude: .*nowhere holds no finished manifests"):
        prepare(corpus, ftar, tmp_path / "more", FTAR_TASKS, exclude=[tmp_path / "nowhere"], num_workers=0)


def test_other_corpora_may_be_written_by_hand_but_not_half_prepared(desed: Path, tmp_path: Path) -> None:
    def wanted(split: str) -> dict[str, dict[str, int]]:
        """The examples of DESED beside a corpus that has a training clip of its in `split`."""
        other = tmp_path / split
        write_manifest(other / f"{split}.jsonl", [Example("1", "sed", "rqfQRErjfk8_30_40.flac", 10.0, ())])
        counts = prepare(Desed(CLASSES), desed, tmp_path / "out", SED, exclude=[other], num_workers=0)
        return counts["dropped"]

    assert wanted("test")["in train and in the test split of another corpus"] == {"sed": 1}
    assert wanted("public_eval")["in train and in the test split of another corpus"] == {"sed": 1}
    assert wanted("val")["in train and in the val split of another corpus"] == {"sed": 1}
    assert not [reason for reason in wanted("train") if "another corpus" in reason]
    assert read_manifest(tmp_path / "out/train.jsonl")[0].recording == (
        "desed:audio/train/synthetic21_train/soundscapes_16k/1"
    )
    (tmp_path / "test/audio.jsonl").touch()
    with pytest.raises(FileNotFoundError, match="holds no finished manifests"):
        wanted("test")


def test_what_another_corpus_trains_on_is_not_held_out(desed: Path, ftar: Path, tmp_path: Path) -> None:
    prepare(Desed(CLASSES), desed, tmp_path / "desed_out", SED, num_workers=0)
    for folder, old in ((ftar / "wav", "Yaudio000002"), (ftar / "wav", "Yaudio000003")):
        path = ftar / "train/temporal_audio_grounding.json"
        path.write_text(path.read_text().replace(old, "YrqfQRErjfk8"))
        os.rename(folder / f"{old}.wav", folder / "YrqfQRErjfk8.wav")
    counts = prepare(
        Ftar(audio_prefix="/corpus/"), ftar, tmp_path / "out", FTAR_TASKS, [tmp_path / "desed_out"], num_workers=0
    )
    assert "YrqfQRErjfk8" in (tmp_path / "out/train.jsonl").read_text()
    assert counts["examples"]["test"] == {"ag": 2, "dac": 1}
    assert counts["note"].endswith("; all of dac, with none left to train on")


def test_shards_take_the_place_of_the_folder(desed: Path, tmp_path: Path) -> None:
    prepare(Desed(CLASSES), desed, tmp_path / "out", SED, shard_bytes=100_000, num_workers=0)
    store = Prepared(str(tmp_path / "out")).store()
    [example, *_] = read_manifest(tmp_path / "out/test.jsonl")
    with store.open(example.audio) as packed:
        assert packed.read() == (desed / example.audio).read_bytes()


def test_one_percent_of_the_recordings_are_for_validation(tmp_path: Path) -> None:
    folder = tmp_path / "root/train/ordering"
    mixtures = {f"syn_{n}": {"event": {"Bark": [[0.1, 0.2]], "Rain, rainfall": [[0.2, 0.3]]}} for n in range(400)}
    folder.mkdir(parents=True)
    (folder / "captions.json").write_text(json.dumps(mixtures))
    write_audio(folder / "audio/syn_0.wav", torch.full((8_000,), 0.25), 16_000)
    for n in range(1, 400):
        os.link(folder / "audio/syn_0.wav", folder / f"audio/syn_{n}.wav")
    counts = prepare(AudioTime(), tmp_path / "root", tmp_path / "out", FTAR_TASKS, num_workers=0)
    assert counts["examples"] == {"train": {"ag": 794}, "val": {"ag": 6}}
    kept = read_manifest(tmp_path / "out/val.jsonl")
    assert len({example.audio for example in kept}) == 3  # with both of their questions


@pytest.mark.parametrize(
    ("event", "kept", "reason"),
    [
        (Event(0.5, 1.0, "x"), Event(0.5, 1.0, "x"), None),
        (Event(1.5, 2.5, "x"), Event(1.5, 2.0, "x"), "event cut at the end"),
        (Event(2.0, 2.5, "x"), None, "event past the end"),
        (Event(-0.1, 1.0, "x"), None, "event without extent"),
        (Event(1.0, 1.0, "x"), None, "event without extent"),
        (Event(1.0, 0.5, "x"), None, "event without extent"),
        (Event(float("nan"), 1.0, "x"), None, "event without extent"),
        (Event(0.0, float("inf"), "x"), None, "event without extent"),
    ],
)
def test_what_lies_within_a_clip(event: Event, kept: Event | None, reason: str | None) -> None:
    assert within(event, 2.0) == (kept, reason)
