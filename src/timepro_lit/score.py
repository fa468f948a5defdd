"""Score the answers of any system against references, ours or another's.

python -m timepro_lit.score task=sed predictions=answers.jsonl references=validation.tsv output_dir=scores/kimi-audio
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from timepro_lit.settings.door import door


@door("score")
def main(cfg: DictConfig) -> None:
    """Read both files, score, write scores.json and what a report needs, print the table."""
    from timepro_lit.evaluation.scoring import (
        labels_of,
        outcome_of,
        read_predictions,
        read_references,
        table,
        with_rounded,
        write_outcome,
    )
    from timepro_lit.runs.determinants import grounds_of_scores
    from timepro_lit.runs.stages import say
    from timepro_lit.settings.config import settings_of, tasks_of
    from timepro_lit.settings.methods import variants_of
    from timepro_lit.tasks.base import ScoredTask

    if len(cfg.task) != 1:
        raise ValueError(f"one task is scored at a time, not {', '.join(cfg.task) or 'none'}")
    (name,) = cfg.task
    references = read_references(Path(cfg.references), name)
    cfg.classes = cfg.classes or labels_of(references)
    settings = settings_of(cfg)
    task = tasks_of(settings)[name]
    if not isinstance(task, ScoredTask):
        raise ValueError(f"task: answers to {name} have no score")
    metrics = with_rounded(task.metrics(), cfg.decimals)
    outcome = outcome_of(read_predictions(Path(cfg.predictions), task), references, metrics)
    directory = Path(cfg.output_dir).absolute()
    system = cfg.system or (directory.parent.name if directory.name == name else directory.name)
    variant = variants_of(settings["task"])[name]
    write_outcome(directory, outcome, task, system, grounds_of_scores(settings["task"]), variant)
    say(table(outcome))


if __name__ == "__main__":
    main()
