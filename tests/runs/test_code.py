"""The code that decides: found through imports, without its comments, wherever it lies."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from timepro_lit.runs.code import PACKAGE, code_of, essence, targets_of
from timepro_lit.runs.determinants import grounds_of_answers, grounds_of_stages


def stage(module: str, **arguments: object) -> dict[str, object]:
    return {"_target_": "timepro_lit.lit.stage.Stage", "module": {"_target_": f"timepro_lit.lit.{module}"} | arguments}


SETTINGS = {
    "model": {"_target_": "timepro_lit.lalm.voxtral.VoxtralMini"},
    "lora": None,
    "time_prompt": None,
    "task": {"ag": {"_target_": "timepro_lit.tasks.grounding.Grounding"}},
    "data": {
        "_target_": "timepro_lit.lit.datamodule.ClipDataModule",
        "corpus": {"_target_": "timepro_lit.data.corpora.soundscapes.Soundscapes"},
    },
    "stage": {
        "sft": stage("sft.SFT"),
        "grpo": stage("grpo.GRPO", rewards=[{"_target_": "timepro_lit.rewards.adaptive.AdaptiveReward"}]),
    },
    "trainer": {},
    "seed": 1,
}


def all_code(package: Path = PACKAGE) -> dict[str, Mapping[str, str]]:
    stages = {name: grounds.code for name, grounds in grounds_of_stages(SETTINGS, package).items()}
    return stages | {"answers": grounds_of_answers(SETTINGS, package).code}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package somewhere else, as a wheel installs it."""
    folder = tmp_path_factory.mktemp("installed") / "timepro_lit"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__", "assets"))
    return folder


def test_a_copy_of_the_package_is_the_same_code(copy: Path) -> None:
    assert all_code(copy) == all_code()


def test_settings_name_their_code() -> None:
    assert list(targets_of(SETTINGS["stage"]["grpo"])) == [
        "timepro_lit.lit.stage.Stage", "timepro_lit.lit.grpo.GRPO", "timepro_lit.rewards.adaptive.AdaptiveReward"
    ]  # fmt: skip
    code = {name: set(of_result) for name, of_result in all_code().items()}
    everywhere = {"records.py", "lit/base.py", "lalm/voxtral.py", "tasks/grounding.py", "data/audio.py"}
    assert everywhere <= code["sft"] & code["grpo"] & code["answers"]
    assert {"lit/fit.py", "lit/grpo.py", "grpo/loss.py", "rewards/adaptive.py"} <= code["grpo"]
    assert not {"lit/grpo.py", "rewards/adaptive.py", "data/corpora/soundscapes.py"} & code["sft"]
    assert not {"lit/fit.py", "lit/sft.py", "metrics/event_f1.py", "tasks/reading.py"} & code["answers"]
    assert code_of(["lightning.pytorch.Trainer", "timepro_lit.nowhere.Nothing"]) == {}


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("rewards/adaptive.py", "return ", "return  ", {"grpo"}),
        ("grpo/rollout.py", "return ", "return  ", {"sft", "grpo", "answers"}),  # validation samples as well
        ("grpo/advantage.py", "return ", "return  ", {"grpo"}),
        ("data/collate.py", "return ", "return  ", {"sft", "grpo", "answers"}),
        ("data/corpora/prepared.py", "return ", "return  ", set()),  # the corpus is looked at itself
        ("data/preparation.py", "return ", "return  ", set()),
        ("lit/base.py", "return ", "return  ", {"sft", "grpo", "answers"}),
        ("lit/fit.py", "return ", "return  ", {"sft", "grpo"}),
        ("lit/best.py", "sum(kept) / len(kept)", "max(kept)", {"sft", "grpo"}),
        ("lit/progress_line.py", "return ", "return  ", set()),
        ("tasks/grounding.py", "When does", "When exactly does", {"sft", "grpo", "answers"}),
        ("tasks/reading.py", "return ", "return  ", {"sft", "grpo"}),
        ("metrics/event_f1.py", "return ", "return  ", {"sft", "grpo"}),  # answers are scored each time
        ("figures/page.py", "return ", "return  ", set()),
        ("lit/base.py", "# ", "# Once more: ", set()),
        ("lit/base.py", '"""Greedy', '"""Once more:\n\n        greedy', set()),
        ("lit/base.py", "\n\n", "\n\n\n", set()),
    ],
)
def test_what_a_change_makes_anew(file: str, old: str, new: str, changes: set[str], copy: Path) -> None:
    before, source = all_code(copy), (copy / file).read_text()
    assert old in source
    try:
        (copy / file).write_text(source.replace(old, new))
        after = all_code(copy)
    finally:
        (copy / file).write_text(source)
    assert {name for name in before if before[name] != after[name]} == changes


def test_only_what_runs_is_left_of_a_source() -> None:
    lines = [
        '"""A module."""', "import os  # for paths", "", "class One:",
        '    """With a docstring\u2026 and more."""; size = 2',
        "    name: str", '    """Of it."""', "", "    def text(self):", "        # nothing", '        return f"""a # b',
        "  ", 'c {self.size}"""  # kept', "",
    ]  # fmt: skip
    assert essence("\n".join(lines)).splitlines() == [
        "import os", "class One:", "    ; size = 2", "    name: str", "    def text(self):", '        return f"""a # b',
        "  ", 'c {self.size}"""',
    ]  # fmt: skip


def test_a_users_own_modules_count_and_installed_ones_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_helper.py").write_text("SCALE = 1")
    (tmp_path / "my_reward.py").write_text("import torch\nfrom my_helper import SCALE\n\nclass Mine:\n    pass\n")
    before = code_of(["my_reward.Mine", "lightning.pytorch.Trainer", "nowhere.at.all", "json.loads"])
    assert set(before) == {"my_reward", "my_helper"}
    (tmp_path / "my_reward.py").write_text("import torch\nfrom my_helper import SCALE  # kept\nclass Mine:\n    pass")
    assert code_of(["my_reward.Mine"]) == before
    (tmp_path / "my_helper.py").write_text("SCALE = 2")
    assert code_of(["my_reward.Mine"])["my_helper"] != before["my_helper"]


@pytest.mark.parametrize("python", ["python3.11", "python3.12", "python3.13"])
def test_other_pythons_read_the_same(python: str) -> None:
    if subprocess.run([shutil.which(python) or "false", "-c", ""], capture_output=True).returncode:
        pytest.skip("is not here")
    targets = list(targets_of(SETTINGS))
    program = f"""
import importlib.util
spec = importlib.util.spec_from_file_location("code_of_results", {str(PACKAGE / "runs" / "code.py")!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(module.code_of({targets!r}))
"""
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout == f"{code_of(targets)}\n", done.stderr
