"""One table over many runs: a row for each method, the mean of its seeds; and the page that goes with it.

python -m timepro_lit.report outputs/ablation_astp outputs/ablation_adaptive layout=table3
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from timepro_lit.settings.door import door


@door("report", plain="runs")
def main(cfg: DictConfig) -> None:
    """Find the runs, group them by method, write report.json, report.html and the table's formats, print the table."""
    from timepro_lit.evaluation.layouts import LAYOUTS
    from timepro_lit.evaluation.over_runs import report_over_runs
    from timepro_lit.evaluation.reporting import Wish
    from timepro_lit.runs.naming import path_word
    from timepro_lit.runs.stages import say

    if cfg.layout not in LAYOUTS:
        raise ValueError(f"layout: is {cfg.layout}, not one of {', '.join(LAYOUTS)}")
    runs = list(cfg.runs)
    directory = Path(cfg.output_dir or f"{cfg.paths.outputs}/reports/{path_word(runs, places=True)}").absolute()
    say(report_over_runs(runs, directory, Wish(cfg.layout, cfg.quoted, cfg.baseline), list(cfg.trust)))


if __name__ == "__main__":
    main()
