"""--help and --cfg of every door: its own keys and groups, at once, without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import pytest
from omegaconf import OmegaConf

from timepro_lit.settings.help import help_text, is_group, key_docs, options
from timepro_lit.settings.schemas import CONF, ROOT, SCHEMAS

GROUPS = {path.name for path in CONF.iterdir() if path.is_dir()} - {"hydra", "paths"}
GROUPS_OF = {
    "train": GROUPS - {"corpus"},
    "evaluate": {"data", "trainer", "class_list"},
    "report": set(),
    "score": {"task"},
    "predict": {"task"},
    "attend": {"task"},
    "app": set(),
    "export": set(),
    "prepare": {"corpus", "task", "class_list"},
}


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")} | environment
    return subprocess.run([*command], cwd=folder, env=env, capture_output=True, text=True, timeout=120)


def door(folder: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(folder, sys.executable, "-m", f"timepro_lit.{name}", *arguments)


@pytest.mark.parametrize("name", SCHEMAS)
def test_help_shows_the_doors_own_keys_and_groups(name: str) -> None:
    lines = help_text(name).splitlines()
    shown = {line.split("=")[0].strip().lstrip("+") for line in lines if line.startswith("  ") and "=" in line[:26]}
    keys = {field.name for field in fields(SCHEMAS[name]) if not is_group(field.name)}
    assert shown == keys | GROUPS_OF[name] | {"paths.NAME"}
    assert f"python -m timepro_lit.{name} " in lines[2]
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_has_a_line(name: str) -> None:
    lacking = {f.name for f in fields(SCHEMAS[name]) if not is_group(f.name)} - set(key_docs(SCHEMAS[name]))
    assert lacking == set()


def test_help_says_what_is_needed_what_is_chosen_and_what_there_is() -> None:
    predict, prepare, train = (help_text(name) for name in ("predict", "prepare", "train"))
    assert "  checkpoint=???          Run directory, or folder of `export`.\n" in predict
    assert "  figures=false           Also draw a timeline for each recording.\n" in predict
    assert "  corpus=???              audiogrounding, audioset_strong, audiotime, castella, desed, ftar," in prepare
    assert "  class_list=...          audioset, desed, none, soundscapes, urbansed; comes with corpus\n" in prepare
    assert "  stage=[sft,grpo]        grpo, pretrain, sft, sft_long\n" in train
    assert "  +scale=...              castella, paper\n" in train


@pytest.mark.parametrize("name", SCHEMAS)
def test_help_is_there_at_once(name: str, tmp_path: Path) -> None:
    before = getrusage(RUSAGE_CHILDREN)
    done = door(tmp_path, name, "--help")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", help_text(name) + "\n")
    after = getrusage(RUSAGE_CHILDREN)  # CPU time, which other work on the machine does not stretch: about 0.3 s
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_settings_of_every_door_can_be_looked_at(name: str, tmp_path: Path) -> None:
    done = door(tmp_path, name, "--cfg", "job")
    assert (done.returncode, done.stderr) == (0, "")
    assert set(OmegaConf.create(done.stdout)) == {field.name for field in fields(SCHEMAS[name])}
    assert list(tmp_path.iterdir()) == []


def test_what_was_not_given_is_named_with_what_there_is(tmp_path: Path) -> None:
    done = door(tmp_path, "prepare", "out=x")
    corpora = "|".join(options("corpus"))
    assert "audiotime|castella|desed" in corpora
    write = f"write corpus={corpora} root=..."
    assert (done.returncode, done.stderr) == (1, f"error: nothing was given for corpus, root: {write}\n")


def test_tab_completes_words_of_the_script(tmp_path: Path) -> None:
    script = tmp_path / "timepro"
    script.write_text(f"#!{sys.executable}\nfrom timepro_lit.train import main\nmain()\n")
    script.chmod(0o755)
    asked = {"COMP_LINE": "timepro +experiment=ablation_a", "COMP_POINT": "30"}
    done = run(tmp_path, str(script), "-sc", "query=bash", **asked)
    assert done.stdout.split() == ["+experiment=ablation_adaptive", "+experiment=ablation_astp"]
