"""The dashboard and the sweep of W&B name what a run logs and what the settings know."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from types import ModuleType

import pytest
import yaml
from hydra import compose, initialize_config_dir

from timepro_lit.lit.completions import ON_TEST, ON_VALIDATION, ROLLOUTS
from timepro_lit.settings.config import validate
from timepro_lit.settings.schemas import CONF, ROOT, register

FOLDER = ROOT / "experiments" / "wandb"
TASKS = {"ag": "AG", "sed": "SED", "dac": "DAC"}


@pytest.fixture(scope="module")
def dashboard() -> ModuleType:
    spec = importlib.util.spec_from_file_location("workspace", FOLDER / "workspace.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def documented() -> Iterator[str]:
    """The keys in the table of docs/logs.md, as patterns."""
    for line in (ROOT / "docs" / "logs.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            yield re.sub(r"<\w+>", r"[\\w@./-]+", line.split("`")[1].replace("/<name>", "/<n>"))


def test_all_that_is_drawn_is_logged(dashboard: ModuleType) -> None:
    drawn = [key for section in dashboard.CURVES.values() for keys in section.values() for key in keys]
    patterns = [*documented()]
    assert [key for key in drawn if not any(re.fullmatch(pattern, key) for pattern in patterns)] == []
    assert dashboard.TABLES == (ON_VALIDATION, ROLLOUTS, ON_TEST)
    for key in (*drawn, *dashboard.COLUMNS):
        if key.startswith(("val/", "test/")):
            _, task, metric = key.split("/", 2)
            assert any(name in metric for name in ("mIoU", "R@0.", "Eb-F1", "METEOR", "parse_rate")) and task in TASKS


def test_the_sweep_asks_for_what_the_settings_know() -> None:
    sweep = yaml.safe_load((FOLDER / "sweep.yaml").read_text(encoding="utf-8"))
    *fixed, last = sweep["command"]
    assert fixed[:4] == ["${env}", "python", "-m", "timepro_lit.train"] and last == "${args_no_hyphens}"
    tried = [f"{key}={of_key['values'][0]}" for key, of_key in sweep["parameters"].items()]
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", [*fixed[4:], *tried, "output_dir=/run", "name=sweep"])
    validate(cfg)
    assert [cfg.sizes.sft.learning_rate, cfg.sizes.grpo.learning_rate, cfg.seed] == [1e-3, 1e-4, 1]
    assert sweep["metric"]["name"].startswith("val/")


@pytest.mark.slow
def test_the_workspace_is_what_the_library_takes(dashboard: ModuleType) -> None:
    pytest.importorskip("wandb_workspaces")
    made = dashboard.workspace("me", "timepro", "TimePro")
    assert [section.name for section in made.sections] == ["validation", "reward", "health", "answers"]
    sent = made._to_model().model_dump_json(by_alias=True)
    assert all(f'"{key}"' in sent for key in ("val/ag/mIoU", "grpo/entropy", "completions/rollouts"))
