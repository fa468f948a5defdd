from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from timepro_lit.data.leakage import heard_before, refuse_same_content, refuse_shared, write_recordings
from timepro_lit.data.manifest import write_manifest
from timepro_lit.data.store import AudioFolder
from timepro_lit.data.table import ExampleTable
from timepro_lit.records import Example

CLIPS = ("b0RFKhbpFJA", "rqfQRErjfk8", "zwoqJY03yHE", "7bHrke6zbLk", "sSgA3LDkCRU")
DESED, FTAR = "Y{}_30.000_40.000.wav", "wav/{}.flac"


def table(root: Path, split: str, prepared: bool = True, **audio: list[str]) -> ExampleTable:
    """One split of several corpora, a folder each."""
    for corpus, names in audio.items():
        write_manifest(
            root / f"{corpus}/{split}.jsonl",
            [Example(f"{corpus}/{split}/{n}", "sed", name, 1.0, ()) for n, name in enumerate(names)],
        )
        if prepared:
            (root / corpus / "prepared.json").write_text("{}")
    return ExampleTable([(root / f"{corpus}/{split}.jsonl", f"{corpus}/") for corpus in audio])


@pytest.mark.parametrize(("split", "other"), [("train", "test"), ("val", "test"), ("train", "val")])
def test_one_clip_under_two_names_in_two_splits_is_refused(tmp_path: Path, split: str, other: str) -> None:
    first = table(tmp_path, split, ftar=["wav/own.wav", FTAR.format(CLIPS[0])], desed=[DESED.format(CLIPS[1])])
    second = table(tmp_path, other, desed=[DESED.format(CLIPS[2]), DESED.format(CLIPS[0])])
    with pytest.raises(ValueError) as error:
        refuse_shared({split: first, other: second})
    assert str(error.value) == (
        f"1 recording is in both {split!r} and {other!r}: audioset:b0RFKhbpFJA ('ftar/{split}/1' in "
        f"{tmp_path}/ftar/{split}.jsonl, 'desed/{other}/1' in {tmp_path}/desed/{other}.jsonl); prepare {tmp_path}/ftar "
        f"again (python -m timepro_lit.prepare ... out={tmp_path}/ftar 'exclude=[{tmp_path}/desed]')"
    )


def test_one_clip_twice_in_one_split_is_no_fault(tmp_path: Path) -> None:
    tested = table(tmp_path, "test", ftar=[FTAR.format(CLIPS[0])], desed=[DESED.format(CLIPS[0])])
    trained = table(tmp_path, "train", ftar=[FTAR.format(CLIPS[1])], desed=[DESED.format(CLIPS[1])])
    refuse_shared({"train": trained, "test": tested})
    refuse_shared({"train": trained})


def test_every_pair_of_splits_is_told_with_its_way_out(tmp_path: Path) -> None:
    splits = {
        "train": table(tmp_path, "train", prepared=False, mine=[FTAR.format(clip) for clip in CLIPS]),
        "val": table(tmp_path, "val", desed=[DESED.format(CLIPS[0])]),
        "test": table(tmp_path, "test", desed=[DESED.format(clip) for clip in CLIPS]),
    }
    with pytest.raises(ValueError) as error:
        refuse_shared(splits)
    assert [told.split(":")[0] for told in str(error.value).split("; ")] == [
        "1 recording is in both 'train' and 'val'",
        f"take them out of {tmp_path}/mine/train.jsonl",
        "5 recordings are in both 'train' and 'test'",
        f"take them out of {tmp_path}/mine/train.jsonl",
        "1 recording is in both 'val' and 'test'",
        f"prepare {tmp_path}/desed again (python -m timepro_lit.prepare ... out={tmp_path}/desed)",
    ]
    assert str(error.value).count("audioset:") == 5  # three of the five are named


def test_what_was_heard_is_stored_and_counted(tmp_path: Path) -> None:
    first = table(tmp_path, "train", ftar=[FTAR.format(CLIPS[0]), FTAR.format(CLIPS[1]), "wav/own.wav"])
    write_recordings(tmp_path / "sft.npy", first)
    assert np.load(tmp_path / "sft.npy").dtype == np.uint64
    later = table(tmp_path, "train", desed=[DESED.format(CLIPS[2])])
    write_recordings(tmp_path / "grpo.npy", later, before=tmp_path / "sft.npy")
    write_recordings(tmp_path / "alone.npy", later, before=tmp_path / "nothing.npy")
    tested = table(tmp_path, "test", desed=[DESED.format(clip) for clip in (*CLIPS, CLIPS[0])])
    heard = {name: heard_before(tested, [tmp_path / f"{name}.npy"])[0] for name in ("sft", "grpo", "alone")}
    assert heard == {"sft": 2, "grpo": 3, "alone": 1}
    assert heard_before(tested, []) == (0, 5)


def test_the_same_bytes_under_another_name_are_refused_and_what_is_no_sound_is_not(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "one.wav", np.full(1600, 0.25), 16_000)
    (tmp_path / "page.wav").write_text("<html>404</html>")
    contents = {"x/one.wav": "1a", "gone.wav": "absent", "x/page.wav": "2b"}
    (tmp_path / "x").mkdir()
    for name in ("one", "page"):
        (tmp_path / f"{name}.wav").rename(tmp_path / f"x/{name}.wav")
    other = {"y/renamed.wav": "1a", "y/page.wav": "2b", "lost.wav": "absent"}
    with pytest.raises(ValueError) as error:
        refuse_same_content({"train": contents, "val": {"z.wav": "3c"}, "test": other}, AudioFolder(tmp_path))
    assert str(error.value) == (
        "1 recording is in both 'train' and 'test' under other names: x/one.wav is y/renamed.wav; "
        "take them out of one of the manifests"
    )
