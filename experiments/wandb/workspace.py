"""The dashboard of a project on W&B, the same for everybody: validation, reward, health and tables of answers.

pip install 'timepro_lit[workspace]'
python experiments/wandb/workspace.py ENTITY
"""

from __future__ import annotations

import argparse
from typing import Any

STEP = "trainer/global_step"
"""What Lightning calls a stage's optimiser steps on W&B."""
CURVES: dict[str, dict[str, tuple[str, ...]]] = {
    "validation": {
        "audio grounding, mIoU": ("val/ag/mIoU",),
        "audio grounding, R@0.5 to R@0.9": ("val/ag/R@0.5", "val/ag/R@0.7", "val/ag/R@0.9"),
        "sound event detection, Eb-F1": ("val/sed/Eb-F1",),
        "dense captioning, METEOR": ("val/dac/METEOR",),
        "dense captioning, Eb-F1": ("val/dac/Eb-F1",),
        "answers that can be read": ("val/ag/parse_rate", "val/sed/parse_rate", "val/dac/parse_rate"),
    },
    "reward": {
        "total": ("grpo/reward",),
        "main": ("grpo/reward_main",),
        "auxiliary, in switched groups": ("grpo/reward_auxiliary",),
        "spread within a group": ("grpo/reward_std", "grpo/switched_std"),
        "flat groups": ("grpo/flat", "grpo/all_zero", "grpo/switched"),
        "groups without signal": ("grpo/no_signal",),
    },
    "health": {
        "loss": ("train/loss", "grpo/loss"),
        "gradient norm": ("train/gradient_norm",),
        "learning rate": ("train/learning_rate",),
        "steps that were not finite": ("train/nonfinite_steps",),
        "entropy": ("grpo/entropy",),
        "distance from the reference": ("grpo/kl",),
        "clipped ratios": ("grpo/clip_frac", "grpo/ratio_mean"),
        "length of an answer": ("grpo/length",),
        "answers cut or unreadable": ("grpo/truncated", "grpo/unreadable"),
        "seconds of a step": ("cost/step_s", "cost/rollout_s", "cost/data_s"),
        "memory": ("cost/peak_memory_gb",),
    },
}
"""Section -> title of a panel -> what it draws, by its key in docs/logs.md."""
TABLES = ("completions/val", "completions/rollouts", "completions/test")
COLUMNS = ("test/ag/mIoU", "test/sed/Eb-F1", "test/dac/METEOR")
"""Test scores beside the names of the jobs."""


def workspace(entity: str, project: str, name: str) -> Any:
    """The workspace, as an object of wandb-workspaces. Jobs of one experiment and stage are means over their seeds."""
    import wandb_workspaces.reports.v2 as panels
    import wandb_workspaces.workspaces as ws

    sections = [
        ws.Section(
            name=section,
            panels=[panels.LinePlot(title=title, x=STEP, y=list(keys)) for title, keys in drawn.items()],
            is_open=True,
        )
        for section, drawn in CURVES.items()
    ]
    tables = [panels.WeavePanelSummaryTable(table_name=table) for table in TABLES]
    sections.append(ws.Section(name="answers", panels=tables, is_open=True))
    jobs = ws.RunsetSettings(
        groupby=[ws.Metric("Group"), ws.Metric("JobType")],
        pinned_columns=["run:displayName", *(f"summary:{column}" for column in COLUMNS)],
    )
    settings = ws.WorkspaceSettings(x_axis=STEP, max_runs=20)
    return ws.Workspace(
        entity=entity, project=project, name=name, sections=sections, settings=settings, runset_settings=jobs
    )


def main() -> None:
    """Make the workspace on W&B and print where it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("entity", help="user or team that the project belongs to")
    parser.add_argument("--project", default="timepro", help="logger.wandb.project of the runs (default: timepro)")
    parser.add_argument("--name", default="TimePro", help="of the workspace (default: TimePro)")
    given = parser.parse_args()
    print(workspace(given.entity, given.project, given.name).save().url)


if __name__ == "__main__":
    main()
