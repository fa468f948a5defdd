"""Evaluate a run again, on the test split or on other data.

python -m timepro_lit.evaluate run=outputs/ablation_astp/embedded-seed1 trainer=gpu
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from timepro_lit.settings.door import door, overrides


@door("evaluate")
def main(cfg: DictConfig) -> None:
    """Take the run's settings, put the data and the trainer given here in their place, evaluate, print the table.

    Other data, or another precision, are evaluated into a folder of their own.
    """
    from timepro_lit.runs.directory import override_key
    from timepro_lit.settings.config import build_evaluation, for_evaluation, portable, settings_of, validate
    from timepro_lit.settings.description import check_rows, described
    from timepro_lit.settings.stored import read_settings

    directory = Path(cfg.run).absolute()
    given = {name: cfg.paths[name] for name in cfg.paths if f"paths.{name}" in map(override_key, overrides())}
    of = for_evaluation(read_settings(directory, given, cfg.trust), cfg)
    validate(of)
    settings = settings_of(of)
    check_rows(cfg.rows or [], settings)
    from timepro_lit.lit.evaluate import evaluate
    from timepro_lit.lit.setting import Parts
    from timepro_lit.runs.determinants import grounds_of_answers
    from timepro_lit.runs.stages import say

    # Data that are chosen here are the user's own business, those of the run are not.
    writable = [Path(cfg.paths.data), Path(cfg.paths.outputs)] if cfg.data is None else None
    grounds = grounds_of_answers(portable(of))
    say(evaluate(Parts(**build_evaluation(of)), directory, cfg.rows, cfg.split, described(settings), grounds, writable))


if __name__ == "__main__":
    main()
