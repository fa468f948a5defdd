from __future__ import annotations

from pathlib import Path

import pytest

from timepro_lit.data.corpora.annotated import Annotation, Dropped
from timepro_lit.data.corpora.desed import Desed
from timepro_lit.records import Event

CLASSES = ["Blender", "Cat", "Dog", "Frying", "Speech"]


def test_every_part_is_read_with_its_folder_and_its_split(desed: Path) -> None:
    found = list(Desed(CLASSES).annotations(desed))
    annotations = [one for one in found if isinstance(one, Annotation)]
    assert [(a.split, a.audio) for a in annotations] == [
        *(("train", f"audio/train/synthetic21_train/soundscapes_16k/{n}.wav") for n in (1, 2, 3)),
        *(
            ("train", f"audio/train/strong_label_real/{name}.wav")
            for name in (
                "YrqfQRErjfk8_30.000_40.000",
                "Yvvvvvvvvvvv_0.000_10.000",
                "Ybbbbbbbbbbb_0.000_10.000",
                "Ymissing0000_0.000_10.000",
            )
        ),
        ("test", "audio/validation/validation/Yvvvvvvvvvvv_0.000_10.000.wav"),
        ("test", "audio/validation/validation/Ywwwwwwwwwww_5.000_15.000.wav"),
        ("test", "audio/validation/validation/Yb0RFKhbpFJA_5.000_15.000.wav"),
        ("public_eval", "audio/eval/public/Ypublic00000_1.000_11.000.wav"),
    ]
    assert annotations[0].events == (Event(0.25, 1.125, "Blender"),)
    assert annotations[8].events == ()  # its only row has no label
    assert {a.task for a in annotations} == {"sed"}
    [dropped] = [one for one in found if isinstance(one, Dropped)]
    assert (dropped.reason, dropped.detail) == ("event of an unknown class", "Vuvuzela")


def test_a_folder_without_any_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds none of metadata/train/synthetic21_train/soundscapes\.tsv, "):
        list(Desed(CLASSES).annotations(tmp_path))
