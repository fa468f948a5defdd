"""CONTRIBUTING.md's reward and task, taken from its text: written as it says, trained as it says, and found again."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILES = {
    "src/timepro_lit/rewards/duration.py",
    "conf/reward/duration.yaml",
    "src/timepro_lit/tasks/counting.py",
    "conf/task/counted.yaml",
    "conf/reward/counted.yaml",
}
SMALLER = [
    "sizes.sft.max_steps=2", "sizes.sft.batch_size=2", "sizes.sft.micro_batch_size=2", "sizes.sft.val_check_interval=2",
    "sizes.grpo.max_steps=2", "sizes.grpo.batch_size=2", "sizes.grpo.micro_batch_size=2",
    "sizes.grpo.val_check_interval=2", "sizes.grpo.examples_per_task=8", "sizes.grpo.group_size=2",
    "sizes.grpo.max_new_tokens=16", "data.num_workers=0",
]  # fmt: skip


def printed_files() -> dict[str, str]:
    """The first file that an item of the text names, and the block of code below it."""
    items = re.findall(r"^\d\. (.*?)(?=^\d\. |^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    found = {}
    for item in items:
        named = re.search(r"`((?:src|conf)/[\w/.]+\.(?:py|yaml))`", item)
        block = re.search(r"^ {3}```(?:python|yaml)\n(.*?)^ {3}```", item, re.MULTILINE | re.DOTALL)
        if named and block:
            found[named[1]] = textwrap.dedent(block[1])
    return found


def printed_commands() -> list[list[str]]:
    """The shell commands of the reward and the task, in order."""
    blocks = re.findall(r"^ {3}```(\w*)\n(.*?)^ {3}```", TEXT, re.MULTILINE | re.DOTALL)
    lines = [line for language, block in blocks if not language for line in textwrap.dedent(block).splitlines()]
    return [shlex.split(line) for line in lines]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and its settings, with the files that the text adds and no other one touched."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    files = printed_files()
    assert set(files) == FILES
    for name, text in files.items():
        path = folder / name
        assert not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def run(clone: Path, command: list[str], *arguments: str) -> str:
    command = [sys.executable if word == "python" else word for word in command]
    environment = os.environ | {"PYTHONPATH": str(clone / "src"), "COLUMNS": "200"}
    done = subprocess.run(
        [*command, *arguments], cwd=clone, env=environment, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_the_reward_composes_as_printed(clone: Path) -> None:
    (command,) = [command for command in printed_commands() if "reward=duration" in command]
    settings = run(clone, command, "--cfg", "job")
    assert "timepro_lit.rewards.duration.DurationReward" in settings


def test_the_task_and_the_reward_are_in_the_table_the_report_and_the_page(clone: Path) -> None:
    prepare, rename, forget, train = [command for command in printed_commands() if "data/counted" in " ".join(command)]
    run(clone, prepare, "corpus.num_clips={train: 12, val: 2, test: 4}", "num_workers=1")
    run(clone, rename), run(clone, forget)
    table = run(clone, train, *SMALLER, "output_dir=outputs/counted")
    report = json.loads((clone / "outputs/counted/report.json").read_text())
    page = (clone / "outputs/counted/report.html").read_text()
    for text in (table, json.dumps(report), page):
        assert "duration reward" in text
    assert "COUNTED Eb-F1/p0.5" in table
    assert report["scores"]["grpo"]["counted"].keys() == {"Eb-F1", "Eb-F1/p0.5"}
    assert page.count("Counting with times") > 1
    again = [sys.executable, "-m", "timepro_lit.report", "runs=[outputs/counted]", "output_dir=outputs/pooled"]
    assert "COUNTED Eb-F1/p0.5" in run(clone, again)  # in a room of the package, they need nobody's trust


def test_the_files_keep_the_rules_of_the_house(clone: Path) -> None:
    new = [name for name in FILES if name.endswith(".py")]
    check = [sys.executable, "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), *new]
    done = subprocess.run(check, cwd=clone, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
