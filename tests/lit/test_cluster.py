"""Runs and sweeps under Slurm, faked on one machine: its processes, requeueing, order of jobs and failures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest
import submitit
from fake_slurm import UNFINISHED, calls, pids, slurm, states, wait
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf

from timepro_lit.settings.schemas import CONF, ROOT, register

CLUSTER = ROOT / "experiments" / "cluster"
SMALL = (
    "task=[ag,sed]", "sizes.data.num_clips={train: 8, val: 2, test: 2}", "checkpoint_every=1",
    "sizes.sft.max_steps=4", "sizes.sft.batch_size=2", "sizes.sft.micro_batch_size=1", "sizes.sft.val_check_interval=4",
    "sizes.grpo.max_steps=1", "sizes.grpo.batch_size=2", "sizes.grpo.micro_batch_size=2", "sizes.grpo.group_size=2",
    "sizes.grpo.examples_per_task=4", "sizes.grpo.max_new_tokens=8", "sizes.grpo.val_check_interval=1",
)  # fmt: skip


def submit(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command on the login node, its settings made small."""
    settings = (*SMALL, f"paths.outputs={folder / 'outputs'}", f"paths.data={folder / 'data'}")
    env = slurm(folder) | {"PYTHONPATH": str(ROOT / "src")} | environment
    return subprocess.run([*command, *settings], cwd=ROOT, env=env, capture_output=True, text=True, timeout=900)


def logs(folder: Path, pattern: str) -> str:
    return "".join(path.read_text() for path in sorted(folder.glob(pattern)))


@pytest.mark.slow
def test_a_job_out_of_time_goes_on_in_its_next_allocation(tmp_path: Path) -> None:
    script, tasks = str(CLUSTER / "one_node.sbatch"), "--ntasks-per-node=2"
    submit(tmp_path, "sbatch", tasks, script, "trainer=ddp_cpu", "stage=[sft]", "rows=[]")
    while not list(tmp_path.glob("outputs/stages/sft-*.states/step-*[0-9]")):
        time.sleep(0.01)
        assert states(tmp_path)["4001"] in UNFINISHED, logs(tmp_path, "[01]")
    for pid in pids(tmp_path):
        os.kill(pid, signal.SIGUSR1)
    wait(tmp_path)
    said = logs(tmp_path, "[01]")
    assert states(tmp_path) == {"4001": "COMPLETED"}, said
    assert calls(tmp_path, "scontrol") == [["requeue", "4001"]]
    assert "sft goes on after step" in said
    assert said.count("run directory") == 2  # once in each allocation: one of two processes speaks
    assert list(tmp_path.glob("outputs/stages/sft-*/adapter/adapter_model.safetensors"))
    assert not list(tmp_path.rglob("hpc_ckpt*"))


@pytest.mark.slow
def test_no_job_of_table_3_waits_for_a_stage_of_another(tmp_path: Path) -> None:
    done = submit(tmp_path, "bash", str(CLUSTER / "table3.sh"), "trainer=cpu", SEEDS="1", GPUS="1")
    wait(tmp_path)
    assert states(tmp_path) == dict.fromkeys(("4001", "4002_0", "4002_1", "4003_0", "4003_1"), "COMPLETED"), done.stderr
    assert "#SBATCH --dependency=afterok:4001\n" in logs(tmp_path, "outputs/slurm/*/*.sh")
    said = logs(tmp_path, "outputs/slurm/*/*.out")
    assert said.count("sft: reused from") == 2
    assert "waiting" not in said
    assert len(list(tmp_path.glob("outputs/stages/sft-*/result.json"))) == 3
    assert len(list(tmp_path.glob("outputs/ablation_*/*/report.html"))) == 5


@pytest.mark.slow
def test_a_process_that_fails_ends_its_job(tmp_path: Path) -> None:
    sweep = (
        sys.executable, "-m", "timepro_lit.train", "-m", "trainer=ddp_cpu", "hydra/launcher=slurm",
        "hydra.launcher.gpus_per_node=2", "reuse=never,always",
    )  # fmt: skip
    done = submit(tmp_path, *sweep)
    wait(tmp_path)
    assert done.returncode == 1
    assert "reuse: must be anyway, or null, not never" in done.stderr
    assert set(states(tmp_path).values()) == {"FAILED"}


def test_slurm_is_asked_for_a_process_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", slurm(tmp_path)["PATH"])
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        overrides = ["hydra/launcher=slurm", "trainer=ddp", "trainer.num_nodes=4", f"paths.outputs={tmp_path}"]
        cfg = compose("train", overrides, return_hydra_config=True)
    params = instantiate(cfg.hydra.launcher).params  # of hydra-submitit-launcher
    assert params.pop("submitit_folder") == f"{tmp_path}/slurm/%j"
    executor = submitit.AutoExecutor(tmp_path, cluster="slurm", slurm_max_num_timeout=params.pop("max_num_timeout"))
    general = {field.name for field in fields(BaseQueueConf)}
    executor.update_parameters(**{k if k in general else f"slurm_{k}": v for k, v in params.items()})
    asked = executor.parameters
    assert (asked["nodes"], asked["ntasks_per_node"], asked["gpus_per_node"], asked["time"]) == (4, 8, 8, 1440)
    assert (asked["signal_delay_s"], asked["additional_parameters"]) == (300, {"requeue": True})
