"""One report over runs that differ in their seed.

python -m timepro_lit.report 'runs=[outputs/demo-long/seed1,outputs/demo-long/seed2]' output_dir=outputs/demo-long
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from timepro_lit.settings.door import door


@door("report")
def main(cfg: DictConfig) -> None:
    """Pool the answers of all runs, write report.json and report.html, print the table."""
    from timepro_lit.evaluation.publish import pooled_report
    from timepro_lit.runs.stages import say
    from timepro_lit.settings.config import tasks_of
    from timepro_lit.settings.description import check_seeds, described
    from timepro_lit.settings.stored import read_settings
    from timepro_lit.tasks.base import scored

    runs = [Path(run).absolute() for run in cfg.runs]
    settings = [read_settings(run, trust=cfg.trust) for run in runs]
    check_seeds(settings)
    tasks = scored(tasks_of(settings[0]))
    say(pooled_report(runs, Path(cfg.output_dir).absolute(), tasks, described(*settings)))


if __name__ == "__main__":
    main()
