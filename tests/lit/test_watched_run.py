"""A run of two processes that W&B watches, stopped in the midst of a stage: it goes on with the jobs that it had."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from wandb_offline import OfflineRun, offline_runs

SMALL = (
    "+experiment=ablation_adaptive", "task=[ag,sed]", "rows=[sft,grpo]", "checkpoint_every=1", "name=watched",
    "trainer=ddp_cpu", "trainer.log_every_n_steps=1",
    "sizes.data.num_clips={train: 11, val: 3, test: 2}",
    "sizes.sft.max_steps=2", "sizes.sft.batch_size=4", "sizes.sft.micro_batch_size=2", "sizes.sft.val_check_interval=2",
    "sizes.grpo.max_steps=6", "sizes.grpo.batch_size=4", "sizes.grpo.micro_batch_size=2", "sizes.grpo.group_size=2",
    "sizes.grpo.examples_per_task=4", "sizes.grpo.val_check_interval=2", "sizes.grpo.max_new_tokens=32",
    "logger=wandb", "logger.wandb.completions=1", "logger.wandb.artifacts=true",
)  # fmt: skip


@pytest.mark.slow
def test_a_stopped_run_goes_on_with_its_jobs(tmp_path: Path) -> None:
    run = tmp_path / "run"
    places = (f"paths.outputs={tmp_path}", f"paths.data={tmp_path / 'data'}", f"output_dir={run}")
    command = [sys.executable, "-m", "timepro_lit.train", *SMALL, *places]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log, env=os.environ)
        while not list(tmp_path.glob("stages/grpo-*.states/step-2")):
            time.sleep(0.01)
            assert process.poll() is None, (tmp_path / "log").read_text()[-4000:]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 143
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "grpo goes on after step" in done.stdout

    jobs = offline_runs(run)
    ids = {stage: {job.id for job in jobs if job.job_type == stage} for stage in ("sft", "grpo")}
    assert [len(of_stage) for of_stage in ids.values()] == [1, 1] and ids["sft"] != ids["grpo"]
    assert {job.name for job in jobs} == {"watched-seed1"}
    steps = [step for job in of(jobs, "grpo") if (step := _steps(job))]
    assert len(steps) == 2 and steps[0] | steps[1] == {*range(6)}
    for stage in ("sft", "grpo"):
        [result] = tmp_path.glob(f"stages/{stage}-????????????")
        assert {job.config["result"] for job in of(jobs, stage) if "result" in job.config} == {result.name}
        [stored] = (job.artifacts[result.name] for job in of(jobs, stage) if result.name in job.artifacts)
        assert {"adapter/adapter_model.safetensors", "result.json"} <= {*stored}
        [scored] = (job for job in of(jobs, stage) if "completions/test" in job.tables)
        assert "test/ag/mIoU" in scored.summary and len(scored.tables["completions/test"]) == 2
        tables = [job.tables["completions/val"] for job in of(jobs, stage) if "completions/val" in job.tables]
        assert all([row["id"] for row in table] == [row["id"] for row in tables[0]] for table in tables)
        assert {row["task"] for row in tables[0]} == {"ag", "sed"}  # whichever process answered
    # The second attempt found what the first had trained.
    assert not [job for job in jobs if "reused_from" in job.summary or job.notes]


def of(jobs: list[OfflineRun], stage: str) -> list[OfflineRun]:
    return [job for job in jobs if job.job_type == stage]


def _steps(job: OfflineRun) -> set[int]:
    return {row["trainer/global_step"] for row in job.history if "grpo/reward" in row}
