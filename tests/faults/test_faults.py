"""The fault campaign in short: a few kills and damages, the same ones each time. `make faults` tries them all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CAMPAIGN = Path(__file__).with_name("campaign.py")


def test_a_few_faults(tmp_path: Path) -> None:
    places = ("--folder", str(tmp_path / "faults"), "--json", str(tmp_path / "faults.json"), "--jobs", "1")
    done = subprocess.run(
        [sys.executable, str(CAMPAIGN), "--short", "--seed", "0", *places], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    outcomes = json.loads((tmp_path / "faults.json").read_text())["outcomes"]
    assert {one["verdict"] for one in outcomes} <= {"right", "refused", "skipped"}
    assert sum(one["verdict"] != "skipped" for one in outcomes) >= 3, done.stdout
