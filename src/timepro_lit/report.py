"""One table over many runs: a row for each method, the mean of its seeds; and the page that goes with it.

python -m timepro_lit.report outputs/ablation_astp outputs/ablation_adaptive layout=table3
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from timepro_lit.settings.door import door

if TYPE_CHECKING:
    from timepro_lit.evaluation.gathering import Evaluated, Rescored
    from timepro_lit.settings.methods import Readers


@door("report", plain="runs")
def main(cfg: DictConfig) -> None:
    """Find the runs, group them by method, write report.json, report.html and the table's formats, print the table."""
    from timepro_lit.evaluation.gathering import Rescored, folders_of, scored_elsewhere
    from timepro_lit.evaluation.layouts import LAYOUTS
    from timepro_lit.evaluation.reporting import Wish, report_over
    from timepro_lit.runs.naming import path_word
    from timepro_lit.runs.stages import say
    from timepro_lit.settings.methods import Readers

    if cfg.layout not in LAYOUTS:
        raise ValueError(f"layout: is {cfg.layout}, not one of {', '.join(LAYOUTS)}")
    runs, scores = folders_of(cfg.runs)
    rescored = Rescored()
    readers = Readers(list(cfg.trust))
    found = {run: _evaluated(run, readers, rescored) for run in runs}
    evaluated = [one for of_run in found.values() for one in of_run]
    evaluated += [scored_elsewhere(folder, evaluated, readers.scoring_of) for folder in scores]
    directory = cfg.output_dir or f"{cfg.paths.outputs}/reports/{path_word(cfg.runs)}"
    table = report_over(evaluated, Path(directory).absolute(), Wish(cfg.layout, cfg.quoted, cfg.baseline))
    silent = [str(run) for run, of_run in found.items() if not of_run]
    say(f"no evaluation yet: {', '.join(silent)}\n{table}" if silent else table)


def _evaluated(run: Path, readers: Readers, rescored: Rescored) -> list[Evaluated]:
    """What was evaluated of a run."""
    from timepro_lit.evaluation.gathering import evaluations_of
    from timepro_lit.settings.methods import methods_of
    from timepro_lit.settings.stored import settings_as_data

    settings = settings_as_data(run, readers.trust)
    try:
        methods, seed, tasks = methods_of(settings), int(settings["seed"]), settings["task"]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{run}/config.yaml holds no settings of a run: {error!r}") from error
    reader = readers.of(run, tasks)
    return evaluations_of(run, methods, seed, reader.build, reader.scoring, reader.variant, rescored)


if __name__ == "__main__":
    main()
