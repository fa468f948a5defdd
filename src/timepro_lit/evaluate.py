"""Evaluate a run again, on the test split or on other data; or an exported folder, on data chosen here.

python -m timepro_lit.evaluate run=outputs/ablation_astp/seed1 trainer=gpu
python -m timepro_lit.evaluate run=outputs/ablation_astp/seed1 vote=8
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from omegaconf import DictConfig

from timepro_lit.runs.naming import override_key
from timepro_lit.settings.door import door, given_paths, overrides

DEVICE = {"_target_": "lightning.pytorch.Trainer", "_partial_": True, "accelerator": "auto", "devices": 1}
"""The trainer of an exported folder, which names its precision alone."""


@door("evaluate")
def main(cfg: DictConfig) -> None:
    """Take the run's settings, put the data and the trainer given here in their place, evaluate, print the table.

    Other data, another precision, or votes are evaluated into a folder of their own.
    """
    from timepro_lit.events.voting import voting_of
    from timepro_lit.inference.loading import check_stored, exported_model, is_exported
    from timepro_lit.runs.stages import LONGEST
    from timepro_lit.settings.config import anchor, build_evaluation, portable, settings_of, validate
    from timepro_lit.settings.description import check_rows, described, described_export, with_votes
    from timepro_lit.settings.evaluation import for_evaluation, is_whole
    from timepro_lit.settings.stored import read_settings

    directory = Path(cfg.run).absolute()
    if exported := is_exported(directory):
        stored, adapter = exported_model(directory, cfg.trust)
        longest_s = stored.pop(LONGEST)
        stored |= {"trainer": DEVICE | stored["trainer"], "paths": dict(cfg.paths)}
    else:
        stored = read_settings(directory, given_paths(cfg), cfg.trust)
    anchor(cfg)
    of = for_evaluation(stored, cfg, set(map(override_key, overrides())))
    validate(of)
    settings = settings_of(of)
    description = described_export(settings, directory.name) if exported else described(settings)
    check_rows(cfg.rows or [], description)
    voting = voting_of(cfg.vote, cfg.vote_temperature, cfg.seed)
    if voting is not None:
        description = replace(description, rows=tuple(with_votes(row, voting) for row in description.rows))
    from timepro_lit.lit.evaluate import evaluate, model_of_export, models_of_run
    from timepro_lit.lit.setting import Parts
    from timepro_lit.runs.determinants import grounds_of_answers, on_processes
    from timepro_lit.runs.stages import say

    parts = Parts(**build_evaluation(of))
    if exported:
        check_stored(directory, settings, None)
        models = model_of_export(parts, directory, adapter, description, longest_s)
    else:
        models = models_of_run(parts, directory, description, cfg.rows)
    # Data that are chosen here are the user's own business, those of the run are not.
    writable = [Path(cfg.paths.data), Path(cfg.paths.outputs)] if cfg.data is None or not is_whole(cfg.data) else None
    answers = on_processes(grounds_of_answers(portable(of), voting=voting and asdict(voting)), parts.num_processes)
    how = (voting, cfg.window_s, cfg.hop_s, cfg.merge_iou)
    say(evaluate(parts, models, cfg.rows, cfg.split, description, answers, writable, *how))


if __name__ == "__main__":
    main()
