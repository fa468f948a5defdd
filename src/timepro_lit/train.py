"""Train the stages of an experiment one after the other, evaluate them and print the table.

python -m timepro_lit.train +experiment=ablation_astp +scale=paper trainer=deepspeed_zero2
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from timepro_lit.settings.door import door, overrides


def table_of_sweep(runs: Sequence[Path]) -> None:
    """Print the table over the runs of a sweep, and write its report beside them."""
    from timepro_lit.evaluation.over_runs import report_over_runs
    from timepro_lit.evaluation.reporting import Wish
    from timepro_lit.runs.naming import path_word
    from timepro_lit.runs.stages import say

    experiments = list(dict.fromkeys(run.parent.name for run in runs))
    outputs = next((folder for folder in runs[0].parents if (folder / "stages").is_dir()), runs[0].parents[1])
    directory = outputs / "reports" / path_word(experiments)
    try:
        say(report_over_runs(list(map(str, runs)), directory, Wish()))
    except (ValueError, OSError) as error:  # the runs are what counts, and each has its own table
        say(f"no table over the sweep: {error}")


@door("train", after_sweep=table_of_sweep)
def main(cfg: DictConfig) -> float | None:
    """Compose, validate, build, run. Returns the optimised metric."""
    # Imported here, so that --cfg, --help and completion answer at once.
    from timepro_lit.runs.determinants import grounds_of_answers, grounds_of_stages, on_processes
    from timepro_lit.runs.directory import claimed_run
    from timepro_lit.runs.stages import StageStore, is_rank_zero, say
    from timepro_lit.settings.config import build, portable, settings_of, validate
    from timepro_lit.settings.description import check_rows, described
    from timepro_lit.settings.stored import to_store

    _place(cfg)
    validate(cfg)
    settings = settings_of(cfg)
    check_rows(cfg.rows or [], described(settings))
    if cfg.only is not None:
        _look(cfg, settings)
        return None
    with claimed_run(Path(cfg.output_dir), to_store(cfg)) as run:
        from timepro_lit.lit.run import is_up_to_date
        from timepro_lit.lit.run import run as run_stages
        from timepro_lit.lit.setting import Parts

        parts, named, anyway = Parts(**build(cfg)), described(settings), cfg.reuse == "anyway"
        stages = {name: on_processes(of, parts.num_processes) for name, of in grounds_of_stages(portable(cfg)).items()}
        given = (stages, on_processes(grounds_of_answers(portable(cfg)), parts.num_processes))
        finished = run.finished
        if finished is not None and is_up_to_date(run, parts, *given, named, cfg.init_from, cfg.rows, anyway):
            say(f"{run.directory} is finished.\n{finished['table']}")
            return finished["metric"]
        table, metric, found = run_stages(
            parts,
            run.directory,
            StageStore(Path(cfg.paths.outputs) / "stages", run.directory, anyway),
            *given,
            described=named,
            init_from=cfg.init_from,
            seed=cfg.seed,
            checkpoint_every=cfg.checkpoint_every,
            rows=cfg.rows,
            hyperparameters=settings,
        )
        if is_rank_zero():  # whose table names the page
            run.finish(table, metric, found)
        say(table)
        return metric


def _place(cfg: DictConfig) -> None:
    """Say what the run is called and where it lies, and make what the command names relative to its folder absolute."""
    from timepro_lit.runs.naming import experiment_name, run_path
    from timepro_lit.settings.config import anchor

    cfg.name = cfg.name or experiment_name(overrides())
    path = cfg.output_dir or f"{cfg.paths.outputs}/{run_path(cfg.name, overrides(), cfg.scale, cfg.seed)}"
    cfg.output_dir = str(Path(path).absolute())
    anchor(cfg)


def _look(cfg: DictConfig, settings: dict[str, Any]) -> None:
    """Say what the run would do, or try a step of each stage; nothing is made."""
    from timepro_lit.lit.planned import plan_of_run
    from timepro_lit.lit.preflight import preflight
    from timepro_lit.lit.setting import Parts
    from timepro_lit.runs.code import targets_of
    from timepro_lit.runs.determinants import grounds_of_stages
    from timepro_lit.runs.stages import say
    from timepro_lit.settings.config import build, build_plan, placement_of, portable
    from timepro_lit.settings.description import described

    if cfg.only == "preflight":
        preflight(Parts(**build(cfg)), Path(cfg.output_dir), cfg.init_from, cfg.seed)
        return
    say(
        plan_of_run(
            Parts(**build_plan(cfg)),
            Path(cfg.output_dir),
            Path(cfg.paths.outputs) / "stages",
            grounds_of_stages(portable(cfg)),
            described(settings),
            placement_of(settings),
            any("meteor" in target for target in targets_of(settings)) or "dac" in settings["task"],
            cfg.init_from,
            cfg.seed,
            cfg.checkpoint_every,
        )
    )


if __name__ == "__main__":
    main()
