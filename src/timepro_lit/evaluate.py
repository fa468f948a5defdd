"""Evaluate a run again, on the test split or on other data.

python -m timepro_lit.evaluate run=outputs/ablation_astp/embedded-seed1 trainer=gpu
"""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

from timepro_lit.door import CONF, guarded
from timepro_lit.schemas import register

register()


@hydra.main(version_base="1.3", config_path=CONF, config_name="evaluate")
@guarded
def main(cfg: DictConfig) -> None:
    """Take the run's settings, put the data and the trainer given here in their place, evaluate, print the table."""
    from timepro_lit.config import build, of_run, validate
    from timepro_lit.runs import read_settings

    directory = Path(cfg.run).absolute()
    of = of_run(read_settings(directory), cfg)
    validate(of)
    from timepro_lit.lit.run import evaluate

    print(evaluate(directory=directory, rows=cfg.rows, split=cfg.split, **build(of)))


if __name__ == "__main__":
    main()
