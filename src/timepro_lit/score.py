"""Score the answers of any system against references, ours or another's.

python -m timepro_lit.score task=sed predictions=answers.jsonl references=validation.tsv output_dir=scores/kimi-audio
"""

from __future__ import annotations

import json
from pathlib import Path

from omegaconf import DictConfig

from timepro_lit.settings.door import door


@door("score")
def main(cfg: DictConfig) -> None:
    """Read both files, score, write scores.json, print the table."""
    from timepro_lit.evaluation.scoring import (
        labels_of,
        outcome_of,
        read_predictions,
        read_references,
        summary,
        table,
        with_rounded,
    )
    from timepro_lit.files.atomic import write_atomically
    from timepro_lit.runs.stages import say
    from timepro_lit.settings.config import settings_of, tasks_of
    from timepro_lit.tasks.base import ScoredTask

    if len(cfg.task) != 1:
        raise ValueError(f"one task is scored at a time, not {', '.join(cfg.task) or 'none'}")
    (name,) = cfg.task
    references = read_references(Path(cfg.references), name)
    cfg.classes = cfg.classes or labels_of(references)
    task = tasks_of(settings_of(cfg))[name]
    if not isinstance(task, ScoredTask):
        raise ValueError(f"task: answers to {name} have no score")
    metrics = with_rounded(task.metrics(), cfg.decimals)
    outcome = outcome_of(read_predictions(Path(cfg.predictions), task), references, metrics)
    directory = Path(cfg.output_dir)
    directory.mkdir(parents=True, exist_ok=True)
    write_atomically(directory / "scores.json", json.dumps(summary(outcome, name), indent=1))
    say(table(outcome))


if __name__ == "__main__":
    main()
