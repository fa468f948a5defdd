"""Ask a trained model about recordings.

python -m timepro_lit.predict checkpoint=outputs/demo audio=recordings/ task=ag 'query="a dog barks"' output_dir=answers
"""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

from timepro_lit.door import CONF, check_grammar, guarded
from timepro_lit.schemas import register

register()


@hydra.main(version_base="1.3", config_path=CONF, config_name="predict")
@guarded
def main(cfg: DictConfig) -> None:
    """Load the model, ask, write predictions.jsonl, print the table."""
    from timepro_lit.loading import load
    from timepro_lit.prediction import new_answers, predict, queries_of, recordings

    if len(cfg.task) != 1:
        raise ValueError(f"one task is asked at a time, not {', '.join(cfg.task) or 'none'}")
    (task,) = cfg.task
    queries = queries_of(task, cfg.query, None if cfg.queries is None else Path(cfg.queries))
    audio, output_dir = Path(cfg.audio), Path(cfg.output_dir)
    recordings(audio), new_answers(output_dir)  # before the model is loaded
    listener = load(cfg.checkpoint, stage=cfg.stage, base=cfg.base, device=cfg.device, batch_size=cfg.batch_size)
    print(predict(listener, audio, task, queries, list(cfg.classes), output_dir, cfg.figures))


if __name__ == "__main__":
    check_grammar("timepro_lit.predict", ("query", "queries", "audio", "checkpoint", "output_dir"))
    main()
