"""The door: a corpus as it is downloaded becomes what the model reads, in one command."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from tests.warm import command
from timepro_lit.data.corpora.prepared import Joined, Prepared
from timepro_lit.data.manifest import read_manifest
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lit.datamodule import ClipDataModule
from timepro_lit.settings.schemas import ROOT
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.sound_events import SoundEventDetection
from timepro_lit.time_prompt.prompt import TimePrompt

TINY_BASE = str(ROOT / "src/timepro_lit/assets/tiny_base")


def prepare(*arguments: str) -> subprocess.CompletedProcess[str]:
    return command("prepare", *arguments, cwd=ROOT)


def test_two_corpora_become_one_data_module(desed: Path, ftar: Path, tmp_path: Path) -> None:
    done = prepare("corpus=desed", f"root={desed}", f"out={tmp_path / 'out/desed'}", f"tokenizer={TINY_BASE}")
    assert done.returncode == 0, done.stderr
    assert "15,041" in done.stdout  # of the paper, beside ours
    assert "in train and in test" in done.stdout
    assert "answers of more than 640 tokens: none" in done.stdout
    done = prepare("corpus=ftar", "corpus.audio_prefix=/corpus/", f"root={ftar}", f"out={tmp_path / 'out/ftar'}",
                   f"exclude=[{tmp_path / 'out/desed'}]", "num_workers=0")  # fmt: skip
    # All of so small a corpus is held out for the test split.
    assert done.returncode == 0, done.stderr
    assert "not the paper's test set" in done.stdout
    assert json.loads((tmp_path / "out/ftar/counts.json").read_text())["examples"] == {"test": {"ag": 3, "dac": 2}}

    corpora = {name: Prepared(str(tmp_path / "out" / name)) for name in ("desed", "ftar")}
    tasks = {"ag": Grounding(), "sed": SoundEventDetection(["Blender", "Dog", "Frying", "Cat", "Speech"]),
             "dac": DenseCaptioning()}  # fmt: skip
    data = ClipDataModule(Joined(corpora), tasks, train_split="test", validation_split="test", eval_batch_size=4)
    data.connect(Qwen2_5Omni(TINY_BASE).frontend(TimePrompt()))
    batches = list(data.evaluation_loader("test"))
    assert sorted(example.id.split("/")[0] for batch in batches for example in batch.examples) == (
        ["desed"] * 2 + ["ftar"] * 5
    )


def test_generated_soundscapes_are_prepared_like_any_other(tmp_path: Path) -> None:
    done = prepare("corpus=soundscapes", f"out={tmp_path / 'out'}", "corpus.num_clips={train: 3, val: 2, test: 2}")
    assert done.returncode == 0, done.stderr
    counts = json.loads((tmp_path / "out/counts.json").read_text())
    assert counts["examples"] == {split: dict.fromkeys(("ag", "dac", "sed"), n)
                                  for split, n in (("test", 2), ("train", 3), ("val", 2))}  # fmt: skip
    assert counts["dropped"] == {}
    copy = Prepared(str(Path(shutil.copytree(tmp_path / "out", tmp_path / "copy"))))
    [(manifest, _)] = copy.manifests("test")
    assert copy.store().location(read_manifest(manifest)[0].audio).startswith(str(tmp_path / "copy"))


def test_what_is_missing_is_one_sentence(tmp_path: Path) -> None:
    done = prepare("corpus=desed", f"root={tmp_path}", f"out={tmp_path / 'out'}")
    assert done.returncode == 1
    assert "holds none of metadata/" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()
    done = prepare(f"root={tmp_path}", f"out={tmp_path / 'out'}")
    assert done.returncode == 1
    for name in ("audiogrounding", "audiotime", "desed", "ftar", "soundscapes"):
        assert name in done.stderr
    done = prepare("corpus=desed", f"root={tmp_path}", f"out={tmp_path / 'out'}", "shard_mb=0")
    assert (done.returncode, done.stderr) == (1, "error: shard_mb: must be at least 1, not 0\n")
