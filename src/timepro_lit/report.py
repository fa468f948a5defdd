"""One report over runs that differ in their seed.

python -m timepro_lit.report 'runs=[outputs/demo-long/seed1,outputs/demo-long/seed2]' output_dir=outputs/demo-long
"""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

from timepro_lit.door import CONF, guarded
from timepro_lit.schemas import register

register()


@hydra.main(version_base="1.3", config_path=CONF, config_name="report")
@guarded
def main(cfg: DictConfig) -> None:
    """Pool the answers of all runs, write report.json and report.html, print the table."""
    from timepro_lit.config import tasks_of
    from timepro_lit.runs import read_settings

    runs = [Path(run).absolute() for run in cfg.runs]
    tasks = tasks_of(read_settings(runs[0]))
    from timepro_lit.lit.run import report_seeds

    print(report_seeds(runs, Path(cfg.output_dir).absolute(), tasks))


if __name__ == "__main__":
    main()
