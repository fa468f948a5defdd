"""Score the answers of any system against references, ours or another's.

python -m timepro_lit.score task=sed predictions=answers.jsonl references=validation.tsv output_dir=scores/kimi-audio
"""

from __future__ import annotations

import json
from pathlib import Path

import hydra
from omegaconf import DictConfig

from timepro_lit.door import CONF, guarded
from timepro_lit.schemas import register

register()


@hydra.main(version_base="1.3", config_path=CONF, config_name="score")
@guarded
def main(cfg: DictConfig) -> None:
    """Read both files, score, write scores.json, print the table."""
    from timepro_lit.atomic import write_atomically
    from timepro_lit.config import settings_of, tasks_of
    from timepro_lit.metrics.meteor import shared_meteor
    from timepro_lit.metrics.suite import HEADLINES, default_metrics
    from timepro_lit.scoring import labels_of, read_predictions, read_references, score_answers, summary, table

    if len(cfg.task) != 1:
        raise ValueError(f"one task is scored at a time, not {', '.join(cfg.task) or 'none'}")
    (name,) = cfg.task
    if name not in HEADLINES:
        raise ValueError(f"task must be one of {', '.join(HEADLINES)}, whose answers have a score, not {name}")
    references = read_references(Path(cfg.references), name)
    if name == "sed" and not cfg.classes:
        cfg.classes = labels_of(references)
    task = tasks_of(settings_of(cfg))[name]
    metrics = default_metrics(cfg.classes, shared_meteor(), decimals=cfg.decimals)[name]
    outcome = score_answers(read_predictions(Path(cfg.predictions), task), references, metrics)
    directory = Path(cfg.output_dir)
    directory.mkdir(parents=True, exist_ok=True)
    write_atomically(directory / "scores.json", json.dumps(summary(outcome, name), indent=1))
    print(table(outcome))


if __name__ == "__main__":
    main()
