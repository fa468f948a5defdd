from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from timepro_lit.settings.command_line import composed, hydras_words, override_fault, sentence_of_hydra
from timepro_lit.settings.schemas import ROOT


@pytest.mark.parametrize(
    ("door", "override", "fault"),
    [
        ("evaluate", "vote=true", "vote: is True, not a whole number, or null"),
        ("evaluate", "vote=1.5", "vote: is 1.5, not a whole number, or null"),
        ("predict", "vote_temperature=abc", "vote_temperature: is abc, not a number"),
        ("predict", "figures=maybe", "figures: is maybe, not true or false"),
        ("prepare", "shard_mb=true", "shard_mb: is True, not a whole number, or null"),
        ("prepare", "shard_mb=nan", "shard_mb: is nan, not a whole number, or null"),
        ("evaluate", "data=nosuch", "data: is nosuch, not one of castella, moments, "),
        ("prepare", "corpus=castela", ", urbansed; did you mean castella?"),
        ("train", "task=[ag,nosuch]", "task: is nosuch, not one of ag, "),
        ("train", "+experiment=ablation_astp,astp", "did you mean ablation_astp?"),
        ("prepare", "nonerate=1", "nonerate: there is no such key; did you mean none_rate?"),
        ("prepare", "+nonerate=1", "nonerate: there is no such key; did you mean none_rate?"),
        ("train", "rows=sft", "rows: is sft, not a list: write rows=[sft]"),
        ("attend", "heads=[0.5]", "heads: is [0.5], not "),
        ("train", "experiment=moments", "experiment: is put on top of all else: write +experiment=moments"),
        ("train", "a=[1", "'a=[1' is nothing that Hydra can read"),
    ],
)  # fmt: skip
def test_what_no_composing_could_make_sense_of(door: str, override: str, fault: str) -> None:
    assert fault in str(override_fault(door, override))


@pytest.mark.parametrize(
    "override",
    [
        "rows=[sft]", "rows=null", "+experiment=glob(abl*)", "+experiment=[moments,keep_best]", "seed=1,2", "data=null",
        "+data.absent_share=0.2", "hydra/launcher=slurm", "hydra.verbose=true", "~callbacks", "task=ag", "name=5",
        "class_list=desed", "trainer.foo=1", "checkpoint_every=null", "paths.data=/x",
    ],
)  # fmt: skip
def test_what_may_make_sense(override: str) -> None:
    assert override_fault("train", override) is None


def test_what_hydra_says_of_a_composition_is_a_sentence() -> None:
    more = "\nSet the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.\n"
    said = f"Could not override 'trainer.foo'.\nKey 'foo' is not in struct\n    full_key: trainer.foo{more}"
    assert sentence_of_hydra(said).startswith("error: trainer.foo: there is no such key; --cfg job shows")
    said = f"In 'train': Could not find 'x/y'\n\nConfig search path:\n\tprovider=main, path=file:///conf\n{more}"
    assert sentence_of_hydra(said) == "error: In 'train': Could not find 'x/y'\n"
    assert sentence_of_hydra("usage: train.py\n") == "usage: train.py\n"


def test_nothing_that_is_written_gets_lost(capsys: pytest.CaptureFixture[str]) -> None:
    with hydras_words():
        print("before", file=sys.stderr)
        held = sys.stderr
        assert capsys.readouterr().err == ""
        composed()
        print("after", file=held)
        assert capsys.readouterr().err == "before\nafter\n"
    with hydras_words():
        print("a warning", file=sys.stderr)
    assert capsys.readouterr().err == "a warning\n"


def test_a_key_deeper_down_that_is_not_there_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "timepro_lit.train", "trainer.foo=1", f"paths.outputs={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    sentence = (
        "error: trainer.foo: there is no such key; --cfg job shows those that there are, and +trainer.foo=... adds one"
    )
    assert (done.returncode, done.stderr, done.stdout) == (1, f"{sentence}\n", "")
